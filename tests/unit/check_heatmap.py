"""The heatmap of RESULT.h5 by its definition, in NumPy: check_heatmap.py RESULT.h5 absolute|percentile CLASS FOLDER
writes tiles.npy, values.npy and states.npy.  Areas are counted on an 8x finer raster, which is exact for tiles whose edges
are multiples of an eighth of a pixel.  Exit 77: no h5py here."""
import sys

try:
    import h5py
    import numpy as np
except ImportError:
    sys.exit(77)

F = 8
path, scale, c, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
f = h5py.File(path, "r")
coords, valid = f["coords"][:], f["valid"][:] != 0
n = valid.sum()
attention = f["attention"][:].astype(float) if "attention" in f else None
k = 0 if attention is None or attention.shape[1] == 1 else c
if scale == "percentile":
    tiles = np.full(len(valid), np.nan)
    logit = f["attention_logits"][:][valid, k]
    less, upto = ((m.sum(1)) for m in (logit[None] < logit[:, None], logit[None] <= logit[:, None]))
    tiles[valid] = (less + upto + 1) / 2 / n  # the mean of the ranks that equal values share
elif "tile_scores" in f:
    gate = 1 if attention is None else np.minimum(1, n * attention[:, k])
    tiles = f["tile_scores"][:].astype(float)[:, c] * gate
else:
    tiles = float(f["prediction/scores"][c]) * attention[:, k] / attention[:, k].max()
tiles[~valid] = np.nan

height, width = f["thumbnail"].shape[:2]
a = f["coords"].attrs
step = a["level0_width"] / (width * F)  # level-0 px per fine px
fine_w, fine_h = width * F, height * F
value, weight, unread = (np.zeros((fine_h, fine_w)) for _ in range(3))
for (x, y), v in zip(coords[:, :2] / step, tiles):
    edge = a["tile_level0"] / step
    box = np.s_[int(y):int(y + edge[1]), int(x):int(x + edge[0])]
    assert x == int(x) and edge[0] == int(edge[0])
    if np.isnan(v):
        unread[box] += 1
    else:
        value[box] += v
        weight[box] += 1
value, weight, unread = (m.reshape(height, F, width, F).sum((1, 3)) for m in (value, weight, unread))

points, offsets = f["tissue/points"][:], f["tissue/offsets"][:]
px, py = np.meshgrid((np.arange(width) + 0.5) * F * step, (np.arange(height) + 0.5) * F * step)
inside = np.zeros((height, width), bool)
for i in range(len(offsets) - 1):
    ring = points[offsets[i]:offsets[i + 1]].astype(float)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, 0)):
        crosses = (y0 > py) != (y1 > py)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (px < x0 + (py - y0) * (x1 - x0) / (y1 - y0))
states = np.where(unread > weight, 2, 1).astype(np.uint8)
states[~inside | (weight + unread == 0)] = 0
values = np.where(states == 1, value / np.maximum(weight, 1e-30), 0)
for name, array in (("tiles", tiles), ("values", values)):
    np.save(f"{folder}/{name}.npy", array.astype(np.float32))
np.save(f"{folder}/states.npy", states)
