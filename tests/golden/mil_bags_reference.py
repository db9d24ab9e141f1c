#!/usr/bin/env python3
"""Writes the heads of mil/ that pool tiles (DSMIL, DTFD-MIL, multi-head, marugoto, MIL_fc, top-k, noisy-or) with random weights and what
PyTorch (float64) makes of bags of 1 to 5,000 tiles.

usage: mil_bags_reference.py [DIR]     (default: the folder mil beside this script)

DIR/<head>.safetensors         the published names; card keys as metadata where a head needs them
DIR/dtfd_four.pt               dtfd_afs as DTFD-MIL saves it
DIR/bags_expected.safetensors  <head>/<N>/{logits,scores,embedding,attention_logits,attention,tile_scores}; rows as in mil_reference.py
Written from the formulas of the papers and the shapes of published checkpoints, each bag as a whole.
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

from mil_reference import D, SIZES, features, stored, write_safetensors

H, A, C = 16, 8, 3


class Weights(dict):
    def linear(self, key, out, n, gain=1.5, bias=True):
        self[key + ".weight"] = torch.randn(out, n, dtype=torch.float64) * (gain / np.sqrt(n))
        if bias:
            self[key + ".bias"] = torch.randn(out, dtype=torch.float64) * 0.3

    def norm(self, key, n):
        self[key + ".weight"] = 1 + 0.2 * torch.randn(n, dtype=torch.float64)
        self[key + ".bias"] = 0.2 * torch.randn(n, dtype=torch.float64)

    def conv(self, key, c, n):
        self[key + ".weight"] = torch.randn(c, c, n, dtype=torch.float64) * (2 / np.sqrt(n))
        self[key + ".bias"] = torch.randn(c, dtype=torch.float64) * 0.3

    def __call__(self, key, x):
        y = x @ self[key + ".weight"].T
        return y + self[key + ".bias"] if key + ".bias" in self else y


def gated(w, h, v, u, c):
    return w(c, torch.tanh(w(v, h)) * torch.sigmoid(w(u, h)))


# ---- DSMIL ----

def dsmil_weights(instance, deep, values, classes, millab=False):
    w = Weights()
    width = H if millab else D
    if millab:
        w.linear("patch_embed.0", H, D)
    w.linear(instance, classes, width)
    if deep:
        w.linear("b_classifier.q.0", A, width, 3)
        w.linear("b_classifier.q.2", A, A, 3)
    else:
        w.linear("b_classifier.q", A, width, 3)
    if values:
        w.linear("b_classifier.v.1", width, width)
    if millab:
        w.norm("b_classifier.norm", width)
        w.conv("b_classifier.fcc", 3, width)
    w.conv("classifier" if millab else "b_classifier.fcc", classes, width)
    return w


def dsmil(w, x, instance, average=False):
    millab = "patch_embed.0.weight" in w
    h = torch.relu(w("patch_embed.0", x)) if millab else x
    c = w(instance, h)

    def q(t):
        if "b_classifier.q.0.weight" not in w:
            return w("b_classifier.q", t)
        return torch.tanh(w("b_classifier.q.2", torch.relu(w("b_classifier.q.0", t))))

    v = h
    if "b_classifier.v.1.weight" in w:
        v = w("b_classifier.v.1", h)
        v = v if millab else torch.relu(v)
    s = q(h) @ q(h[c.argmax(dim=0)]).T / np.sqrt(A)
    a = torch.softmax(s, dim=0)
    b = a.T @ v
    if millab:
        b = F.layer_norm(b, (b.shape[1],), w["b_classifier.norm.weight"], w["b_classifier.norm.bias"])
    key = "classifier" if millab else "b_classifier.fcc"
    bag = F.conv1d(b[None], w[key + ".weight"], w[key + ".bias"])[0, :, 0]
    top = c.max(dim=0).values
    if millab:
        logits = 0.5 * (bag + top)
        scores = torch.softmax(logits, dim=0)
    else:
        scores = (torch.sigmoid(bag) + torch.sigmoid(top)) / 2 if average else torch.sigmoid(bag)
        logits = torch.logit(scores) if average else bag
    return {"logits": logits, "scores": scores, "embedding": b.reshape(-1), "attention_logits": s, "attention": a}


# ---- DTFD-MIL ----

def dtfd_weights(blocks):
    w = Weights()
    w.linear("dim_reduction.fc1", H, D, bias=False)
    for i in range(blocks):
        w.linear(f"dim_reduction.resBlocks.{i}.block.0", H, H, bias=False)
        w.linear(f"dim_reduction.resBlocks.{i}.block.2", H, H, bias=False)
    for prefix in ("attention.", "att_classifier.attention."):
        w.linear(prefix + "attention_V.0", A, H, 3)
        w.linear(prefix + "attention_U.0", A, H, 3)
        w.linear(prefix + "attention_weights", 1, A, 4)
    w.linear("classifier.fc", 2, H, 4)
    w.linear("att_classifier.classifier.fc", 2, H, 2)
    return w


def splitmix(state):
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def cut(n, groups, seed):
    if seed is None:
        return [np.arange(g, n, groups) for g in range(min(groups, n))]
    order, numbers = list(range(n)), splitmix(seed)
    for i in range(n - 1, 0, -1):
        j = next(numbers) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return [g for g in np.array_split(np.array(order), min(groups, n))]


def dtfd(w, x, distill="afs", groups=4, k=1, seed=None, repeats=1):
    h = torch.relu(w("dim_reduction.fc1", x))
    i = 0
    while f"dim_reduction.resBlocks.{i}.block.0.weight" in w:
        y = torch.relu(w(f"dim_reduction.resBlocks.{i}.block.0", h))
        h = h + torch.relu(w(f"dim_reduction.resBlocks.{i}.block.2", y))
        i += 1
    s = gated(w, h, "attention.attention_V.0", "attention.attention_U.0", "attention.attention_weights")[:, 0]
    shares, means, attention = [], [], torch.zeros(len(x), dtype=torch.float64)
    for r in range(repeats):
        pseudo, parts = [], []
        for g in cut(len(x), groups, None if seed is None else seed + r):
            a = torch.softmax(s[g], dim=0)
            if distill == "afs":
                pseudo.append(a @ h[g])
                parts.append([(g, a)])
                continue
            cam = torch.einsum("bf,cf->bc", a[:, None] * h[g], w["classifier.fc.weight"])
            rank = torch.softmax(cam, dim=1)[:, -1].numpy()
            order = np.lexsort((g, -rank))
            picked = list(order[:k])
            if distill == "maxmins":
                picked += list(np.lexsort((g, rank))[:k])
            for p in picked:
                pseudo.append(h[g[p]])
                parts.append([(g[p:p + 1], torch.ones(1, dtype=torch.float64))])
        z = torch.stack(pseudo)
        t = gated(w, z, *("att_classifier.attention." + n for n in ("attention_V.0", "attention_U.0", "attention_weights")))[:, 0]
        b = torch.softmax(t, dim=0)
        m = b @ z
        logits = w("att_classifier.classifier.fc", m)
        shares.append(torch.softmax(logits, dim=0))
        means.append(m)
        for weight, part in zip(b, parts):
            for tiles, a in part:
                attention[tiles] += weight * a / repeats
    share = torch.stack(shares).mean(dim=0)
    return {"logits": logits if repeats == 1 else torch.log(share), "scores": share, "embedding": torch.stack(means).mean(dim=0),
            "attention_logits": s[:, None], "attention": attention[:, None]}


# ---- attention heads ----

def multi_head_weights(heads, gate, classifier):
    w = Weights()
    w.linear("pre_attention_layers.0", D, D)
    for i in range(heads):
        w.linear(f"image_pooler.attention_heads.{i}.0", A, D, 3)
        if gate:
            w.linear(f"image_pooler.gating_layers.{i}.0", A, D, 3)
        w.linear(f"image_pooler.branching_layers.{i}", 1, A, 4)
    if heads > 1:
        w.linear("image_pooler.condensing_layer", D, heads * D)
    w.linear("post_attention_layers.0", D, D)
    if classifier:
        w.linear("classifier", C, D)
    return w


def multi_head(w, x, heads):
    h = F.gelu(w("pre_attention_layers.0", x))
    columns = []
    for i in range(heads):
        a = torch.tanh(w(f"image_pooler.attention_heads.{i}.0", h))
        if f"image_pooler.gating_layers.{i}.0.weight" in w:
            a = a * torch.sigmoid(w(f"image_pooler.gating_layers.{i}.0", h))
        columns.append(w(f"image_pooler.branching_layers.{i}", a))
    s = torch.cat(columns, dim=1)
    a = torch.softmax(s, dim=0)
    z = (a.T @ h).reshape(-1)
    m = F.gelu(w("post_attention_layers.0", w("image_pooler.condensing_layer", z) if heads > 1 else z))
    out = {"embedding": m, "attention_logits": s, "attention": a}
    if "classifier.weight" in w:
        out["logits"] = w("classifier", m)
        out["scores"] = torch.softmax(out["logits"], dim=0)
    return out


def marugoto_weights():
    w = Weights()
    w.linear("encoder.0", H, D)
    w.linear("attention.0", A, H, 3)
    w.linear("attention.2", 1, A, 4)
    w.norm("head.1", H)
    w["head.1.running_mean"] = torch.randn(H, dtype=torch.float64)
    w["head.1.running_var"] = 0.1 + torch.rand(H, dtype=torch.float64)
    w.linear("head.3", 2, H)
    return w


def marugoto(w, x):
    h = torch.relu(w("encoder.0", x))
    s = w("attention.2", torch.tanh(w("attention.0", h)))
    a = torch.softmax(s, dim=0)
    m = a.T @ h

    def head(t):
        return w("head.3", F.batch_norm(t, w["head.1.running_mean"], w["head.1.running_var"], w["head.1.weight"], w["head.1.bias"]))

    logits = head(m)[0]
    return {"logits": logits, "scores": torch.softmax(logits, dim=0), "embedding": m[0], "attention_logits": s, "attention": a,
            "tile_scores": torch.softmax(head(h), dim=1)}


# ---- tiles by themselves ----

def mil_fc_weights(hidden, output, classes):
    w = Weights()
    w.linear(hidden, H, D)
    w.linear(output, classes, H)
    return w


def mil_fc(w, x, hidden, output):
    logits = w(output, torch.relu(w(hidden, x)))
    p = torch.softmax(logits, dim=1)
    top = p.reshape(-1).argmax() // p.shape[1] if output == "classifiers" else p[:, 1].argmax()
    return {"logits": logits[top], "scores": p[top], "tile_scores": p}


def linear_weights():
    w = Weights()
    w.linear("classifier", C, D)
    w["classifier.bias"] -= 3
    return w


def topk(w, x, k):
    p = torch.sigmoid(w("classifier", x))
    k = min(k, len(x))
    score = p.topk(k, dim=0).values.mean(dim=0)
    a = torch.zeros_like(p).scatter_(0, p.topk(k, dim=0).indices, 1 / k)
    return {"logits": torch.logit(score), "scores": score, "attention_logits": w("classifier", x), "attention": a, "tile_scores": p}


def noisy_or(w, x):
    p = torch.sigmoid(w("classifier", x))
    rest = torch.log1p(-p).sum(dim=0)
    return {"logits": torch.log(torch.expm1(-rest)), "scores": -torch.expm1(rest), "attention_logits": w("classifier", x),
            "attention": torch.log1p(-p) / rest, "tile_scores": p}


def heads():
    """name, weights, what they make of a bag, whether a tile's score is that of a bag of one, metadata"""
    fc0, fc, il = "i_classifier.fc.0", "i_classifier.fc", "i_classifier.inst_classifier"
    yield "dsmil_fclayer", dsmil_weights(fc0, True, False, C), lambda w, x: dsmil(w, x, fc0), True, {}
    yield "dsmil_iclassifier", dsmil_weights(fc, False, True, 1), lambda w, x: dsmil(w, x, fc), True, {}
    yield "dsmil_average", dsmil_weights(fc0, True, True, 2), lambda w, x: dsmil(w, x, fc0, True), True, {"average": "true"}
    yield "dsmil_millab", dsmil_weights(il, False, True, C, True), lambda w, x: dsmil(w, x, il), True, {}
    yield "dtfd_afs", dtfd_weights(0), lambda w, x: dtfd(w, x), True, {}
    yield "dtfd_maxs", dtfd_weights(1), lambda w, x: dtfd(w, x, "maxs", 3), True, {"distill": "maxs", "groups": "3"}
    yield "dtfd_maxmins", dtfd_weights(0), lambda w, x: dtfd(w, x, "maxmins", 4, 2), True, {"distill": "maxmins", "k": "2"}
    yield ("dtfd_seeded", dtfd_weights(0), lambda w, x: dtfd(w, x, "afs", 5, 1, 7, 3), True,
           {"groups": "5", "seed": "7", "repeats": "3"})
    yield "multi_head", multi_head_weights(4, True, True), lambda w, x: multi_head(w, x, 4), False, {}
    yield "multi_head_plain", multi_head_weights(1, False, False), lambda w, x: multi_head(w, x, 1), False, {}
    yield "marugoto", marugoto_weights(), marugoto, False, {}
    yield "mil_fc", mil_fc_weights("fc.0", "classifier", 2), lambda w, x: mil_fc(w, x, "fc.0", "classifier"), False, {}
    yield "mil_fc_old", mil_fc_weights("classifier.0", "classifier.3", 2), lambda w, x: mil_fc(w, x, "classifier.0", "classifier.3"), False, {}
    yield "mil_fc_mc", mil_fc_weights("fc.0", "classifiers", C), lambda w, x: mil_fc(w, x, "fc.0", "classifiers"), False, {}
    yield "topk", linear_weights(), lambda w, x: topk(w, x, 5), False, {"kind": "topk", "k": "5"}
    yield "noisy_or", linear_weights(), noisy_or, False, {"kind": "noisy_or"}


def write_four(folder, tensors):
    """DTFD-MIL's own checkpoint: a dict of four state dicts."""
    nested = {}
    for key, value in tensors.items():
        part, rest = key.split(".", 1)
        nested.setdefault(part, {})[rest] = torch.from_numpy(value)
    torch.save(nested, os.path.join(folder, "dtfd_four.pt"))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "mil")
    torch.manual_seed(20211202)
    expected = {}
    for name, w, forward, alone, metadata in heads():
        tensors = {}
        for key in w:
            tensors[key], w[key] = stored(w[key], "F32")
        if name == "dsmil_iclassifier":  # what made the features was trained along; it is left out
            tensors["i_classifier.feature_extractor.conv1.weight"] = np.ones((4, 3, 2, 2), dtype=np.float32)
        if name == "dtfd_afs":
            write_four(folder, tensors)
        write_safetensors(os.path.join(folder, name + ".safetensors"), tensors, {"format": "pt", **metadata})
        for n, step in SIZES.items():
            x = torch.from_numpy(features(n))
            out = forward(w, x)
            if alone:
                out["tile_scores"] = torch.stack([forward(w, x[i:i + 1])["scores"] for i in range(0, n, step)])
            for key, value in out.items():
                rows = value if value.ndim == 1 or (alone and key == "tile_scores") else value[::step]
                expected[f"{name}/{n}/{key}"] = rows.numpy().astype(np.float32)
    write_safetensors(os.path.join(folder, "bags_expected.safetensors"), expected)


if __name__ == "__main__":
    main()
