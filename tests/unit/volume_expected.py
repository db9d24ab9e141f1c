#!/usr/bin/python3
"""Expected values of reading cases whole, computed with nibabel and pydicom: writes volume_expected.json beside this script.

usage: volume_expected.py DATA   (the folder of the shared samples)
The stored order is what nibabel's dataobj gives, which is what nnU-Net's readers work on; of a DICOM series column, row and slice along the
normal, as ITK's series reader has it.  The checksum weighs each voxel by its place, so
that a swapped or flipped axis shows."""
import json
import pathlib
import sys

import nibabel
import numpy as np
import pydicom

SERIES = ["ct-head-phantom-philips", "mr-t1-structural", "d2n-siemens-anatomical/dicom", "d2n-failing-gantrytilting-001", "d2s-ct-3slice"]


def checksum(volume):
    """Sum of voxel * weight(x, y, z), weights 1..251."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in volume.shape), indexing="ij")
    return float((volume.astype(np.float32).astype(np.float64) * (1 + (3 * x + 5 * y + 7 * z) % 251)).sum())


def load_series(folder):
    slices = [pydicom.dcmread(p) for p in sorted(folder.iterdir()) if not p.name.endswith((".nrrd", ".gz"))]
    row, column = (np.array(slices[0].ImageOrientationPatient[i:i + 3], float) for i in (0, 3))
    normal = np.cross(row, column)
    slices.sort(key=lambda s: float(np.dot(normal, np.array(s.ImagePositionPatient, float))))
    first, last = (np.array(s.ImagePositionPatient, float) for s in (slices[0], slices[-1]))
    affine = np.eye(4)
    affine[:3, 0] = row * float(slices[0].PixelSpacing[1])
    affine[:3, 1] = column * float(slices[0].PixelSpacing[0])
    affine[:3, 2] = (last - first) / (len(slices) - 1)
    affine[:3, 3] = first
    data = np.stack([s.pixel_array * float(getattr(s, "RescaleSlope", 1)) + float(getattr(s, "RescaleIntercept", 0)) for s in slices])
    image = nibabel.Nifti1Image(data.T, np.diag([-1, -1, 1, 1]) @ affine)
    image.header["sform_code"] = 1
    return image


def facts(path):
    image = load_series(path) if path.is_dir() else nibabel.load(path)
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
    expected.update({f"radiology/{name}": facts(data / "radiology" / name) for name in SERIES})
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
