#!/usr/bin/python3
"""What nnU-Net's preprocessor makes of sample cases, by numpy, scipy and scikit-image: writes volume_nnunet_expected.json beside this script.

usage: volume_nnunet_expected.py DATA   (the folder of the shared samples)
Read in the stored order, cropped to what is not zero, normalised, then resampled, as DefaultPreprocessor.run_case documents it; the functions are
written anew from that description."""
import json
import pathlib
import sys

import nibabel
import numpy as np
from scipy.ndimage import binary_fill_holes

from volume_expected import load_series
from volume_resample_expected import resample, resize_field

# path below radiology: (spacing z, y, x in mm; scheme)
CASES = {
    "nifti/anatomical.nii": ((2.6, 1.7, 2.2), "zscore-foreground"),
    "nifti/avg152T1_LR_nifti.nii.gz": ((9.5, 2.7, 2.9), "zscore-foreground"),
    "ct-head-phantom-philips": ((11.0, 3.3, 3.1), "ct:-158.5,327.25,21.5,107.25"),
    "mr-t1-structural": ((3.1, 3.7, 2.3), "zscore"),
}
SAMPLES = 400


def separate_axis(old, new):
    for spacing in (old, new):
        if max(spacing) / min(spacing) > 3:
            axes = np.where(max(spacing) / np.array(spacing) == 1)[0]
            return int(axes[0]) if len(axes) == 1 else None
    return None


def normalise(data, mask, scheme):
    if scheme.startswith("ct:"):
        low, high, mean, std = map(float, scheme[3:].split(","))
        return (np.clip(data, low, high) - mean) / max(std, 1e-8)
    where = mask if scheme.endswith("foreground") else np.ones_like(mask)
    out = data.copy()
    out[where] = (data[where] - data[where].mean()) / max(data[where].std(), 1e-8)
    return out


def preprocess(path, spacing, scheme):
    image = load_series(path) if path.is_dir() else nibabel.load(path)
    data = np.asarray(image.dataobj).astype(np.float64).reshape(image.shape[:3]).T
    old = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))[::-1]
    mask = binary_fill_holes(data != 0)
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
    data = normalise(data[box], mask[box], scheme)
    shape = [int(round(a / b * n)) for a, b, n in zip(old, spacing, data.shape)]
    return box, resample(data, shape, 3, separate_axis(old, spacing), resize_field)


def main():
    data = pathlib.Path(sys.argv[1])
    expected = {}
    for name, (spacing, scheme) in CASES.items():
        box, out = preprocess(data / "radiology" / name, spacing, scheme)
        flat = out.ravel()
        expected[f"radiology/{name}"] = {
            "scheme": scheme, "spacing": list(spacing[::-1]), "start": [s.start for s in box[::-1]], "cut": [s.stop - s.start for s in box[::-1]],
            "size": list(out.shape[::-1]), "mean": float(out.mean()), "step": flat.size // SAMPLES, "values": flat[:: flat.size // SAMPLES].tolist()}
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
