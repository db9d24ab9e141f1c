#!/usr/bin/env python3
"""Writes the heads of tests/golden/mil again as torch.save writes them, in the ways that training scripts use.

usage: make_torch_checkpoints.py [DIR]     (default: mil/torch beside this script; wants torch, made with 1.13)

DIR/<head>.<way>.pt       the same weights as mil/<head>.safetensors
DIR/values.pt             every type of storage, views of one storage, empty and scalar tensors; values are arange(n) - 3
"""
import collections
import json
import os
import struct
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def read_safetensors(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    found = collections.OrderedDict()
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + o for o in entry["data_offsets"])
            found[name] = torch.from_numpy(np.frombuffer(data[begin:end], {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8"}[entry["dtype"]]).copy()).reshape(entry["shape"])
    return found


def strided(state):
    """Transposed matrices, every second element of vectors: the values are the same, the storages are not."""
    made = collections.OrderedDict()
    for name, tensor in state.items():
        made[name] = tensor.t().contiguous().t() if tensor.dim() == 2 else torch.stack([tensor, -tensor], 1)[:, 0]
        assert torch.equal(made[name], tensor)
    return made


def shared(state):
    """All tensors of one type are views of one storage, one behind the other."""
    made, at = collections.OrderedDict(), 0
    floats = {k: t for k, t in state.items() if t.is_floating_point()}
    whole = torch.cat([t.flatten() for t in floats.values()])
    for name, tensor in floats.items():
        made[name] = whole[at:at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    return made


def trained(state):
    """What a training script keeps: weights, optimizer, numbers of numpy."""
    parameters = [torch.nn.Parameter(t.clone()) for t in state.values() if t.is_floating_point()]
    optimizer = torch.optim.Adam(parameters)
    sum(p.sum() for p in parameters).backward()
    optimizer.step()
    return {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": optimizer.state_dict(), "best_auc": np.float64(0.9), "lr": 1e-4, "device": torch.device("cpu"),
            "dtype": torch.float32, "done": True, "name": None, "seen": {1, 2}, "shape": torch.Size([2, 3])}


def module(state):
    """A state dict as nn.Module gives it: an OrderedDict with _metadata."""
    made = collections.OrderedDict(state)
    made._metadata = collections.OrderedDict({"": {"version": 1}})
    return made


def lightning(state):
    return {"epoch": 1, "global_step": 10, "pytorch-lightning_version": "1.9.0", "state_dict": {"model." + k: v for k, v in state.items()}, "loops": {"a": [1, 2]},
            "hyper_parameters": {"lr": 0.1, "labels": ["a", "b"]}, "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}]}


def nested(state):
    """attention_net.0.weight as {"attention_net": {"0": {"weight": ..}}}."""
    made = {}
    for name, tensor in state.items():
        at = made
        *folders, last = name.split(".")
        for folder in folders:
            at = at.setdefault(folder, {})
        at[last] = tensor
    return made


def parameters(state):
    return {k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in state.items()}


def values():
    def count(n, dtype):
        return (torch.arange(n) - 3).to(dtype)
    base = count(24, torch.float32)
    return {"f32": count(6, torch.float32).view(2, 3), "f64": count(5, torch.float64), "f16": count(5, torch.float16), "bf16": count(5, torch.bfloat16), "i64": count(5, torch.int64),
            "i32": count(5, torch.int32), "i16": count(5, torch.int16), "i8": count(5, torch.int8), "u8": torch.arange(5, dtype=torch.uint8), "bool": torch.ones(3, dtype=torch.bool),
            "scalar": torch.tensor(7.0), "empty": torch.zeros(0, 4), "offset": base[5:9], "transposed": base.view(4, 6).t(), "steps": base.view(2, 3, 4)[:, ::2, 1:], "repeated": base[3:4].expand(4)}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    heads = {name: read_safetensors(os.path.join(HERE, "mil", name + ".safetensors")) for name in ("clam_sb", "clam_sb_no_dropout", "clam_mb", "millab_gated", "ilse_gated", "millab_f64")}
    ways = {"clam_sb": (module, strided, shared, trained, lightning, nested, parameters), "clam_sb_no_dropout": (module,), "clam_mb": (module, strided),
            "millab_gated": (shared,), "ilse_gated": (trained,), "millab_f64": (strided,)}
    for name, makers in ways.items():
        for maker in makers:
            path = os.path.join(folder, f"{name}.{maker.__name__}")
            torch.save(maker(heads[name]), path + ".pt")
            if name.startswith("clam"):
                torch.save(maker(heads[name]), path + ".legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(module(heads["clam_sb"]), os.path.join(folder, "clam_sb.protocol5.pt"), pickle_protocol=5)
    torch.save(module(heads["clam_sb"]), os.path.join(folder, "clam_sb.protocol3.legacy.pt"), pickle_protocol=3, _use_new_zipfile_serialization=False)
    plain = {k: v for k, v in values().items() if k != "repeated"}
    torch.save(plain, os.path.join(folder, "values.pt"))
    torch.save(plain, os.path.join(folder, "values.legacy.pt"), _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "mil", "torch"))
