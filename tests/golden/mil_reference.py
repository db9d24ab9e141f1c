#!/usr/bin/env python3
"""Writes small MIL heads with random weights and what PyTorch (float64) makes of bags of 1 to 5,000 tiles.

usage: mil_reference.py [DIR]     (default: the folder mil beside this script)

DIR/<head>.safetensors     one head per kind and layout of keys, as its original code names them
DIR/<head>.onnx            small graphs over a bag whose outputs are named and shaped in different ways
DIR/expected.safetensors   <head>/<N>/{logits,embedding,attention_logits,attention,tile_logits}; of the per-tile arrays
                           every row up to 7 tiles, above that the rows 0, s, 2 s, .. (s = 8 for 256, 50 for 5,000)
The bag is not stored: test_aggregators.c computes the same numbers (see features below).
"""
import json
import os
import struct
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

D, H, A, C = 32, 16, 8, 3
SIZES = {1: 1, 7: 1, 256: 8, 5000: 50}


def features(n):
    """Row i, column j: a hash of i D + j + 1, as a multiple of 2^-23 in [-1, 1): exact in float32."""
    h = ((np.arange(n * D, dtype=np.uint64) + 1) * 2654435761) & 0xFFFFFFFF
    h ^= h >> 15
    h = (h * 2246822519) & 0xFFFFFFFF
    h ^= h >> 13
    return ((h >> 8).astype(np.float64) * 2.0**-23 - 1).reshape(n, D)


DTYPES = {np.float32: "F32", np.float64: "F64", np.float16: "F16", np.int64: "I64", np.uint16: "BF16"}


def write_safetensors(path, tensors, metadata=None):
    """The format by hand: length, JSON header padded with spaces to eight bytes, the tensors without gaps."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": DTYPES[array.dtype.type], "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


class Gated(nn.Module):
    """attention_a, attention_b, attention_c: CLAM's and MIL-Lab's names."""

    def __init__(self, width, hidden, k):
        super().__init__()
        self.attention_a = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Dropout(0.25))
        self.attention_b = nn.Sequential(nn.Linear(width, hidden), nn.Sigmoid(), nn.Dropout(0.25))
        self.attention_c = nn.Linear(hidden, k)

    def forward(self, h):
        return self.attention_c(self.attention_a(h) * self.attention_b(h))


class Plain(nn.Module):
    def __init__(self, width, hidden, k, dropout=True):
        super().__init__()
        layers = [nn.Linear(width, hidden), nn.Tanh()] + ([nn.Dropout(0.25)] if dropout else []) + [nn.Linear(hidden, k)]
        self.module = nn.Sequential(*layers)

    def forward(self, h):
        return self.module(h)


class Head(nn.Module):
    """Subclasses give project(x) -> h, score(h) -> s (n, K) and classify(h or M) -> logits; forward is the same for all."""
    per_class = False

    def project(self, x):
        return x

    def classify(self, m):
        return None

    def forward(self, x):
        h = self.project(x)
        s = self.score(h)
        a = torch.softmax(s, dim=0)
        m = a.T @ h
        if self.per_class:  # branch c of M for class c; a tile is its own M in every branch
            logits = torch.cat([self.classify_row(c, m[c]).reshape(1) for c in range(m.shape[0])])
            tiles = torch.stack([self.classify_row(c, h).reshape(-1) for c in range(m.shape[0])], dim=1)
        else:
            logits, tiles = self.classify(m), self.classify(h)
        return {"logits": None if logits is None else logits.reshape(-1), "embedding": m.reshape(-1), "attention_logits": s, "attention": a,
                "tile_logits": tiles}


class IlseGated(Head):
    def __init__(self):
        super().__init__()
        self.attention_V = nn.Sequential(nn.Linear(D, A), nn.Tanh())
        self.attention_U = nn.Sequential(nn.Linear(D, A), nn.Sigmoid())
        self.attention_w = nn.Linear(A, 1)
        self.classifier = nn.Sequential(nn.Linear(D, 1), nn.Sigmoid())

    def score(self, h):
        return self.attention_w(self.attention_V(h) * self.attention_U(h))

    def classify(self, m):
        return self.classifier[0](m)  # before the sigmoid


class IlsePlain(IlseGated):
    def __init__(self):
        Head.__init__(self)
        self.attention = nn.Sequential(nn.Linear(D, A), nn.Tanh(), nn.Linear(A, 1))
        self.classifier = nn.Sequential(nn.Linear(D, 1), nn.Sigmoid())

    def score(self, h):
        return self.attention(h)


class MilLab(Head):
    def __init__(self, gated=True, classifier=True, instance=False):
        super().__init__()
        self.patch_embed = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Dropout(0.25))
        self.global_attn = Gated(H, A, 1) if gated else Plain(H, A, 1)
        if classifier:
            self.classifier = nn.Linear(H, C)
        if instance:
            self.instance_classifiers = nn.ModuleList([nn.Linear(H, 2) for _ in range(C)])

    def project(self, x):
        return self.patch_embed(x)

    def score(self, h):
        return self.global_attn(h)

    def classify(self, m):
        return self.classifier(m) if hasattr(self, "classifier") else None


class Clam(Head):
    """index 3 with dropout, 2 without; SB: one branch and one Linear; MB: a branch per class."""

    def __init__(self, k, gated=True, dropout=True, single_linear=None):
        super().__init__()
        attention = Gated(H, A, k) if gated else Plain(H, A, k, dropout)
        self.attention_net = nn.Sequential(*([nn.Linear(D, H), nn.ReLU()] + ([nn.Dropout(0.25)] if dropout else []) + [attention]))
        self.per_class = k > 1
        self.single = k == 1 if single_linear is None else single_linear
        self.classifiers = nn.Linear(H, C) if self.single else nn.ModuleList([nn.Linear(H, 1) for _ in range(C)])
        self.instance_classifiers = nn.ModuleList([nn.Linear(H, 2) for _ in range(C)])

    def project(self, x):
        return self.attention_net[:-1](x)

    def score(self, h):
        return self.attention_net[-1](h)

    def classify(self, m):
        return self.classifiers(m)

    def classify_row(self, c, m):
        if self.single:
            return m @ self.classifiers.weight[c] + self.classifiers.bias[c]
        return self.classifiers[c](m)


def strip(text):
    return lambda key: key.replace(text, "")


def prefix(text):
    return lambda key: text + key


SVM = {"instance_loss_fn.labels": np.arange(2, dtype=np.int64)}
HEADS = {  # name: (module, renaming of keys, extra tensors, stored type)
    "ilse_gated": (IlseGated(), None, {}, "F32"),
    "ilse_plain": (IlsePlain(), None, {}, "F32"),
    "feather": (MilLab(classifier=False), prefix("model."), {}, "F32"),
    "millab_gated": (MilLab(), None, {}, "F32"),
    "millab_plain": (MilLab(gated=False), prefix("model."), {}, "F32"),
    "millab_clam": (MilLab(instance=True), prefix("model."), {}, "F32"),
    "millab_f64": (MilLab(), None, {"steps": np.arange(3, dtype=np.int64)}, "F64"),
    "millab_f16": (MilLab(), None, {}, "F16"),
    "millab_bf16": (MilLab(), None, {}, "BF16"),
    "clam_sb": (Clam(1), None, SVM, "F32"),
    "clam_sb_no_dropout": (Clam(1, dropout=False), None, {}, "F32"),
    "clam_sb_parallel": (Clam(1), lambda k: k.replace("attention_net.", "attention_net.module."), {}, "F32"),
    "clam_sb_plain": (Clam(1, gated=False), None, {}, "F32"),
    "clam_sb_plain_stripped": (Clam(1, gated=False, dropout=False), strip(".module"), {}, "F32"),
    "clam_mb": (Clam(C), None, SVM, "F32"),
    "clam_mb_single_linear": (Clam(C, single_linear=True), None, {}, "F32"),
    "clam_mb_plain": (Clam(C, gated=False), strip(".module"), {}, "F32"),
}


def stored(value, kind):
    """The array as it goes into the file, and its value in float64."""
    if kind == "BF16":
        half = value.to(torch.bfloat16)
        return half.view(torch.int16).numpy().view(np.uint16), half.to(torch.float64)
    array = value.numpy().astype({"F64": np.float64, "F32": np.float32, "F16": np.float16}[kind])
    return array, torch.from_numpy(array.astype(np.float32).astype(np.float64))


def make(module, rename, extra, kind):
    tensors, values = dict(extra), {}
    for key, value in module.state_dict().items():
        gain = 2.5 if "attention" in key or "attn" in key else 1.5
        value = torch.randn(value.shape, dtype=torch.float64) * gain / np.sqrt(value.shape[-1])
        array, values[key] = stored(value, kind)
        tensors[rename(key) if rename else key] = array
    module.double().eval().load_state_dict(values)
    return tensors


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def save_onnx(path, nodes, weights, shape, outputs, metadata=None):
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs]
    inputs = [helper.make_tensor_value_info("bag", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "head", inputs, ports, [numpy_helper.from_array(v, k) for k, v in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def onnx_heads(folder, expected):
    """batch: (1, N, D), a branch per class, raw attention as (1, C, N), card in the metadata.
    prob: (N, D), attention after its softmax as (N, 1), class probabilities without logits, a slide embedding.
    fixed: made for bags of 64 tiles."""
    rng = np.random.default_rng(20240406)
    w_s, w_c = (rng.normal(size=(D, C)) * s for s in (1.5, 0.5))
    w_s, w_c = w_s.astype(np.float32), w_c.astype(np.float32)
    node = helper.make_node
    batch = [node("MatMul", ["bag", "w_s"], ["s"]), node("Transpose", ["s"], ["A_raw"], perm=[0, 2, 1]),
             node("Softmax", ["A_raw"], ["a"], axis=2), node("MatMul", ["a", "bag"], ["m"]), node("Mul", ["m", "w_ct"], ["wm"]),
             node("ReduceSum", ["wm", "last"], ["logits"], keepdims=0)]
    save_onnx(os.path.join(folder, "batch.onnx"), batch, {"w_s": w_s, "w_ct": w_c.T.copy(), "last": np.array([2], np.int64)}, [1, "N", D],
              [("A_raw", [1, C, "N"]), ("logits", [1, C])], {"labels": "a;b;c", "positive": "b", "attention": "A_raw", "stride": "32"})
    prob = [node("MatMul", ["bag", "w_s"], ["s"]), node("Softmax", ["s"], ["att"], axis=0), node("Transpose", ["att"], ["at"], perm=[1, 0]),
            node("MatMul", ["at", "bag"], ["slide_embedding"]), node("MatMul", ["slide_embedding", "w_c"], ["z"]),
            node("Softmax", ["z"], ["prob"], axis=1)]
    outputs = [("prob", [1, C]), ("att", ["N", 1]), ("slide_embedding", [1, D])]
    save_onnx(os.path.join(folder, "prob.onnx"), prob, {"w_s": w_s[:, :1].copy(), "w_c": w_c}, ["N", D], outputs)
    save_onnx(os.path.join(folder, "fixed.onnx"), prob, {"w_s": w_s[:, :1].copy(), "w_c": w_c}, [64, D],
              [("prob", [1, C]), ("att", [64, 1]), ("slide_embedding", [1, D])])
    x, w_s, w_c = features(7), w_s.astype(np.float64), w_c.astype(np.float64)
    s = x @ w_s
    m = softmax(s, 0).T @ x
    expected["batch/7/logits"] = (m * w_c.T).sum(axis=1).astype(np.float32)
    expected["batch/7/attention"] = softmax(s, 0).astype(np.float32)
    expected["batch/7/attention_logits"] = s.astype(np.float32)
    expected["prob/7/embedding"] = m[0].astype(np.float32)
    expected["prob/7/attention"] = softmax(s[:, :1], 0).astype(np.float32)
    expected["prob/7/scores"] = softmax(m[0] @ w_c, 0).astype(np.float32)


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "mil")
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(20240406)
    expected = {}
    for name, (module, rename, extra, kind) in HEADS.items():
        write_safetensors(os.path.join(folder, name + ".safetensors"), make(module, rename, extra, kind), {"format": "pt"})
        for n, step in SIZES.items():
            with torch.no_grad():
                out = module(torch.from_numpy(features(n)))
            for key, value in out.items():
                if value is not None:
                    rows = value[::step] if value.ndim == 2 else value
                    expected[f"{name}/{n}/{key}"] = rows.numpy().astype(np.float32)
    onnx_heads(folder, expected)
    write_safetensors(os.path.join(folder, "expected.safetensors"), expected)


if __name__ == "__main__":
    main()
