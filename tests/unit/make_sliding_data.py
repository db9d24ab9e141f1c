#!/usr/bin/python3
"""Sliding windows as nnU-Net v2 and MONAI lay and blend them, transcribed in NumPy, SciPy and PyTorch: what tests/unit/test_window_plan.c and
test_sliding.c hold the engine against.  Writes data/sliding/."""
import itertools
import os

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "sliding")


def steps_nnunet(image, tile, step):
    """compute_steps_for_sliding_window, one axis."""
    n = int(np.ceil((image - tile) / (tile * step))) + 1
    size = (image - tile) / (n - 1) if n > 1 else 99999999999
    return [int(np.round(size * i)) for i in range(n)]


def steps_monai(image, tile, overlap):
    """_get_scan_interval and dense_patch_slices, one axis."""
    interval = tile if tile == image else max(1, int(tile * (1 - overlap)))
    num = int(np.ceil(image / interval))
    first = next((d for d in range(num) if d * interval + tile >= image), None)
    n = first + 1 if first is not None else 1
    return [i * interval - max(i * interval + tile - image, 0) for i in range(n)]


def gaussian_nnunet(tile):
    """compute_gaussian in float32."""
    tmp = np.zeros(tile)
    tmp[tuple(i // 2 for i in tile)] = 1
    g = gaussian_filter(tmp, [i / 8 for i in tile], 0, mode="constant", cval=0)
    g = (g / g.max()).astype(np.float32)
    g[g == 0] = g[g != 0].min()
    return g


def gaussian_monai(tile):
    """compute_importance_map and the clamp of sliding_window_inference."""
    w = torch.ones(1)
    for i, t in enumerate(tile):
        x = torch.arange(-(t - 1) / 2.0, (t - 1) / 2.0 + 1)
        x = torch.exp(x ** 2 / (-2 * (t * 0.125) ** 2))
        w = w.unsqueeze(-1) * x if i > 0 else x
    return torch.clamp(w, min=max(w[w != 0].min().item(), 1e-3)).numpy()


def lay(image, tile, rule, step):
    """Axes z, y, x.  A tile of one slice reads every slice."""
    if rule == "nnunet":
        return [list(range(image[0])) if a == 0 and t == 1 else steps_nnunet(i, t, step) for a, (i, t) in enumerate(zip(image, tile))]
    return [list(range(image[0])) if a == 0 and t == 1 else steps_monai(i, t, 1 - step) for a, (i, t) in enumerate(zip(image, tile))]


def weights(tile, rule, weight):
    if weight == "constant":
        return np.ones(tile, np.float32)
    inner = tile[1:] if tile[0] == 1 else tile
    g = gaussian_nnunet(inner) if rule == "nnunet" else gaussian_monai(inner)
    return g.reshape(tile)


def predict(networks, x, mirror, flat):
    """The mean over folds of the mean over mirrored inputs; axes of `mirror` are those of (z, y, x)."""
    subsets = [c for r in range(len(mirror) + 1) for c in itertools.combinations(mirror, r)]
    total = None
    for network in networks:
        for axes in subsets:
            dims = [a + 1 for a in axes]
            given = torch.flip(x, dims) if dims else x
            y = network(given[:, 0][None])[0][:, None] if flat else network(given[None])[0]
            y = torch.flip(y, dims) if dims else y
            total = y if total is None else total + y
    return total / (len(subsets) * len(networks))


def slide(networks, volume, tile, rule="nnunet", step=0.5, weight="gaussian", mirror=(), flat=False, slices=1, scale=1):
    """volume: (C, Z, Y, X) float32; tile: (z, y, x)."""
    volume = torch.from_numpy(volume)
    size = volume.shape[1:]
    padded = [max(s, t) for s, t in zip(size, tile)]
    before = [(p - s) // 2 for p, s in zip(padded, size)]
    pad = []
    for a in (2, 1, 0):
        pad += [before[a], padded[a] - size[a] - before[a]]
    data = F.pad(volume, pad)
    if slices > 1:
        last, half = data.shape[1] - 1, slices // 2
        picks = [np.clip(np.arange(last + 1) + d, 0, last) for d in range(-half, half + 1)]
        data = torch.stack([data[c][p] for c in range(data.shape[0]) for p in picks])
    w = torch.from_numpy(weights(tile, rule, weight))
    out, count = None, torch.zeros(padded)
    for z, y, x in itertools.product(*lay(padded, tile, rule, step)):
        where = (slice(z, z + tile[0]), slice(y, y + tile[1]), slice(x, x + tile[2]))
        logits = predict(networks, data[(slice(None),) + where], mirror, flat)
        if scale > 1:
            logits = F.interpolate(logits[:, 0][None], scale_factor=scale, mode="bilinear", align_corners=False)[0][:, None] if flat else \
                F.interpolate(logits[None], scale_factor=scale, mode="trilinear", align_corners=False)[0]
        if out is None:
            out = torch.zeros([logits.shape[0]] + padded)
        out[(slice(None),) + where] += logits * w
        count[where] += w
    crop = (slice(None),) + tuple(slice(b, b + s) for b, s in zip(before, size))
    return (out / count)[crop].numpy()


class Small(nn.Module):
    """A U-Net of one step: its answer depends on where the window's rim is."""

    def __init__(self, dims, channels, classes, seed, shrink=False):
        super().__init__()
        conv, up = (nn.Conv3d, nn.ConvTranspose3d) if dims == 3 else (nn.Conv2d, nn.ConvTranspose2d)
        torch.manual_seed(seed)
        self.a, self.down, self.up = conv(channels, 6, 3, padding=1), conv(6, 8, 3, stride=2, padding=1), up(8, 6, 2, stride=2)
        self.head = conv(8 if shrink else 12, classes, 1)
        self.shrink = shrink
        with torch.no_grad():
            for p in self.parameters():
                p.mul_(2)

    def forward(self, x):
        a = F.leaky_relu(self.a(x), 0.01)
        d = F.leaky_relu(self.down(a), 0.01)
        return self.head(d) if self.shrink else self.head(torch.cat([self.up(d), a], 1))


def export(name, network, shape, dynamic=True):
    axes = {0: "N", **{i: "d%d" % i for i in range(2, len(shape))}} if dynamic else {}
    path = os.path.join(OUT, name + ".onnx")
    torch.onnx.export(network, torch.zeros(shape), path, input_names=["x"], output_names=["y"], opset_version=13,
                      dynamic_axes={"x": axes, "y": axes} if dynamic else None)
    return network


def export_halves(name, weights):
    """A convolution of 1 x 1 x 1 whose graph wants and gives float16."""
    ports = [onnx.helper.make_tensor_value_info(p, onnx.TensorProto.FLOAT16, ["N", n, "D", "H", "W"]) for p, n in (("x", 2), ("y", 3))]
    w = onnx.numpy_helper.from_array(weights.reshape(3, 2, 1, 1, 1).astype(np.float16), "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Conv", ["x", "w"], ["y"])], name, ports[:1], ports[1:], [w])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7), os.path.join(OUT, name + ".onnx"))


PLANS = [(image, tile, step) for image in (1, 5, 16, 17, 31, 32, 33, 95, 129, 300, 511) for tile in (1, 5, 16, 24, 32, 128) for step in (0.5, 0.75, 0.3, 1.0)]


def write_plans():
    rows = []
    for image, tile, step in PLANS:
        size = max(image, tile)
        for rule, found in (("nnunet", steps_nnunet(size, tile, step)), ("monai", steps_monai(size, tile, 1 - step))):
            rows.append("%s %d %d %g: %s" % (rule, image, tile, step, " ".join(map(str, found))))
    with open(os.path.join(OUT, "plans.txt"), "w") as f:
        f.write("\n".join(rows) + "\n")


def main():
    os.makedirs(OUT, exist_ok=True)
    write_plans()
    for name, tile in (("even", (8, 10, 12)), ("odd", (5, 7, 9)), ("flat", (1, 16, 12))):
        for rule in ("nnunet", "monai"):
            np.save(os.path.join(OUT, "weight_%s_%s.npy" % (rule, name)), weights(tile, rule, "gaussian"))
    torch.set_grad_enabled(False)
    nets = {"deep_a": export("deep_a", Small(3, 2, 3, 1), (1, 2, 8, 10, 12)), "deep_b": export("deep_b", Small(3, 2, 3, 2), (1, 2, 8, 10, 12)),
            "flat": export("flat", Small(2, 2, 2, 3), (1, 2, 10, 12)), "near": export("near", Small(2, 3, 2, 4), (1, 3, 10, 12)),
            "half": export("half", Small(2, 2, 2, 5, shrink=True), (1, 2, 10, 12)),
            "half_deep": export("half_deep", Small(3, 2, 3, 6, shrink=True), (1, 2, 8, 10, 12)),
            "fixed": export("fixed", Small(3, 2, 3, 7), (1, 2, 8, 10, 12), dynamic=False)}
    random = np.random.RandomState(11)
    odd = random.standard_normal((2, 13, 17, 23)).astype(np.float32)
    little = random.standard_normal((2, 5, 17, 9)).astype(np.float32)
    one = odd[:1].copy()
    for name, volume in (("odd", odd), ("little", little), ("one", one)):
        np.save(os.path.join(OUT, "volume_%s.npy" % name), volume)
    deep, pair = [nets["deep_a"]], [nets["deep_a"], nets["deep_b"]]
    cases = {
        "odd": slide(deep, odd, (8, 10, 12)),
        "little": slide(deep, little, (8, 10, 12)),
        "mirror": slide(deep, odd, (8, 10, 12), mirror=(0, 1, 2)),
        "folds": slide(pair, odd, (8, 10, 12), mirror=(1, 2)),
        "constant": slide(deep, odd, (8, 10, 12), weight="constant"),
        "monai": slide(deep, odd, (8, 10, 12), rule="monai", step=0.75, weight="constant"),
        "monai_gaussian": slide(deep, odd, (8, 10, 12), rule="monai", step=0.75),
        "flat": slide([nets["flat"]], odd, (1, 10, 12), mirror=(1, 2), flat=True),
        "near": slide([nets["near"]], one, (1, 10, 12), flat=True, slices=3),
        "half": slide([nets["half"]], odd, (1, 10, 12), flat=True, scale=2),
        "half_deep": slide([nets["half_deep"]], odd, (8, 10, 12), scale=2),
        "fixed": slide([nets["fixed"]], odd, (8, 10, 12)),
    }
    # every product and sum is a half
    eighths, matrix = np.round(little * 8) / 8, np.array([[1, -0.5], [2, 1], [-1, 0.25]], np.float32)
    np.save(os.path.join(OUT, "volume_eighths.npy"), eighths.astype(np.float32))
    export_halves("halves", matrix)
    cases["halves"] = np.einsum("kc,czyx->kzyx", matrix, eighths)
    for name, logits in cases.items():
        np.save(os.path.join(OUT, "logits_%s.npy" % name), logits.astype(np.float32))


if __name__ == "__main__":
    main()
