#!/usr/bin/python3
"""Expected masks of the crop tests, by scipy: writes data/volume/holes_*.npy beside this script."""
import pathlib

import numpy as np
from scipy.ndimage import binary_fill_holes

from volume_resample_expected import noise

# name: (shape z, y, x; share of voxels that are not zero, of 1024)
MASKS = {"dense": ((9, 11, 13), 900), "sparse": ((9, 11, 12), 600), "half": ((14, 15, 16), 900), "plane": ((1, 11, 13), 700)}


def main():
    folder = pathlib.Path(__file__).parent / "data" / "volume"
    for name, (shape, share) in MASKS.items():
        mask = noise(shape) % 1024 < share
        np.save(folder / f"holes_{name}.npy", binary_fill_holes(mask).astype(np.uint8))


if __name__ == "__main__":
    main()
