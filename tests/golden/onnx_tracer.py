"""Small ONNX graphs written node by node, each node computed in float64 beside: the answer needs no other runtime."""
import os

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from scipy.special import erf

FUNCTIONS = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power, "MatMul": np.matmul, "Sqrt": np.sqrt,
    "Exp": np.exp, "Log": np.log, "Tanh": np.tanh, "Erf": erf, "Identity": lambda x: x, "Reciprocal": lambda x: 1 / x,
    "Relu": lambda x: np.maximum(x, 0), "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Where": np.where,
    "Clip": lambda x, low, high: np.clip(x, low, high), "Neg": np.negative,
}


def _reshape(x, shape):
    shape = [x.shape[i] if s == 0 else int(s) for i, s in enumerate(shape)]
    return x.reshape(shape)


def _slice(x, starts, ends, axes, steps=None):
    at = [slice(None)] * x.ndim
    for i, axis in enumerate(axes):
        at[axis] = slice(starts[i], ends[i], 1 if steps is None else steps[i])
    return x[tuple(at)]


def _softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _layer_norm(x, scale, shift=0, axis=-1, epsilon=1e-5, **_):
    axes = tuple(range(axis % x.ndim, x.ndim))
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon) * scale + shift


def _group_norm(x, scale, shift, num_groups=None, epsilon=1e-5):
    groups = num_groups or x.shape[1]
    y = x.reshape(x.shape[0], groups, -1)
    y = ((y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + epsilon)).reshape(x.shape)
    along = (1, -1) + (1,) * (x.ndim - 2)
    each = x.shape[1] // len(scale)
    return y * np.repeat(scale, each).reshape(along) + np.repeat(shift, each).reshape(along)


def _conv(x, w, b=None, pads=(0, 0, 0, 0), strides=(1, 1), group=1, **_):
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    b = None if b is None else torch.tensor(b)
    return torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), b, stride=strides, groups=group).numpy()


def _einsum(*operands, equation=""):
    return np.einsum(equation, *operands)


def _pad(x, pads, value=0.0):
    half = len(pads) // 2
    return np.pad(x, [(int(pads[i]), int(pads[half + i])) for i in range(half)], constant_values=float(value))


FUNCTIONS.update({
    "Reshape": _reshape, "Slice": _slice, "Softmax": _softmax, "LayerNormalization": _layer_norm, "InstanceNormalization": _group_norm,
    "GroupNormalization": _group_norm, "Conv": _conv, "Einsum": _einsum, "Pad": _pad,
    "Transpose": lambda x, perm: x.transpose(perm), "Gather": lambda x, i, axis=0: np.take(x, i, axis),
    "Concat": lambda *x, axis: np.concatenate(x, axis), "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes)),
    "Squeeze": lambda x, axes: np.squeeze(x, tuple(axes)), "Expand": lambda x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape))),
    "Cast": lambda x, to: x, "Shape": lambda x: np.array(x.shape), "ReduceSum": lambda x, axes, keepdims=1: x.sum(tuple(axes), keepdims=bool(keepdims)),
})


class Value:
    """A name in the graph and what it is."""
    def __init__(self, graph, name, array):
        self.graph, self.name, self.array = graph, name, array

    def __add__(self, other):
        return self.graph.op("Add", self, other)

    def __sub__(self, other):
        return self.graph.op("Sub", self, other)

    def __mul__(self, other):
        return self.graph.op("Mul", self, other)

    def __truediv__(self, other):
        return self.graph.op("Div", self, other)

    def __matmul__(self, other):
        return self.graph.op("MatMul", self, other)


class Tracer:
    def __init__(self, opset, seed=1, constants_as_nodes=False):
        self.opset, self.nodes, self.weights, self.inputs = opset, [], [], []
        self.rand, self.as_nodes = np.random.default_rng(seed), constants_as_nodes

    def _fresh(self, kind):
        return f"{kind}_{len(self.nodes) + len(self.weights) + len(self.inputs)}"

    def input(self, *shape):
        array = self.rand.standard_normal(shape).astype(np.float32)
        self.inputs.append(Value(self, self._fresh("in"), array.astype(np.float64)))
        return self.inputs[-1]

    def constant(self, array):
        """Whole numbers are int64, others float32, kept as initialisers or as Constant nodes."""
        array = np.asarray(array)
        stored = array.astype(np.int64 if array.dtype.kind == "i" else bool if array.dtype.kind == "b" else np.float32)
        name = self._fresh("const")
        if self.as_nodes:
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(stored)))
        else:
            self.weights.append(numpy_helper.from_array(stored, name))
        return Value(self, name, stored.astype(np.float64) if stored.dtype == np.float32 else stored)

    def weight(self, *shape, scale=None):
        return self.constant(self.rand.standard_normal(shape) * (scale or 1 / np.sqrt(max(shape[0], 1))))

    def _of(self, x):
        return x if isinstance(x, Value) else self.constant(x)

    def op(self, kind, *inputs, **attributes):
        inputs = [self._of(x) for x in inputs]
        name = self._fresh(kind)
        self.nodes.append(helper.make_node(kind, [x.name for x in inputs], [name], name=name, **attributes))
        return Value(self, name, FUNCTIONS[kind](*[x.array for x in inputs], **attributes))

    def mean(self, x, *axes, keepdims=1):
        """The axes moved from an attribute to an input in opset 18."""
        name = self._fresh("mean")
        if self.opset >= 18:
            self.nodes.append(helper.make_node("ReduceMean", [x.name, self.constant(list(axes)).name], [name], name=name, keepdims=keepdims))
        else:
            self.nodes.append(helper.make_node("ReduceMean", [x.name], [name], name=name, axes=list(axes), keepdims=keepdims))
        return Value(self, name, x.array.mean(axes, keepdims=bool(keepdims)))

    def split(self, x, sizes, axis):
        names = [self._fresh("split") + str(i) for i in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [x.name, self.constant(sizes).name], names, axis=axis))
        return [Value(self, n, a) for n, a in zip(names, np.split(x.array, np.cumsum(sizes)[:-1], axis))]

    def linear(self, x, n, bias=True):
        y = x @ self.weight(x.array.shape[-1], n)
        return y + self.weight(n, scale=0.3) if bias else y

    def save(self, folder, name, *outputs):
        """(path, inputs, wanted outputs)"""
        def info(v, kind=TensorProto.FLOAT):
            return helper.make_tensor_value_info(v.name, kind, list(v.array.shape))
        graph = helper.make_graph(self.nodes, name, [info(v) for v in self.inputs], [info(v) for v in outputs], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        path = os.path.join(folder, name + ".onnx")
        onnx.save(model, path)
        return path, {v.name: v.array.astype(np.float32) for v in self.inputs}, {v.name: v.array for v in outputs}
