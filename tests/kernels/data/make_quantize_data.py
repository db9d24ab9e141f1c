#!/usr/bin/python3
"""A small convolutional net and a small transformer, samples for them, and the initialisers that quantisation has to write:
NumPy in float64, from the formulas of docs/formats.md alone.  usage: make_quantize_data.py FOLDER
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = sys.argv[1]
random = np.random.RandomState(7)


def uniform(*shape, scale=1.0, offset=0.0):
    return (random.uniform(-scale, scale, shape) + offset).astype(np.float32)


def save(name, nodes, constants, inputs, outputs, opset=13, kind=TensorProto.FLOAT):
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info(n, kind, s) for n, s in inputs],
                              [helper.make_tensor_value_info(n, kind, s) for n, s in outputs],
                              [numpy_helper.from_array(v, n) for n, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 7
    onnx.save(model, os.path.join(FOLDER, name + ".onnx"))


def conv(x, w, b, pad):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    k = w.shape[2]
    n, _, h, v = x.shape
    y = np.zeros((n, w.shape[0], h - k + 1, v - k + 1))
    for i in range(k):
        for j in range(k):
            y += np.einsum("nchw,oc->nohw", x[:, :, i:i + y.shape[2], j:j + y.shape[3]], w[:, :, i, j])
    return y + b.reshape(1, -1, 1, 1)


class Expected:
    def __init__(self):
        self.tensors = {}

    def activation(self, name, x, like=None):
        """uint8 over the range of x, which is made to hold 0."""
        low, high = min(x.min(), 0), max(x.max(), 0)
        scale, zero = like if like is not None else (np.float32((high - low) / 255), None)
        zero = np.uint8(np.rint(-low / scale)) if zero is None else zero
        self.tensors[name + "_scale"], self.tensors[name + "_zero_point"] = np.float32(scale), zero
        return np.float32(scale), zero

    def weights(self, name, w, axis):
        """int8 with one scale for each channel of the axis."""
        others = tuple(i for i in range(w.ndim) if i != axis)
        scale = (np.abs(w).max(axis=others) / 127).astype(np.float32)
        shape = [-1 if i == axis else 1 for i in range(w.ndim)]
        self.tensors[name + "_quantized"] = np.rint(w / scale.reshape(shape)).astype(np.int8)
        self.tensors[name + "_scale"] = scale
        self.tensors[name + "_zero_point"] = np.zeros(len(scale), np.int8)
        return scale

    def bias(self, name, b, x_scale, w_scale):
        scale = np.float32(x_scale) * w_scale
        self.tensors[name + "_quantized"] = np.rint(b / scale).astype(np.int32)
        self.tensors[name + "_scale"] = scale
        self.tensors[name + "_zero_point"] = np.zeros(len(scale), np.int32)

    def save(self, name):
        graph = helper.make_graph([], name, [], [], [numpy_helper.from_array(np.asarray(v), n) for n, v in self.tensors.items()])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), os.path.join(FOLDER, name + ".expected.onnx"))


def make_conv():
    c = {"w1": uniform(4, 2, 3, 3), "b1": uniform(4), "gain": uniform(4, scale=0.5, offset=1), "shift": uniform(4),
         "mean": uniform(4), "var": uniform(4, scale=0.5, offset=1), "w2": uniform(4, 4, 1, 1), "b2": uniform(4), "w3": uniform(3, 4),
         "b3": uniform(3)}
    save("quantize_conv", [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c1", "gain", "shift", "mean", "var"], ["n1"], "norm", epsilon=1e-3),
        helper.make_node("Relu", ["n1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["m1"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["m1", "w2", "b2"], ["c2"], "conv2"),
        helper.make_node("Add", ["c2", "m1"], ["a2"], "add"),
        helper.make_node("Relu", ["a2"], ["r2"], "relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"], "average"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "gemm", transB=1)], c, [("x", ["N", 2, 6, 6])], [("y", ["N", 3])])
    x = uniform(5, 2, 6, 6, scale=2, offset=0.25)
    np.save(os.path.join(FOLDER, "quantize_conv.npy"), x)
    e, d = Expected(), {k: v.astype(np.float64) for k, v in c.items()}
    factor = d["gain"] / np.sqrt(d["var"] + 1e-3)
    w1, b1 = d["w1"] * factor.reshape(-1, 1, 1, 1), (d["b1"] - d["mean"]) * factor + d["shift"]
    r1 = np.maximum(conv(x.astype(np.float64), w1, b1, 1), 0)
    m1 = r1.reshape(5, 4, 3, 2, 3, 2).max(axis=(3, 5))
    c2 = conv(m1, d["w2"], d["b2"], 0)
    r2 = np.maximum(c2 + m1, 0)
    f = r2.mean(axis=(2, 3))
    sx, _ = e.activation("x", x)
    e.bias("conv1_bias", b1, sx, e.weights("conv1_weight", w1, 0))
    like = e.activation("r1", r1)
    e.activation("m1", m1, like)  # pooling picks: the same range
    e.bias("b2", d["b2"], like[0], e.weights("w2", d["w2"], 0))
    e.activation("c2", c2)
    e.activation("r2", r2)
    sf, _ = e.activation("f", f)
    e.bias("b3", d["b3"], sf, e.weights("w3", d["w3"], 0))
    e.save("quantize_conv")


def make_transformer():
    c = {"gamma": uniform(8, scale=0.5, offset=1), "beta": uniform(8), "wq": uniform(8, 8), "wk": uniform(8, 8), "wv": uniform(8, 8),
         "wo": uniform(8, 8), "bo": uniform(8), "two": np.float32(2), "eps": np.float32(1e-5)}
    c["gamma"][3] *= 20  # the outlier that balancing is for
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mu"], "mean", axes=[-1]),
        helper.make_node("Sub", ["x", "mu"], ["d"], "sub"),
        helper.make_node("Pow", ["d", "two"], ["dd"], "pow"),
        helper.make_node("ReduceMean", ["dd"], ["v"], "variance", axes=[-1]),
        helper.make_node("Add", ["v", "eps"], ["ve"], "epsilon"),
        helper.make_node("Sqrt", ["ve"], ["s"], "sqrt"),
        helper.make_node("Div", ["d", "s"], ["u"], "div"),
        helper.make_node("Mul", ["u", "gamma"], ["ug"], "mul"),
        helper.make_node("Add", ["ug", "beta"], ["h"], "affine"),
        helper.make_node("MatMul", ["h", "wq"], ["q"], "query"),
        helper.make_node("MatMul", ["h", "wk"], ["k"], "key"),
        helper.make_node("MatMul", ["h", "wv"], ["val"], "value"),
        helper.make_node("Transpose", ["k"], ["kt"], "turn", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["qk"], "scores"),
        helper.make_node("Softmax", ["qk"], ["p"], "softmax", axis=-1),
        helper.make_node("MatMul", ["p", "val"], ["a"], "attend"),
        helper.make_node("MatMul", ["a", "wo"], ["o"], "project"),
        helper.make_node("Add", ["o", "bo"], ["ob"], "bias"),
        helper.make_node("Add", ["x", "ob"], ["y"], "residual")]
    save("quantize_transformer", nodes, c, [("x", ["N", 5, 8])], [("y", ["N", 5, 8])])
    save("quantize_opset12", nodes, c, [("x", ["N", 5, 8])], [("y", ["N", 5, 8])], opset=12)
    save("quantize_half", nodes, {k: v.astype(np.float16) for k, v in c.items()}, [("x", ["N", 5, 8])], [("y", ["N", 5, 8])],
         kind=TensorProto.FLOAT16)
    save("quantize_no_weights", [helper.make_node("Relu", ["x"], ["y"], "relu")], {}, [("x", ["N", 5, 8])], [("y", ["N", 5, 8])])
    x = uniform(6, 5, 8, scale=2)
    np.save(os.path.join(FOLDER, "quantize_transformer.npy"), x)
    d = {k: v.astype(np.float64) for k, v in c.items()}
    x = x.astype(np.float64)
    u = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    h = u * d["gamma"] + d["beta"]
    q, k, val = h @ d["wq"], h @ d["wk"], h @ d["wv"]
    p = np.exp(q @ k.transpose(0, 2, 1))
    a = (p / p.sum(-1, keepdims=True)) @ val
    for exponent in (None, 0.5):
        e = Expected()
        largest_w = np.max([np.abs(d[n]).max(axis=1) for n in ("wq", "wk", "wv")], axis=0)
        s = np.ones(8)
        if exponent is not None:
            s = np.abs(h).max(axis=(0, 1)) ** exponent / largest_w ** (1 - exponent)
            s /= np.exp(np.log(s).mean())
        e.activation("h", h / s)
        for n in ("wq", "wk", "wv"):
            e.weights(n, d[n] * s.reshape(-1, 1), 1)
        e.activation("a", a)
        e.weights("wo", d["wo"], 1)
        if exponent is not None:
            e.tensors["gamma"], e.tensors["beta"] = (d["gamma"] / s).astype(np.float32), (d["beta"] / s).astype(np.float32)
        e.save("quantize_transformer" + ("" if exponent is None else "_balanced"))


make_conv()
make_transformer()
