#!/usr/bin/python3
"""Expected values of reading cases whole, computed with nibabel: writes volume_expected.json beside this script.

usage: volume_expected.py DATA   (the folder of the shared samples)
The stored order is what nibabel's dataobj gives, which is what nnU-Net's readers work on; the checksum weighs each voxel by its place, so
that a swapped or flipped axis shows."""
import json
import pathlib
import sys

import nibabel
import numpy as np


def checksum(volume):
    """Sum of voxel * weight(x, y, z), weights 1..251."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in volume.shape), indexing="ij")
    return float((volume.astype(np.float32).astype(np.float64) * (1 + (3 * x + 5 * y + 7 * z) % 251)).sum())


def facts(path):
    image = nibabel.load(path)
    if int(np.prod(image.shape[3:])) != 1:
        return None
    framed = bool(image.header["sform_code"] > 0 or image.header["qform_code"] > 0)
    turned = nibabel.as_closest_canonical(image) if framed else image
    out = {}
    for name, one in (("stored", image), ("ras", turned)):
        data = np.asarray(one.dataobj).astype(np.float64).reshape(one.shape[:3])
        out[name] = {"size": list(data.shape), "affine": one.affine.tolist() if framed else None, "checksum": checksum(data)}
    return out


def main():
    data = pathlib.Path(sys.argv[1])
    files = sorted(p for p in data.glob("radiology/**/*") if p.name.endswith((".nii", ".nii.gz", ".img")))
    expected = {str(p.relative_to(data)): f for p in files if (f := facts(p)) is not None}
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(expected, indent=1) + "\n")


main()
