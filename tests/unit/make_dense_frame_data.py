#!/usr/bin/python3
"""nnU-Net v2 from a case's voxels to its label map, transcribed with SciPy, skimage and PyTorch: transpose, crop to nonzero, normalise,
resample (order 3), slide, resample the logits (order 1), decide, put back.  Writes data/sliding/frame_*.npy for
tests/unit/test_dense_frame.c; the networks are those of make_sliding_data.py."""
import os

import numpy as np
import torch
from make_label_slabs_data import back, place
from make_sliding_data import OUT, Small, slide
from scipy.ndimage import binary_fill_holes, gaussian_filter, map_coordinates
from skimage.transform import resize


def apart_axis(current, new):
    """determine_do_sep_z_and_axis without force."""
    for spacing in (current, new):
        if max(spacing) / min(spacing) > 3:
            axis = np.where(max(spacing) / np.array(spacing) == 1)[0]
            return int(axis[0]) if len(axis) == 1 else None
    return None


def resample(data, shape, apart, order):
    """resample_data_or_seg, order_z 0; NumPy's clip holds a cubic to the range of what goes in, as skimage does."""
    if tuple(data.shape[1:]) == tuple(shape):
        return data
    if order == 1:
        return back(data, shape, apart)
    out = []
    for field in data.astype(float):
        if apart is None:
            out.append(resize(field, shape, order, mode="edge", cval=0, anti_aliasing=False))
            continue
        flat = [s for a, s in enumerate(shape) if a != apart]
        planes = np.stack([resize(np.take(field, i, apart), flat, order, mode="edge", cval=0, anti_aliasing=False) for i in range(field.shape[apart])], apart)
        scale = field.shape[apart] / shape[apart]
        grid = np.meshgrid(*[scale * (np.arange(s) + 0.5) - 0.5 if a == apart else np.arange(s) for a, s in enumerate(shape)], indexing="ij")
        out.append(map_coordinates(planes, np.array(grid), order=0, mode="nearest"))
    return np.stack(out).astype(np.float32)


def segment(network, case, spacing, wanted, forward, masked):
    """case (C, z, y, x), spacing (z, y, x); wanted: in the network's axes."""
    data = case.transpose([0] + [i + 1 for i in forward])
    spacing = [spacing[i] for i in forward]
    nonzero = binary_fill_holes((data != 0).any(0))
    where = np.nonzero(nonzero)
    start, end = [int(w.min()) for w in where], [int(w.max()) + 1 for w in where]
    whole, box = data.shape[1:], tuple(slice(s, e) for s, e in zip(start, end))
    data, mask = data[(slice(None),) + box].copy(), nonzero[box]
    for c in range(len(data)):
        if masked[c]:
            inside = data[c][mask]
            data[c][mask] = (inside - inside.mean()) / max(inside.std(), 1e-8)
        else:
            data[c] = (data[c] - data[c].mean()) / max(data[c].std(), 1e-8)
    shape = [int(round(i / j * k)) for i, j, k in zip(spacing, wanted, data.shape[1:])]
    brought = resample(data, shape, apart_axis(spacing, wanted), 3)
    logits = slide([network], np.ascontiguousarray(brought.astype(np.float32)), (8, 10, 12))
    returned = resample(logits, data.shape[1:], apart_axis(wanted, spacing), 1)
    backward = [list(forward).index(i) for i in range(3)]
    return brought, place(returned.argmax(0).astype(np.uint8), start, whole, backward)


def main():
    torch.set_grad_enabled(False)
    network = Small(3, 2, 3, 1)  # deep_a
    random = np.random.RandomState(21)
    case = np.zeros((2, 15, 20, 24), np.float32)
    case[:, 2:14, 1:18, 3:22] = gaussian_filter(random.standard_normal((2, 12, 17, 19)), (0, 1, 1, 1)) * 300 + 400
    case[:, 6, 8, 9] = 0  # a hole inside
    np.save(os.path.join(OUT, "frame_case.npy"), case)
    for name, spacing, wanted, forward in (("plain", (1.2, 0.9, 0.8), (1.5, 1.0, 1.0), (0, 1, 2)), ("apart", (4.0, 0.9, 0.8), (3.0, 1.0, 1.0), (0, 1, 2)),
                                           ("turned", (1.2, 0.9, 0.8), (1.0, 1.1, 0.7), (1, 0, 2))):
        brought, labels = segment(network, case, spacing, wanted, forward, (True, False))
        np.save(os.path.join(OUT, "frame_%s_volume.npy" % name), brought.astype(np.float32))
        np.save(os.path.join(OUT, "frame_%s_labels.npy" % name), labels)
        print(name, brought.shape, np.bincount(labels.ravel()))


if __name__ == "__main__":
    main()
