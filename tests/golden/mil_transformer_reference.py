#!/usr/bin/env python3
"""Writes small transformer heads with random weights and what PyTorch (float64) makes of bags of 1 to 5,000 tiles.

usage: mil_transformer_reference.py [DIR]     (default: the folder mil beside this script)

DIR/stamp_vit.safetensors              two layers under a Lightning prefix
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


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(D)
        self.mhsa = nn.MultiheadAttention(D, HEADS, batch_first=True)


class StampVit(nn.Module):
    def __init__(self):
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(D))
        self.project_features = nn.Sequential(nn.Linear(D, D), nn.GELU(), nn.Dropout(0.25))
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList([
            nn.ModuleList([Attention(), nn.Sequential(nn.LayerNorm(D), nn.Linear(D, WIDE), nn.GELU(), nn.Dropout(0.5), nn.Linear(WIDE, D))])
            for _ in range(2)])
        self.transformer.norm = nn.LayerNorm(D)
        self.mlp_head = nn.Sequential(nn.Linear(D, C))

    def forward(self, bags):  # (B, N, D)
        h = torch.cat([self.class_token.expand(bags.shape[0], 1, D), self.project_features(bags)], dim=1)
        for attention, feed_forward in self.transformer.layers:
            x = attention.norm(h)
            query = x[:, :1] if attention is self.transformer.layers[-1][0] else x  # the other rows are not looked at
            y, row = attention.mhsa(query, x, x, average_attn_weights=False)
            h = h[:, :query.shape[1]] + y
            h = h + feed_forward(h)
        m = self.transformer.norm(h)[:, 0]
        row = row[:, :, 0, 1:]  # the class token's, of the tiles; its softmax is taken over them
        return self.mlp_head(m), m, row / row.sum(dim=-1, keepdim=True)

    def heads(self, x):
        logits, m, row = self(x[None])
        alone = self(x[:, None])[0]
        return {"logits": logits[0], "embedding": m[0], "attention": row[0].T, "tile_scores": torch.softmax(alone, dim=1)}


class Monai(nn.Module):
    def __init__(self, layers):
        super().__init__()
        if layers:
            self.transformer = nn.TransformerEncoder(nn.TransformerEncoderLayer(D, HEADS, dim_feedforward=WIDE), num_layers=layers)
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
           "monai_plain": (Plain(), "")}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "mil")
    torch.manual_seed(20170612)
    expected = {}
    for name, (module, prefix) in MODULES.items():
        tensors, values = {}, {}
        for key, value in module.state_dict().items():
            value = torch.randn(value.shape, dtype=torch.float64) * (1.5 / np.sqrt(value.shape[-1]) if value.ndim > 1 else 0.3)
            if "norm" in key and key.endswith("weight"):
                value = value + 1
            tensors[prefix + key], values[key] = stored(value, "F32")
        module.double().eval().load_state_dict(values)
        write_safetensors(os.path.join(folder, name + ".safetensors"), tensors, {"format": "pt"})
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
