#!/usr/bin/python3
"""Expected volumes of the align tests, by numpy and scipy: writes data/volume/align_*.npy beside this script.

A moving volume on a reference's grid through the affines, linear; 0 where it is more than half a voxel outside (ITK's rule)."""
import pathlib

import numpy as np
from scipy.ndimage import map_coordinates

from volume_resample_expected import noise

# voxel (x, y, z) to mm
REFERENCE = np.array([[0.9, 0.1, 0, -7], [-0.1, 0.9, 0.2, 3], [0, -0.15, 1.5, 11], [0, 0, 0, 1]])
MOVING = np.array([[-1.1, 0, 0.3, 9], [0, 1.3, 0.1, -1], [0.2, 0.1, 2.0, 8], [0, 0, 0, 1]])
SIZE, MOVING_SIZE = (13, 11, 9), (12, 10, 8)


def main():
    folder = pathlib.Path(__file__).parent / "data" / "volume"
    data = (noise(MOVING_SIZE[::-1]).astype(np.float64) / 512 - 1000).astype(np.float32).astype(np.float64)
    grid = np.stack([*np.meshgrid(*(np.arange(n) for n in SIZE), indexing="ij"), np.ones(SIZE)]).reshape(4, -1)
    at = (np.linalg.inv(MOVING) @ REFERENCE @ grid)[:3]
    out = map_coordinates(data, at[::-1], order=1, mode="nearest")
    size = np.array(MOVING_SIZE)[:, None]
    out[((at < -0.5) | (at > size - 0.5)).any(axis=0)] = 0
    np.save(folder / "align_moved.npy", np.ascontiguousarray(out.reshape(SIZE).T, np.float32))
    np.save(folder / "align_inverse.npy", np.linalg.inv(MOVING))


if __name__ == "__main__":
    main()
