#!/usr/bin/env python3
"""Writes ONNX heads that take the places of the tiles, and what NumPy (float64) makes of them.

usage: mil_coords_reference.py [DIR]     (default: the folder mil beside this script)

DIR/coords_<form>.onnx            one layout and type of the inputs each; some that are no head
DIR/coords_expected.safetensors   <form>/{logits,attention} of N tiles whose features, places and edge test_coords_head.c computes too
"""
import os
import sys

import numpy as np
import onnx
from mil_reference import softmax, write_safetensors
from onnx import TensorProto, helper, numpy_helper

D, C, N, EDGE, CONSTANT_EDGE = 8, 3, 37, 448.5, 512.0
I64, I32, F32, F64 = TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT, TensorProto.DOUBLE
# form: features, coords, columns of coords, type, patch_size (name, type, shape), whole cells of the grid, coords first
FORMS = {
    "i64": ([1, "N", D], [1, "N", 2], I64, ("patch_size_lv0", I64, []), True, False),
    "i32": (["N", D], ["N", 2], I32, None, True, False),
    "f32": (["N", D], [1, "N", 2], F32, ("patch_size", F32, [1]), False, False),
    "volume": ([1, "N", D], ["N", 3], I64, None, False, True),
    "f64": (["N", D], ["N", 2], F64, None, False, False),
    "four": (["N", D], ["N", 4], I64, None, False, False),
    "fixed": (["N", D], [64, 2], I64, None, False, False),
    "mask": (["N", D], ["N", 2], I64, ("mask", F32, []), False, False),
    "edge_i32": (["N", D], ["N", 2], I64, ("patch_size", I32, []), True, False),
    "nothing": (["N", D], ["N", 2], I64, ("patch_size", F32, []), False, False),
    "pair": (["N", D], ["N", 2], I64, ("patch_size", I64, [2]), False, False),
}
REFUSED = ("f64", "four", "fixed", "mask", "nothing", "pair")


def features():
    i, j = np.arange(N)[:, None], np.arange(D)[None, :]
    return ((i * 37 + j * 11) % 64 - 32) / 32.0


def places(width):
    i = np.arange(N)
    return np.stack([i % 7 * 449 + 100, i // 7 * 1000 + 7, i % 3], axis=1)[:, :width].astype(np.float64)


def weights(width):
    rng = np.random.default_rng(20240501 + width)
    return {k: rng.normal(size=s).astype(np.float32) for k, s in {"w_p": (width, D), "w_s": (D, 1), "w_c": (D, C)}.items()}


def save(folder, form, feature_shape, coords_shape, dtype, patch, cells, first):
    """h = bag + tanh(cell W_p / 8); attention = softmax(h w_s); logits = attention h W_c"""
    node, info, width = helper.make_node, helper.make_tensor_value_info, coords_shape[-1]
    name = patch[0] if patch else "edge"
    nodes = [node("Cast", ["coords"], ["xy"], to=F32), node("Cast", [name], ["size"], to=F32), node("Div", ["xy", "size"], ["cell"])]
    nodes += [node("Floor", ["cell"], ["whole"])] if cells else [node("Identity", ["cell"], ["whole"])]
    nodes += [node("Reshape", ["whole", "rows"], ["flat"]), node("MatMul", ["flat", "w_p"], ["wp"]), node("Div", ["wp", "eight"], ["scaled"]),
              node("Tanh", ["scaled"], ["p"]), node("Reshape", ["bag", "tiles"], ["x"]), node("Add", ["x", "p"], ["h"]),
              node("MatMul", ["h", "w_s"], ["s"]), node("Softmax", ["s"], ["attention"], axis=0),
              node("Transpose", ["attention"], ["a"], perm=[1, 0]), node("MatMul", ["a", "h"], ["m"]), node("MatMul", ["m", "w_c"], ["logits"])]
    constants = {**weights(width), "rows": np.array([-1, width]), "tiles": np.array([-1, D]), "eight": np.float32(8)}
    if not patch:
        constants["edge"] = np.float32(CONSTANT_EDGE)
    inputs = [info("bag", F32, feature_shape), info("coords", dtype, coords_shape)]
    inputs = inputs[::-1] if first else inputs
    inputs += [info(*patch)] if patch else []
    outputs = [info("logits", F32, [1, C]), info("attention", F32, ["N", 1])]
    if form == "nothing":
        nodes, inputs, outputs = [nodes[0], node("Mul", ["xy", "patch_size"], ["logits"])], inputs[1:], [info("logits", F32, ["N", 2])]
        constants = {}
    graph = helper.make_graph(nodes, "head", inputs, outputs, [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    onnx.save(model, os.path.join(folder, f"coords_{form}.onnx"))


def save_grid(folder):
    """Scores laid on a grid that is as large as the places say; logits = mean of the grid times W_c's first row."""
    node, info = helper.make_node, helper.make_tensor_value_info
    nodes = [node("Div", ["coords", "patch_size"], ["cell"]), node("ReduceMax", ["cell"], ["last"], axes=[0], keepdims=0),
             node("Add", ["last", "one"], ["size"]), node("ConstantOfShape", ["size"], ["empty"]), node("MatMul", ["bag", "w_s"], ["s"]),
             node("Softmax", ["s"], ["attention"], axis=0), node("Reshape", ["s", "flat"], ["values"]),
             node("ScatterND", ["empty", "cell", "values"], ["grid"]), node("ReduceMean", ["grid"], ["mean"], keepdims=1),
             node("Mul", ["mean", "w"], ["logits"])]
    w = weights(2)
    constants = {"one": np.array([1, 1]), "flat": np.array([-1]), "w_s": w["w_s"], "w": 100 * w["w_c"][:1]}
    inputs = [info("bag", F32, ["N", D]), info("coords", I64, ["N", 2]), info("patch_size", I64, [])]
    graph = helper.make_graph(nodes, "head", inputs, [info("logits", F32, [1, C]), info("attention", F32, ["N", 1])],
                              [numpy_helper.from_array(v, k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    onnx.save(model, os.path.join(folder, "coords_grid.onnx"))
    cell, s = places(2).astype(int) // int(np.floor(EDGE + 0.5)), features() @ w["w_s"].astype(np.float64)
    grid = np.zeros(cell.max(axis=0) + 1)
    grid[cell[:, 0], cell[:, 1]] = s[:, 0]
    return grid.mean() * 100 * w["w_c"][0], softmax(s, 0)


def expected(coords_shape, patch, cells):
    width = coords_shape[-1]
    w = {k: v.astype(np.float64) for k, v in weights(width).items()}
    edge = CONSTANT_EDGE if not patch else np.floor(EDGE + 0.5) if patch[1] == I64 else EDGE
    cell = places(width) / edge
    h = features() + np.tanh((np.floor(cell) if cells else cell) @ w["w_p"] / 8)
    a = softmax(h @ w["w_s"], 0)
    return (a.T @ h @ w["w_c"])[0], a


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "mil")
    wanted = {}
    for form, (feature_shape, coords_shape, dtype, patch, cells, first) in FORMS.items():
        save(folder, form, feature_shape, coords_shape, dtype, patch, cells, first)
        if form in REFUSED:
            continue
        logits, attention = expected(coords_shape, patch, cells)
        wanted[f"{form}/logits"], wanted[f"{form}/attention"] = logits.astype(np.float32), attention.astype(np.float32)
    logits, attention = save_grid(folder)
    wanted["grid/logits"], wanted["grid/attention"] = logits.astype(np.float32), attention.astype(np.float32)
    write_safetensors(os.path.join(folder, "coords_expected.safetensors"), wanted)


if __name__ == "__main__":
    main()
