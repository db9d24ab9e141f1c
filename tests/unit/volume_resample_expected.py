#!/usr/bin/python3
"""Expected fields of the resampling tests, by scikit-image and scipy: writes data/volume/resample_*.npy beside this script.

resample() follows what nnU-Net documents of its resample_data_or_seg: skimage's resize with mode="edge" and no anti-aliasing; with a
separate axis its slices one by one, then map_coordinates of order 0 (order_z).  Labels: resize of each class's mask, 0.5 and more."""
import pathlib

import numpy as np
from scipy.ndimage import map_coordinates
from skimage.transform import resize

# name: (shape z, y, x; new shape; order; separate axis in z, y, x or None; order along it, else 0)
FIELDS = {
    "cubic": ((7, 9, 11), (13, 8, 20), 3, None),
    "cubic_wide": ((5, 6, 70), (4, 6, 41), 3, None),
    "cubic_thin": ((1, 5, 2), (3, 9, 4), 3, None),
    "cubic_z": ((6, 9, 11), (10, 12, 7), 3, 0),
    "cubic_y": ((6, 9, 11), (10, 12, 7), 3, 1),
    "cubic_x": ((6, 9, 11), (10, 12, 27), 3, 2),
    "cubic_z_kept": ((6, 9, 11), (6, 12, 7), 3, 0),
    "linear": ((7, 9, 11), (13, 8, 20), 1, None),
    "linear_z": ((6, 9, 11), (17, 12, 7), 1, 0),
    "linear_x": ((6, 9, 11), (17, 12, 7), 1, 2),
    "nearest": ((7, 9, 11), (13, 8, 20), 0, None),
    "cubic_z_linear": ((6, 9, 11), (10, 12, 7), 3, 0, 1),
    "cubic_y_cubic": ((6, 9, 11), (10, 12, 7), 3, 1, 3),
    "linear_z_linear": ((6, 9, 11), (17, 12, 7), 1, 0, 1),
}
LABELS = {"labels": ((7, 9, 11), (13, 8, 20), 1, None), "labels_z": ((6, 9, 11), (10, 12, 7), 1, 0), "labels_nearest": ((7, 9, 11), (13, 8, 20), 0, None)}


def noise(shape):
    i = np.arange(np.prod(shape), dtype=np.uint64)
    return (((i * np.uint64(2654435761) + np.uint64(12345)) % np.uint64(2**32)) >> np.uint64(12)).reshape(shape)


def resize_field(data, shape, order):
    return resize(data, shape, order, mode="edge", anti_aliasing=False)


def resize_labels(data, shape, order):
    if order == 0:
        return resize(data.astype(float), shape, 0, mode="edge", clip=True, anti_aliasing=False)
    out = np.zeros(shape)
    for label in np.unique(data):
        out[resize((data == label).astype(float), shape, order, mode="edge", clip=True, anti_aliasing=False) >= 0.5] = label
    return out


def resample(data, shape, order, axis, resize_one, order_z=0):
    if axis is None:
        return resize_one(data, shape, order)
    flat = [n for d, n in enumerate(shape) if d != axis]
    slices = np.stack([resize_one(s, flat, order) for s in np.moveaxis(data, axis, 0)], axis=axis)
    if slices.shape == tuple(shape):
        return slices
    scale = np.divide(slices.shape, shape)
    at = np.stack([s * (m + 0.5) - 0.5 for s, m in zip(scale, np.mgrid[tuple(slice(n) for n in shape)])])
    return map_coordinates(slices, at, order=order_z, mode="nearest")


def main():
    folder = pathlib.Path(__file__).parent / "data" / "volume"
    for name, (shape, new, order, axis, *order_z) in FIELDS.items():
        data = noise(shape).astype(np.float64) / 512 - 1000
        np.save(folder / f"resample_{name}.npy", resample(data, new, order, axis, resize_field, *order_z).astype(np.float32))
    for name, (shape, new, order, axis) in LABELS.items():
        data = (noise(tuple((n + 2) // 3 for n in shape)) // 7 % 4).repeat(3, 0).repeat(3, 1).repeat(3, 2)
        data = data[tuple(slice(n) for n in shape)]
        np.save(folder / f"resample_{name}.npy", resample(data, new, order, axis, resize_labels).astype(np.uint8))


if __name__ == "__main__":
    main()
