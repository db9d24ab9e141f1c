#!/usr/bin/env python3
"""Writes TransMIL heads with random weights and what PyTorch (float64) makes of bags of 1 to 5,000 tiles.

usage: mil_transmil_reference.py [DIR] [WIDTH]     (default: the folder mil beside this script, 32; the original's width is 512)

DIR/transmil.safetensors            the original's names, 8 heads, two layers
DIR/transmil_millab.safetensors     MIL-Lab's names, 4 heads, three layers
DIR/transmil_expected.safetensors   <head>/<N>/{logits,embedding,attention_logits,attention}; rows as in mil_reference.py
Written from the formulas of the paper and the shapes of published checkpoints: Nystroem attention with every matrix in full, the
pseudo-inverse in float64, the positions as three convolutions.
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

from mil_reference import D, SIZES, features, stored, write_safetensors

C = 3


def weights(width, heads, layers):
    """Under the original's names."""
    def normal(*shape, gain=1.0):
        return torch.randn(shape, dtype=torch.float64) * gain

    def linear(key, out, n, gain=1.0, bias=True):
        w[key + ".weight"] = normal(out, n, gain=gain / np.sqrt(n))
        if bias:
            w[key + ".bias"] = normal(out, gain=0.2)

    w = {"cls_token": normal(1, 1, width)}
    linear("_fc1.0", width, D, 1.5)
    for i in range(layers):
        w[f"layer{i + 1}.norm.weight"], w[f"layer{i + 1}.norm.bias"] = 1 + normal(width, gain=0.2), normal(width, gain=0.2)
        linear(f"layer{i + 1}.attn.to_qkv", 3 * width, width, 1.5, bias=False)
        linear(f"layer{i + 1}.attn.to_out.0", width, width)
        w[f"layer{i + 1}.attn.res_conv.weight"] = normal(heads, 1, 33, 1, gain=0.2)
    for name, edge in (("proj", 7), ("proj1", 5), ("proj2", 3)):
        w[f"pos_layer.{name}.weight"], w[f"pos_layer.{name}.bias"] = normal(width, 1, edge, edge, gain=0.5 / edge), normal(width, gain=0.2)
    w["norm.weight"], w["norm.bias"] = 1 + normal(width, gain=0.2), normal(width, gain=0.2)
    linear("_fc2", C, width, 2.0)
    return w


def pseudo_inverse(a):
    identity = torch.eye(a.shape[-1], dtype=a.dtype)
    z = a.transpose(-1, -2) / (a.abs().sum(dim=-1).max() * a.abs().sum(dim=-2).max())  # maxima over all heads
    for _ in range(6):
        az = a @ z
        z = 0.25 * z @ (13 * identity - az @ (15 * identity - az @ (7 * identity - az)))
    return z


def nystrom(x, w, key, heads):
    """x (n, width) after its norm; the layer's sum and the class token's row of the attention, (heads, n)."""
    n, width = x.shape
    m, d = width // 2, width // heads
    front = -n % m
    x = torch.cat([torch.zeros(front, width, dtype=x.dtype), x])
    q, k, v = (t.reshape(-1, heads, d).transpose(0, 1) for t in (x @ w[key + ".to_qkv.weight"].T).chunk(3, dim=-1))
    q = q * d**-0.5
    length = x.shape[0] // m
    q_marks, k_marks = (t.reshape(heads, m, length, d).mean(dim=2) for t in (q, k))
    a1, a2, a3 = (torch.softmax(s, dim=-1) for s in (q @ k_marks.mT, q_marks @ k_marks.mT, q_marks @ k.mT))
    left = a1 @ pseudo_inverse(a2)
    y = left @ (a3 @ v)
    conv = w[key + ".res_conv.weight"]
    y = y + F.conv2d(v[None], conv, padding=(conv.shape[2] // 2, 0), groups=heads)[0]
    y = y.transpose(0, 1).reshape(-1, width) @ w[key + ".to_out.0.weight"].T + w[key + ".to_out.0.bias"]
    return y[front:], (left[:, front:front + 1] @ a3)[:, 0, front:]


def positions(h, side, w):
    square = h[1:].T.reshape(1, -1, side, side)
    y = square.clone()
    for name in ("proj", "proj1", "proj2"):
        kernel = w[f"pos_layer.{name}.weight"]
        y = y + F.conv2d(square, kernel, w[f"pos_layer.{name}.bias"], padding=kernel.shape[-1] // 2, groups=kernel.shape[0])
    return torch.cat([h[:1], y.reshape(y.shape[1], -1).T])


def norm(h, w, key):
    return F.layer_norm(h, (h.shape[-1],), w[key + ".weight"], w[key + ".bias"])


def forward(x, w, heads, layers):
    n = x.shape[0]
    h = torch.relu(x @ w["_fc1.0.weight"].T + w["_fc1.0.bias"])
    side = int(np.ceil(np.sqrt(n)))
    h = torch.cat([w["cls_token"][0], h, h[:side * side - n]])
    for i in range(layers):
        y, row = nystrom(norm(h, w, f"layer{i + 1}.norm"), w, f"layer{i + 1}.attn", heads)
        h = h + y
        if i == 0:
            h = positions(h, side, w)
    m = norm(h[:1], w, "norm")[0]
    row = row[:, 1:1 + n].T
    positive = row.clamp(min=0)
    return {"logits": m @ w["_fc2.weight"].T + w["_fc2.bias"], "embedding": m, "attention_logits": row,
            "attention": positive / positive.sum(dim=0)}


def millab(key):
    for a, b in (("_fc1.", "patch_embed."), ("_fc2.", "classifier."), (".attn.", ".attention."), ("layer1", "blocks.0"), ("layer2", "blocks.1"),
                 ("layer3", "blocks.2")):
        key = key.replace(a, b)
    return "model." + key


HEADS = {"transmil": (8, 2, lambda key: "model." + key), "transmil_millab": (4, 3, millab)}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "mil")
    width = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    torch.manual_seed(20210602)
    expected = {}
    for name, (heads, layers, rename) in HEADS.items():
        w, tensors = weights(width, heads, layers), {}
        for key, value in w.items():
            tensors[rename(key)], w[key] = stored(value, "F32")
        write_safetensors(os.path.join(folder, name + ".safetensors"), tensors, {"format": "pt"})
        for n, step in SIZES.items():
            with torch.no_grad():
                out = forward(torch.from_numpy(features(n)), w, heads, layers)
            for key, value in out.items():
                expected[f"{name}/{n}/{key}"] = (value[::step] if value.ndim == 2 else value).numpy().astype(np.float32)
    write_safetensors(os.path.join(folder, "transmil_expected.safetensors"), expected)


if __name__ == "__main__":
    main()
