#!/usr/bin/env python3
"""Seconds and peak memory of large bags through heads of their published widths, with random weights.

usage: measure_bags.py [--tiles N] [--threads N] [--dim D] MICROTOME [HEAD...]
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np

from mil_reference import write_safetensors

D = 512


def linear(tensors, key, out, width, bias=True, rng=np.random.default_rng(1)):
    tensors[key + ".weight"] = (rng.normal(size=(out, width)) / np.sqrt(width)).astype(np.float32)
    if bias:
        tensors[key + ".bias"] = (rng.normal(size=out) * 0.1).astype(np.float32)


def norm(tensors, key, width):
    tensors[key + ".weight"] = np.ones(width, np.float32)
    tensors[key + ".bias"] = np.zeros(width, np.float32)


def abmil(dim):
    t = {}
    linear(t, "patch_embed.0", D, dim)
    linear(t, "global_attn.attention_a.0", 384, D)
    linear(t, "global_attn.attention_b.0", 384, D)
    linear(t, "global_attn.attention_c", 1, 384)
    linear(t, "classifier", 2, D)
    return t


def transmil(dim):
    t, rng = {"cls_token": np.ones((1, 1, D), np.float32)}, np.random.default_rng(2)
    linear(t, "_fc1.0", D, dim)
    for layer in ("layer1", "layer2"):
        norm(t, layer + ".norm", D)
        linear(t, layer + ".attn.to_qkv", 3 * D, D, bias=False)
        linear(t, layer + ".attn.to_out.0", D, D)
        t[layer + ".attn.res_conv.weight"] = (rng.normal(size=(8, 1, 33, 1)) * 0.1).astype(np.float32)
    for name, k in (("proj", 7), ("proj1", 5), ("proj2", 3)):
        t[f"pos_layer.{name}.weight"] = (rng.normal(size=(D, 1, k, k)) / k).astype(np.float32)
        t[f"pos_layer.{name}.bias"] = np.zeros(D, np.float32)
    norm(t, "norm", D)
    linear(t, "_fc2", 2, D)
    return t


HEADS = {"abmil": abmil, "transmil": transmil}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("microtome")
    parser.add_argument("heads", nargs="*", default=list(HEADS))
    parser.add_argument("--tiles", type=int, default=200000)
    parser.add_argument("--dim", type=int, default=1536)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in args.heads:
            path = os.path.join(folder, name + ".safetensors")
            write_safetensors(path, HEADS[name](args.dim))
            command = [args.microtome, "bench", "bag", "-m", path, "--tiles", str(args.tiles), "--threads", str(args.threads), "--json"]
            print(json.dumps(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)))


if __name__ == "__main__":
    main()
