"""The same layers as different exporters write them down, with the most steps each may take once its pattern is found."""
import math

import numpy as np

from onnx_tracer import Tracer


class Style:
    """trace(tracer) gives the output; `steps`: no session may have more (0: any number)."""
    quick, reference, bound = True, True, 1e-4

    def __init__(self, name, trace, opset=17, steps=0, nodes=False):
        self.name, self.trace, self.opset, self.steps, self.nodes = name, trace, opset, steps, nodes

    def make(self, folder):
        g = Tracer(self.opset, constants_as_nodes=self.nodes)
        outputs = self.trace(g)
        return g.save(folder, self.name, *(outputs if isinstance(outputs, tuple) else (outputs,)))


def heads(g, x, n, d):
    """(N, L, n d) as (N, n, L, d)"""
    b, length, _ = x.array.shape
    return g.op("Transpose", g.op("Reshape", x, [b, length, n, d]), perm=[0, 2, 1, 3])


def joined(g, x):
    b, n, length, d = x.array.shape
    return g.op("Reshape", g.op("Transpose", x, perm=[0, 2, 1, 3]), [b, length, n * d])


def turned(g, x):
    return g.op("Transpose", x, perm=[0, 1, 3, 2])


def sdpa(g):
    """PyTorch 2.x: the root of the scale on q and on the turned k."""
    x = g.op("LayerNormalization", g.input(2, 10, 32), g.weight(32, scale=1), g.weight(32, scale=1), axis=-1, epsilon=1e-6)
    qkv = g.op("Transpose", g.op("Reshape", g.linear(x, 96), [2, 10, 3, 4, 8]), perm=[2, 0, 3, 1, 4])
    q, k, v = [g.op("Squeeze", p, [0]) for p in g.split(qkv, [1, 1, 1], 0)]
    root = g.op("Sqrt", g.constant(1 / math.sqrt(8)))
    s = (q * root) @ (turned(g, k) * root)
    return g.linear(joined(g, g.op("Softmax", s, axis=-1) @ v), 32)


def gathered(g):
    """timm under PyTorch 1.x: Gather of the packed projection."""
    x = g.input(2, 10, 32)
    qkv = g.op("Transpose", g.op("Reshape", g.linear(x, 96), [0, 10, 3, 4, 8]), perm=[2, 0, 3, 1, 4])
    q, k, v = [g.op("Gather", qkv, np.int64(i), axis=0) for i in range(3)]
    s = (q @ turned(g, k)) * (8 ** -0.5)
    return g.linear(joined(g, g.op("Softmax", s, axis=-1) @ v), 32)


def sliced(g):
    """Slices of the last axis, then heads."""
    qkv = g.linear(g.input(2, 10, 32), 96)
    q, k, v = [heads(g, g.op("Slice", qkv, [32 * i], [32 * i + 32], [2]), 4, 8) for i in range(3)]
    s = (q @ turned(g, k)) / math.sqrt(8)
    return g.linear(joined(g, g.op("Softmax", s, axis=-1) @ v), 32)


def scaled_before_heads(g):
    """Hugging Face's CLIP: q scaled before it is cut into heads, batch and heads joined."""
    x = g.input(2, 10, 32)
    q = g.linear(x, 32) * (8 ** -0.5)
    q, k, v = [g.op("Reshape", heads(g, p, 4, 8), [8, 10, 8]) for p in (q, g.linear(x, 32), g.linear(x, 32))]
    s = g.op("Softmax", q @ g.op("Transpose", k, perm=[0, 2, 1]), axis=-1)
    y = g.op("Reshape", s @ v, [2, 4, 10, 8])
    return g.linear(joined(g, y), 32)


def scaled_keys(g):
    """k scaled before it is turned."""
    q, k, v = [heads(g, g.linear(g.input(2, 10, 32), 32), 4, 8) for _ in range(3)]
    return joined(g, g.op("Softmax", q @ turned(g, k * (8 ** -0.5)), axis=-1) @ v)


def masked_where(g):
    """A boolean mask as PyTorch 2.x exports it: chosen between 0 and minus infinity, then added."""
    q, k, v = [heads(g, g.linear(g.input(2, 10, 32), 32), 4, 8) for _ in range(3)]
    allowed = np.tril(np.ones((10, 10), bool))
    mask = g.op("Where", g.constant(allowed), g.constant(0.0), g.constant(-1e30))
    return joined(g, g.op("Softmax", (q @ turned(g, k)) * (8 ** -0.5) + mask, axis=-1) @ v)


def cosine(g):
    """Swin v2: normed q and k, a scale a head, a bias."""
    x = g.input(6, 9, 32)
    q, k, v = [heads(g, g.linear(x, 32), 4, 8) for _ in range(3)]
    q, k = [p / g.op("Clip", g.op("Sqrt", g.op("ReduceSum", p * p, [-1], keepdims=1)), 1e-12, 1e30) for p in (q, k)]
    s = (q @ turned(g, k)) * g.constant(np.array([2.0, 3.0, 4.0, 5.0]).reshape(4, 1, 1)) + g.weight(1, 4, 9, 9)
    return joined(g, g.op("Softmax", s, axis=-1) @ v)


def turned_product(g):
    """Channels first, as decoders of latent diffusion attend: v times the turned scores."""
    x = g.input(2, 16, 30)
    q, k, v = [g.weight(1, 16, 16, scale=0.2) @ x for _ in range(3)]
    s = (g.op("Transpose", q, perm=[0, 2, 1]) @ k) * 0.25
    return v @ g.op("Transpose", g.op("Softmax", s, axis=2), perm=[0, 2, 1])


def layer_norm(g, form="sqrt", affine=True, axis=-1, vector=None):
    x = g.input(2, 6, 5, 12)
    d = x - g.mean(x, axis)
    square = d * d if form in ("reciprocal", "half") else g.op("Pow", d, g.constant(2.0))
    variance = g.mean(square, axis) + g.constant(1e-5)
    y = {"sqrt": lambda: d / g.op("Sqrt", variance), "reciprocal": lambda: d * g.op("Reciprocal", g.op("Sqrt", variance)),
         "half": lambda: d * g.op("Pow", variance, g.constant(-0.5))}[form]()
    if affine:
        y = g.weight(*(vector or (12,)), scale=1) * y + g.weight(*(vector or (12,)), scale=1)
    return g.linear(y, 8)


def rms_norm(g):
    x = g.input(2, 9, 24)
    y = x * g.op("Div", g.constant(1.0), g.op("Sqrt", g.mean(g.op("Pow", x, g.constant(2.0)), -1) + g.constant(1e-6)))
    return g.linear(g.weight(24, scale=1) * y, 8)


def gelu_erf(g, order):
    x = g.linear(g.input(7, 12), 40)
    e = g.op("Erf", g.op("Div", x, math.sqrt(2)) if order % 2 else g.op("Mul", x, math.sqrt(0.5))) + 1.0
    half = g.constant(0.5)
    return [lambda: (x * e) * half, lambda: (x * half) * e, lambda: x * (half * e), lambda: half * (x * e),
            lambda: (half * e) * x, lambda: (half * x) * e][order]()


def gelu_tanh(g, form):
    x = g.linear(g.input(7, 12), 40)
    inner = [lambda: (x + g.op("Pow", x, g.constant(3.0)) * 0.044715) * math.sqrt(2 / math.pi),
             lambda: (x * math.sqrt(2 / math.pi)) * (g.op("Mul", (x * 0.044715), x) + 1.0),
             lambda: (x + (x * x * x) * 0.044715) * math.sqrt(2 / math.pi)][form]()
    return (x * 0.5) * (g.op("Tanh", inner) + 1.0)


def gates(g):
    x = g.linear(g.input(7, 12), 40)
    silu, quick = x * g.op("Sigmoid", x), g.op("Sigmoid", x * 1.702) * x
    swish = (x * 6.0) * (g.op("Clip", x + 3.0, 0.0, 6.0) / 6.0)
    mish = x * g.op("Tanh", g.op("Log", g.op("Exp", x) + 1.0))
    return silu + quick, swish + mish


def swiglu(g):
    x = g.input(2, 9, 16)
    u, v = g.linear(x, 24), g.linear(x, 24)
    return g.linear((u * g.op("Sigmoid", u)) * v, 16)


def packed_swiglu(g):
    u, v = g.split(g.linear(g.input(2, 9, 16), 48), [24, 24], -1)
    return g.linear((u * g.op("Sigmoid", u)) * v, 16)


def layer_scale(g):
    x = g.input(2, 9, 16)
    return x + g.linear(x, 16) * g.weight(16, scale=1)


NHWC, NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


def tensorflow(g):
    """tf2onnx: images and biases in NHWC, a transpose on either side of each convolution."""
    def conv(x, o, k):
        y = g.op("Conv", g.op("Transpose", x, perm=NCHW), g.weight(o, x.array.shape[-1], k, k, scale=0.2), pads=[k // 2] * 4,
                 kernel_shape=[k, k])
        return g.op("Transpose", y, perm=NHWC) + g.weight(o, scale=0.3)
    x = g.op("Relu", conv(g.input(2, 10, 9, 3), 8, 3))
    y = g.op("Relu", conv(x, 8, 3))
    x = g.op("Relu", conv(y, 8, 1) + x)
    x = g.op("Concat", x, g.op("Clip", conv(x, 4, 3), 0.0, 6.0), axis=3)
    x = g.op("Pad", x, g.constant([0, 1, 1, 0, 0, 0, 0, 0]))
    return g.linear(g.mean(conv(x, 16, 1), 1, 2, keepdims=0), 5)


def twice(g):
    """The same things computed twice."""
    x = g.input(2, 6, 12)
    d = (x - g.mean(x, -1)) / g.op("Sqrt", g.mean((x - g.mean(x, -1)) * (x - g.mean(x, -1)), -1) + g.constant(1e-6))
    return d * g.weight(12, scale=1) + g.op("Relu", x) * g.op("Relu", x)


def chains(g):
    x = g.op("Identity", g.op("Cast", g.input(2, 3, 4, 5), to=1))
    y = g.op("Transpose", g.op("Transpose", x, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])
    y = g.op("Reshape", g.op("Reshape", g.op("Reshape", y, [6, 20]), [2, -1]), [0, 3, 20])
    y = g.op("Slice", g.op("Expand", y, [2, 3, 20]), [0], [100], [2])
    return g.op("Relu", g.op("Squeeze", g.op("Unsqueeze", y, [0]), [0]))


def group_norm(g):
    x = g.input(2, 12, 5, 6)
    y = g.op("InstanceNormalization", g.op("Reshape", x, [0, 3, -1]), np.ones(3), np.zeros(3), epsilon=1e-5)
    y = g.op("Reshape", y, g.op("Shape", x))
    y = y * g.weight(12, 1, 1, scale=1) + g.weight(12, 1, 1, scale=1)
    return y * g.op("Sigmoid", y)


FAMILIES = [
    Style("style_sdpa", sdpa, 17, 4),
    Style("style_sdpa_opset20", sdpa, 20, 4),
    Style("style_gathered", gathered, 13, 3, True),
    Style("style_sliced", sliced, 14, 3),
    Style("style_scaled_before_heads", scaled_before_heads, 14, 5),
    Style("style_scaled_keys", scaled_keys, 14, 4),
    Style("style_masked_where", masked_where, 17, 4),
    Style("style_cosine", cosine, 14),
    Style("style_turned_product", turned_product, 13),
    Style("style_layer_norm", layer_norm, 13, 2, True),
    Style("style_layer_norm_18", layer_norm, 18, 2),
    Style("style_layer_norm_reciprocal", lambda g: layer_norm(g, "reciprocal"), 15, 2),
    Style("style_layer_norm_half", lambda g: layer_norm(g, "half"), 18, 2),
    Style("style_layer_norm_bare", lambda g: layer_norm(g, affine=False), 17, 2),
    Style("style_layer_norm_channels", lambda g: layer_norm(g, axis=1, vector=(6, 1, 1)), 17),
    Style("style_rms_norm", rms_norm, 18, 2),
    Style("style_group_norm", group_norm, 16),
    *[Style(f"style_gelu_erf_{i}", lambda g, i=i: gelu_erf(g, i), 13, 1, i % 2 == 0) for i in range(6)],
    *[Style(f"style_gelu_tanh_{i}", lambda g, i=i: gelu_tanh(g, i), 17, 1) for i in range(3)],
    Style("style_gates", gates, 13),
    Style("style_swiglu", swiglu, 17, 3),
    Style("style_packed_swiglu", packed_swiglu, 18),
    Style("style_layer_scale", layer_scale, 17, 1),
    Style("style_tensorflow", tensorflow, 13),
    Style("style_twice", twice, 13),
    Style("style_chains", chains, 13),
]
