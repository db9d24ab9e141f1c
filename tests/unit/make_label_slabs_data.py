#!/usr/bin/python3
"""Logits of a network brought back to a case's grid and decided, as nnU-Net v2 does it (resample_data_or_seg, softmax, argmax or regions,
bounding box, transpose_backward), with skimage and NumPy.  Writes data/sliding/labels_*.npy for tests/unit/test_label_slabs.c."""
import os

import numpy as np
from scipy.ndimage import map_coordinates
from skimage.transform import resize

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "sliding")


def back(logits, shape, apart=None):
    """One channel after the other; `apart`: the axis whose slices are resized one by one, the nearest taken across them."""
    out = np.empty((len(logits),) + tuple(shape))
    for c, field in enumerate(logits.astype(float)):
        if apart is None:
            out[c] = resize(field, shape, 1, mode="edge", cval=0, anti_aliasing=False)
            continue
        flat = [s for a, s in enumerate(shape) if a != apart]
        planes = np.stack([resize(np.take(field, i, apart), flat, 1, mode="edge", cval=0, anti_aliasing=False) for i in range(field.shape[apart])], apart)
        scale = field.shape[apart] / shape[apart]
        grid = np.meshgrid(*[scale * (np.arange(s) + 0.5) - 0.5 if a == apart else np.arange(s) for a, s in enumerate(shape)], indexing="ij")
        out[c] = map_coordinates(planes, np.array(grid), order=0, mode="nearest")
    return out


def softmax(x):
    e = np.exp(x - x.max(0))
    return e / e.sum(0)


def regions(logits, paint):
    seg = np.zeros(logits.shape[1:], np.uint8)
    for i, value in enumerate(paint):
        seg[1 / (1 + np.exp(-logits[i])) > 0.5] = value
    return seg


def place(seg, start, shape, transpose_backward):
    """`start` and `shape` in the network's axes."""
    whole = np.zeros(shape, seg.dtype)
    whole[tuple(slice(s, s + n) for s, n in zip(start, seg.shape))] = seg
    return np.ascontiguousarray(whole.transpose(transpose_backward))


def save(name, array):
    np.save(os.path.join(OUT, name + ".npy"), array)


def main():
    random = np.random.RandomState(5)
    logits = random.standard_normal((3, 7, 9, 11)).astype(np.float32)
    save("labels_logits", logits)
    finer = back(logits, (12, 13, 20))
    save("labels_finer", finer.argmax(0).astype(np.uint8))
    save("labels_map", softmax(finer)[1].astype(np.float32))
    save("labels_regions", regions(finer, (1, 2, 3)))
    coarser = back(logits, (5, 6, 8))
    save("labels_coarser", coarser.argmax(0).astype(np.uint8))
    save("labels_apart", back(logits, (12, 13, 20), 0).argmax(0).astype(np.uint8))
    save("labels_apart_y", back(logits, (12, 13, 20), 1).argmax(0).astype(np.uint8))
    # transpose_forward (1, 0, 2) of an image (z, y, x): the network's z is the case's y
    save("labels_turned", place(finer.argmax(0).astype(np.uint8), (2, 1, 3), (15, 14, 24), (1, 0, 2)))
    save("labels_equal", place(logits.argmax(0).astype(np.uint8), (2, 1, 3), (10, 11, 15), (2, 0, 1)))


if __name__ == "__main__":
    main()
