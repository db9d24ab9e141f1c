#!/usr/bin/python3
"""Expected values of the case tests, computed with nibabel and numpy: writes case_expected.json beside this script.

usage: case_expected.py DATA   (the folder of the shared samples)
Volumes are turned by nibabel's own as_closest_canonical; the checksum weighs each voxel by its place, so that a swapped or
flipped axis shows."""
import json
import pathlib
import sys

import nibabel
import numpy as np


def checksum(volume):
    """Sum of voxel * weight(x, y, z), weights 1..251."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in volume.shape), indexing="ij")
    return float((volume * (1 + (3 * x + 5 * y + 7 * z) % 251)).sum())


def facts(path):
    image = nibabel.load(path)
    if int(np.prod(image.shape[3:])) != 1:
        return {"volumes": int(np.prod(image.shape[3:]))}
    framed = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
    turned = nibabel.as_closest_canonical(image) if framed else image
    data = np.asarray(turned.dataobj).astype(np.float64).reshape(turned.shape[:3])
    return {
        "size": list(data.shape),
        "affine": turned.affine.tolist() if framed else None,
        "checksum": checksum(data),
        "percentiles": np.percentile(data, [0.5, 99.5]).tolist(),
        "mean": float(data.mean()),
        "std": float(data.std()),
    }


def main():
    data = pathlib.Path(sys.argv[1])
    files = sorted(p for p in data.glob("radiology/**/*") if p.name.endswith((".nii", ".nii.gz", ".img")))
    expected = {str(p.relative_to(data)): facts(p) for p in files}
    out = pathlib.Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(expected, indent=1) + "\n")


main()
