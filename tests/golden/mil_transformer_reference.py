#!/usr/bin/env python3
"""Writes small transformer heads with random weights and what PyTorch (float64) makes of bags of 1 to 5,000 tiles.

usage: mil_transformer_reference.py [DIR]     (default: the folder mil beside this script)

DIR/stamp_vit.safetensors              two layers under a Lightning prefix
DIR/stamp_alibi.safetensors            the same with distances between tiles in its attention, four heads
DIR/stamp_heads.pt, monai_heads.safetensors   of another number of heads: 4 as the training script noted, 2 as a card says
DIR/monai_{att,att_trans,plain}.safetensors
DIR/transformer_expected.safetensors   <head>/<N>/{logits,embedding,attention_logits,attention,tile_scores}; rows as in
                                       mil_reference.py; plain stands for the modes mean and max, as monai_mean and monai_max
"""
import os
import sys

import numpy as np
import torch
from torch import nn

from mil_reference import C, D, SIZES, features, stored, write_safetensors

HEADS, WIDE = 8, 64
MPP = (0.5, 0.4)  # µm per level-0 px


def places(n):
    """Tiles of a slide row by row, 71 in each, in µm; one row in three begins further right."""
    i = np.arange(n)
    x, y = i % 71 * 449 + i // 71 % 3 * 100 + 1300, i // 71 * 451 + 700
    return np.stack([x * MPP[0], y * MPP[1]], 1)


class Attention(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.norm = nn.LayerNorm(D)
        self.mhsa = nn.MultiheadAttention(D, heads, batch_first=True)

    def forward(self, query, x, places_query, places_x):
        return self.mhsa(query, x, x, average_attn_weights=False)


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("running_mean", torch.ones(1))
        self.register_buffer("items_so_far", torch.ones(1))


class Distances(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale_distance = Mean()
        self.bias_scale = nn.Parameter(torch.zeros(1))


class DistantHeads(nn.Module):
    """Of each head a softmax, from which the distances are taken: |a - b| bias_scale / running_mean."""

    def __init__(self, heads):
        super().__init__()
        self.query_encoders, self.key_encoders, self.value_encoders = (
            nn.ModuleList([nn.Linear(D, D // heads) for _ in range(heads)]) for _ in range(3))
        self.attentions = nn.ModuleList([Distances() for _ in range(heads)])
        self.fc = nn.Linear(D, D)


class DistantAttention(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.norm = nn.LayerNorm(D)
        self.mhsa = DistantHeads(heads)

    def forward(self, query, x, places_query, places_x):
        m, rows, seen = self.mhsa, [], []
        distance = torch.sqrt(((places_query[:, :, None] - places_x[:, None]) ** 2).sum(-1))
        for q, k, v, far in zip(m.query_encoders, m.key_encoders, m.value_encoders, m.attentions):
            q = q(query)
            seen.append(torch.softmax(q @ k(x).transpose(1, 2) / np.sqrt(q.shape[-1]), dim=-1))
            rows.append((seen[-1] - distance * far.bias_scale / far.scale_distance.running_mean) @ v(x))
        return m.fc(torch.cat(rows, dim=-1)), torch.stack(seen, dim=1)


class StampVit(nn.Module):
    def __init__(self, attention=Attention, heads=HEADS):
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(D))
        self.project_features = nn.Sequential(nn.Linear(D, D), nn.GELU(), nn.Dropout(0.25))
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList([
            nn.ModuleList([attention(heads), nn.Sequential(nn.LayerNorm(D), nn.Linear(D, WIDE), nn.GELU(), nn.Dropout(0.5), nn.Linear(WIDE, D))])
            for _ in range(2)])
        self.transformer.norm = nn.LayerNorm(D)
        self.mlp_head = nn.Sequential(nn.Linear(D, C))

    def forward(self, bags, where):  # (B, N, D), (B, N, 2): the class token lies at (0, 0)
        where = torch.cat([torch.zeros(bags.shape[0], 1, 2, dtype=where.dtype), where], dim=1)
        h = torch.cat([self.class_token.expand(bags.shape[0], 1, D), self.project_features(bags)], dim=1)
        for attention, feed_forward in self.transformer.layers:
            x = attention.norm(h)
            query = x[:, :1] if attention is self.transformer.layers[-1][0] else x  # the other rows are not looked at
            y, row = attention(query, x, where[:, :query.shape[1]], where)
            h = h[:, :query.shape[1]] + y
            h = h + feed_forward(h)
        m = self.transformer.norm(h)[:, 0]
        row = row[:, :, 0, 1:]  # the class token's, of the tiles; its softmax is taken over them
        return self.mlp_head(m), m, row / row.sum(dim=-1, keepdim=True)

    def heads(self, x):
        where = torch.from_numpy(places(len(x)))
        logits, m, row = self(x[None], where[None])
        alone = self(x[:, None], where[:, None])[0]
        return {"logits": logits[0], "embedding": m[0], "attention": row[0].T, "tile_scores": torch.softmax(alone, dim=1)}


class Monai(nn.Module):
    def __init__(self, layers, heads=HEADS):
        super().__init__()
        if layers:
            self.transformer = nn.TransformerEncoder(nn.TransformerEncoderLayer(D, heads, dim_feedforward=WIDE), num_layers=layers)
        self.attention = nn.Sequential(nn.Linear(D, WIDE), nn.Tanh(), nn.Linear(WIDE, 1))
        self.myfc = nn.Linear(D, C)

    def encode(self, x):  # (N, B, D)
        return self.transformer(x) if hasattr(self, "transformer") else x

    def heads(self, x):
        h = self.encode(x[:, None])[:, 0]
        s = self.attention(h)
        a = torch.softmax(s, dim=0)
        m = (a * h).sum(dim=0)
        return {"logits": self.myfc(m), "embedding": m, "attention": a, "attention_logits": s,
                "tile_scores": torch.softmax(self.myfc(self.encode(x[None])[0]), dim=1)}


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.myfc = nn.Linear(D, C)

    def heads(self, x):
        tiles = self.myfc(x)
        return {"mean": {"logits": tiles.mean(dim=0), "tile_scores": torch.softmax(tiles, dim=1)},
                "max": {"logits": tiles.max(dim=0)[0], "tile_scores": torch.softmax(tiles, dim=1)}}


MODULES = {"stamp_vit": (StampVit(), "model.vision_transformer."), "monai_att": (Monai(0), ""), "monai_att_trans": (Monai(2), ""),
           "monai_plain": (Plain(), ""), "stamp_alibi": (StampVit(DistantAttention, 4), "model."),
           "stamp_heads": (StampVit(heads=4), ""), "monai_heads": (Monai(2, 2), "")}


def draw(key, value):
    if key.endswith("running_mean"):
        return torch.rand(1, dtype=torch.float64) * 4000 + 8000
    if key.endswith("items_so_far"):
        return torch.full((1,), 1234.0)
    if key.endswith("bias_scale"):  # so that what distance takes from a bag of 5,000 is of the size of the rest
        return torch.rand(1, dtype=torch.float64) * 4e-3 - 1e-3
    value = torch.randn(value.shape, dtype=torch.float64) * (1.5 / np.sqrt(value.shape[-1]) if value.ndim > 1 else 0.3)
    return value + 1 if "norm" in key and key.endswith("weight") else value


def write_head(folder, name, tensors):
    if name != "stamp_heads":
        return write_safetensors(os.path.join(folder, name + ".safetensors"), tensors, {"format": "pt"})
    tensors = {key: torch.from_numpy(value) for key, value in tensors.items()}
    torch.save({"state_dict": tensors, "hyper_parameters": {"lr": 0.001, "n_heads": 4}}, os.path.join(folder, name + ".pt"))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "mil")
    torch.manual_seed(20170612)
    expected = {}
    for name, (module, prefix) in MODULES.items():
        tensors, values = {}, {}
        for key, value in module.state_dict().items():
            tensors[prefix + key], values[key] = stored(draw(key, value), "F32")
        module.double().eval().load_state_dict(values)
        write_head(folder, name, tensors)
        for n, step in SIZES.items():
            with torch.no_grad():
                out = module.heads(torch.from_numpy(features(n)))
            for mode, values in (out.items() if name == "monai_plain" else [("", out)]):
                for key, value in values.items():
                    label = f"monai_{mode}" if mode else name
                    expected[f"{label}/{n}/{key}"] = (value[::step] if value.ndim == 2 else value).numpy().astype(np.float32)
    write_safetensors(os.path.join(folder, "transformer_expected.safetensors"), expected)


if __name__ == "__main__":
    main()
