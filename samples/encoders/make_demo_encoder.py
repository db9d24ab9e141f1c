#!/usr/bin/python3
"""Write demo.onnx, the demonstration encoder: a fixed filter bank for H&E tiles of 224 px at 0.5 µm/px, no training.

    make_demo_encoder.py [--check TILE.png ...]

The graph sees RGB in [0, 1]: 2 x 2 averages (1 µm/px), optical density, Ruifrok's colour deconvolution into haematoxylin H, eosin E,
residual R and mean density D; then stain statistics, soft nuclear masks at four thresholds with area, perimeter and content,
gradient and blob filters at 1, 2 and 4 µm/px, openings of the nuclear mask at three sizes, crowding of 16 µm blocks; global means;
and a scaling to about unit variance.  The scaling is measured on tiles this script paints, so the file depends on nothing else.
--check prints how far real tiles lie from them.

Building is define-by-run: every call adds a node and computes its value for the painted tiles with numpy.
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 224
H, E, R, D = range(4)
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])  # Ruifrok & Johnston 2001
STAINS /= np.linalg.norm(STAINS, axis=1, keepdims=True)


class Graph:
    """Nodes, initializers, and the value of every tensor for the calibration batch."""

    def __init__(self, value):
        self.nodes, self.initializers, self.values, self.names = [], [], {'image': value.astype(np.float32)}, []

    def constant(self, array, name):
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, value, **attributes):
        output = f'{op.lower()}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        self.values[output] = value.astype(np.float32)
        return output

    def conv(self, x, weight, bias=None, stride=1):
        weight = np.asarray(weight, np.float32)
        bias = np.zeros(len(weight), np.float32) if bias is None else np.asarray(bias, np.float32)
        v, k = self.values[x], weight.shape[2]
        pad = k // 2 if stride == 1 else 0
        v = np.pad(v, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        edge = (v.shape[2] - k) // stride + 1
        out = np.zeros((len(v), len(weight), edge, edge), np.float32) + bias[:, None, None]
        for dy in range(k):
            for dx in range(k):
                if np.any(weight[:, :, dy, dx]):
                    part = v[:, :, dy:dy + stride * (edge - 1) + 1:stride, dx:dx + stride * (edge - 1) + 1:stride]
                    out += np.einsum('oc,nchw->nohw', weight[:, :, dy, dx], part, optimize=True)
        i = len(self.nodes)
        inputs = [x, self.constant(weight, f'weight_{i}'), self.constant(bias, f'bias_{i}')]
        return self.node('Conv', inputs, out, kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4)

    def pool(self, x, k):
        v = self.values[x]
        n, c, h, w = v.shape
        return self.node('AveragePool', [x], v.reshape(n, c, h // k, k, w // k, k).mean((3, 5)), kernel_shape=[k, k], strides=[k, k])

    def unary(self, op, x):
        value = self.values[x].astype(np.float64)
        function = {'Log': np.log, 'Abs': np.abs, 'Sqrt': np.sqrt, 'Relu': lambda v: np.maximum(v, 0), 'Sigmoid': lambda v: 1 / (1 + np.exp(-v))}
        return self.node(op, [x], function[op](value))

    def clip(self, x, low, high):
        i = len(self.nodes)
        inputs = [x, self.constant(np.float32(low), f'low_{i}'), self.constant(np.float32(high), f'high_{i}')]
        return self.node('Clip', inputs, np.clip(self.values[x], low, high))

    def binary(self, op, a, b):
        function = {'Add': np.add, 'Sub': np.subtract, 'Mul': np.multiply, 'Div': np.divide}[op]
        return self.node(op, [a, b], function(self.values[a], self.values[b]))

    def mean(self, x):
        return self.node('GlobalAveragePool', [x], self.values[x].mean((2, 3), keepdims=True))

    def concat(self, parts):
        return self.node('Concat', parts, np.concatenate([self.values[p] for p in parts], 1), axis=1)


def pick(columns, channels, k=1):
    """1 x 1 weights that choose or mix channels: one {channel: factor} for each output."""
    weight = np.zeros((len(columns), channels, k, k))
    for row, mix in enumerate(columns):
        for channel, factor in mix.items():
            weight[row, channel] = factor
    return weight


def gaussian_filters(sigma=1.0, radius=2):
    """d/dx, d/dy, minus the Laplacian of a Gaussian, and the two oriented second derivatives; each of unit L1 norm."""
    y, x = np.mgrid[-radius:radius + 1, -radius:radius + 1].astype(float)
    g = np.exp(-(x * x + y * y) / (2 * sigma * sigma))
    blob = (2 * sigma**2 - x * x - y * y) * g
    filters = [x * g, y * g, blob - g * blob.sum() / g.sum(), (x * x - y * y) * g, 2 * x * y * g]
    return [f / np.abs(f).sum() for f in filters]


def spread(g, x, mean):
    """Standard deviation over the plane: sqrt(mean(x^2) - mean(x)^2 + eps)."""
    squares = g.mean(g.binary('Mul', x, x))
    variance = g.binary('Sub', squares, g.binary('Mul', mean, mean))
    return g.unary('Sqrt', g.clip(variance, 1e-6, 1e6))


def ratio(g, a, b, floor=0.01):
    return g.binary('Div', a, g.clip(b, floor, 1e6))


def stains(g):
    """H, E, R, D at 1 µm/px, and the Haar details of the luminance at 0.5 µm/px."""
    average = g.conv('image', np.stack([np.full((3, 2, 2), 0.25) * (np.arange(3) == c)[:, None, None] for c in range(3)]), stride=2)
    luma = np.array([0.299, 0.587, 0.114])[:, None, None]
    haar = [np.array(h) * 0.5 for h in ([[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]])]
    detail = g.conv('image', np.stack([luma * h for h in haar]), stride=2)
    log = g.unary('Log', g.clip(average, 1 / 255, 1))
    unmix = np.vstack([np.linalg.inv(STAINS).T, np.full(3, 1 / 3)])
    return g.conv(log, -unmix[:, :, None, None]), detail


def statistics(g, hed, detail):
    mean = g.mean(hed)
    roughness = g.unary('Abs', detail)
    rough_mean = g.mean(roughness)
    return [mean, spread(g, hed, mean), rough_mean, spread(g, roughness, rough_mean)]


def nuclei(g, hed):
    """Soft masks: H above four thresholds, E above three, glass; areas, perimeters, perimeter / area, what lies inside."""
    steep = 10.0
    cuts = [(H, 0.35), (H, 0.6), (H, 0.9), (H, 1.25), (E, 0.15), (E, 0.35), (E, 0.6), (D, 0.12)]
    sign = [1, 1, 1, 1, 1, 1, 1, -3]  # glass: little density
    masks = g.unary('Sigmoid', g.conv(hed, pick([{c: steep * s} for (c, _), s in zip(cuts, sign)], 4),
                                      [-steep * s * t for (_, t), s in zip(cuts, sign)]))
    area = g.mean(masks)
    dx, dy = gaussian_filters(0.8, 1)[:2]
    edges = np.zeros((8, 8, 3, 3))
    for i in range(4):
        edges[2 * i, i], edges[2 * i + 1, i] = 2 * dx, 2 * dy
    perimeter = g.conv(g.mean(g.unary('Abs', g.conv(masks, edges))), pick([{2 * i: 1, 2 * i + 1: 1} for i in range(4)], 8))
    nuclear_area = g.conv(area, pick([{i: 1} for i in range(4)], 8))
    inside = g.conv(masks, pick([{1: 1}] * 4, 8))
    stain_inside = g.binary('Mul', hed, inside)
    share = g.mean(inside)
    level = ratio(g, g.mean(stain_inside), share)
    level_of_squares = ratio(g, g.mean(g.binary('Mul', hed, stain_inside)), share)
    variance = g.binary('Sub', level_of_squares, g.binary('Mul', level, level))
    content_spread = g.unary('Sqrt', g.clip(variance, 1e-6, 1e6))
    return masks, [area, perimeter, ratio(g, perimeter, nuclear_area, 0.02), level, content_spread]


def texture(g, hed):
    """Gradient and blob energies of H and E at three scales; the coherence of the gradient's direction."""
    dx, dy, blob, plus, cross = gaussian_filters()
    bank = np.zeros((8, 4, 5, 5))
    for i, f in enumerate([dx, dy, blob, plus, cross]):
        bank[i, H] = f
    for i, f in enumerate([dx, dy, blob]):
        bank[5 + i, E] = f
    parts, level = [], hed
    for scale in range(3):
        r = g.conv(level, bank)
        size = g.mean(g.unary('Abs', r))
        parts.append(g.conv(size, pick([{0: 1, 1: 1}, {2: 1}, {3: 1, 4: 1}, {5: 1, 6: 1}, {7: 1}], 8)))
        dark = g.mean(g.unary('Relu', g.conv(r, pick([{2: 4}, {2: 4}, {7: 4}], 8), [-0.15, -0.4, -0.15])))
        parts.append(dark)
        tensor = g.mean(g.binary('Mul', r, g.conv(r, pick([{0: 1}, {1: 1}, {2: 1}, {1: 1}, {0: 1}, {5: 1}, {6: 1}, {7: 1}], 8))))
        # rows 0, 1: dx^2, dy^2 of H; 5, 6: of E; 2, 7: blob^2
        parts.append(g.unary('Sqrt', g.conv(tensor, pick([{0: 1, 1: 1}, {2: 1}, {5: 1, 6: 1}], 8), [1e-8] * 3)))
        difference = g.unary('Abs', g.conv(tensor, pick([{0: 1, 1: -1}, {5: 1, 6: -1}], 8)))
        parts.append(ratio(g, difference, g.conv(tensor, pick([{0: 1, 1: 1}, {5: 1, 6: 1}], 8)), 1e-4))
        if scale < 2:
            level = g.pool(level, 2)
    return parts


def crowding(g, hed, masks):
    """How much of the nuclear mask survives windows of 6, 10 and 14 µm; how full 16 µm blocks are, and how unevenly."""
    half = g.pool(g.conv(masks, pick([{1: 1}, {2: 1}], 8)), 2)
    windows = np.zeros((6, 2, 7, 7))
    for m in range(2):
        for i, k in enumerate((3, 5, 7)):
            edge = (7 - k) // 2
            windows[3 * m + i, m, edge:7 - edge, edge:7 - edge] = 1 / (k * k)
    opened = g.mean(g.unary('Sigmoid', g.conv(half, 24 * windows, [-24 * 0.8] * 6)))
    blocks = g.pool(half, 8)
    block_mean = g.mean(blocks)
    full = g.mean(g.unary('Sigmoid', g.conv(blocks, pick([{0: 16}] * 3 + [{1: 16}], 2), [-16 * t for t in (0.2, 0.4, 0.6, 0.3)])))
    coarse = g.pool(hed, 16)
    return [opened, full, spread(g, blocks, block_mean), spread(g, coarse, g.mean(coarse))]


def soft_noise(rng, size, cells):
    """Smooth noise in [-1, 1]: random values on a coarse lattice, interpolated."""
    lattice = rng.uniform(-1, 1, (cells + 1, cells + 1))
    t = np.linspace(0, cells, size, endpoint=False)
    i, f = t.astype(int), t - t.astype(int)
    rows = lattice[i] * (1 - f)[:, None] + lattice[i + 1] * f[:, None]
    return rows[:, i] * (1 - f) + rows[:, i + 1] * f


def paint_tile(rng):
    """A tile with the statistics of H&E: eosin ground with fibres and glass, nuclei of one tile's own size, number and darkness."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    angle = rng.uniform(0, np.pi)
    fibres = np.sin((x * np.cos(angle) + y * np.sin(angle)) / rng.uniform(2.5, 8) + 3 * soft_noise(rng, SIZE, 6))
    e = rng.uniform(0.1, 1.1) * (1 + 0.3 * fibres * rng.uniform(0, 1) + 0.4 * soft_noise(rng, SIZE, 9))
    h = rng.uniform(0.05, 0.4) * (1 + 0.5 * soft_noise(rng, SIZE, 24))
    glass = soft_noise(rng, SIZE, 3) + 0.4 * soft_noise(rng, SIZE, 12) < rng.uniform(-1.6, 0.2)
    e[glass] = h[glass] = 0.02
    radius, dark = rng.uniform(5, 16), rng.uniform(0.5, 1.7)
    for _ in range(int(rng.uniform(5, 1.1 * SIZE * SIZE / (3.2 * radius * radius)))):
        cx, cy = rng.uniform(0, SIZE, 2)
        a, b, turn = radius * rng.uniform(0.8, 1.4), radius * rng.uniform(0.5, 1), rng.uniform(0, np.pi)
        u, v = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn), (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        bumps = 1 + rng.uniform(0, 0.2) * np.sin(rng.integers(2, 6) * np.arctan2(v, u) + rng.uniform(0, 6))
        if glass[int(cy), int(cx)]:
            continue
        inside = np.clip((bumps - np.hypot(u / a, v / b)) * radius * 0.6 + 0.5, 0, 1)
        h = np.maximum(h, inside * dark * rng.uniform(0.7, 1.2) * (1 + 0.25 * soft_noise(rng, SIZE, 60)))
    # laboratories differ: the stains' own colours vary, and so do the sharpness and the noise of the camera
    vectors = np.clip(STAINS[:2] + rng.normal(0, 0.07, (2, 3)), 0.02, 1)
    rest = rng.uniform(0, 0.3) * np.maximum(h, e) * (0.3 + soft_noise(rng, SIZE, 7) + soft_noise(rng, SIZE, 40))
    density = h[..., None] * vectors[0] + np.maximum(e, 0)[..., None] * vectors[1] + np.maximum(rest, 0)[..., None] * STAINS[2]
    grain = rng.uniform(0.01, 0.2) * rng.normal(0, 1, (SIZE, SIZE, 1)) * density
    return np.clip(np.exp(-density - grain - rng.normal(0.03, 0.02, density.shape)), 0, 1).transpose(2, 0, 1)


def build(images, scaling=None):
    """Graph up to the features; with `scaling` (mean, std) taken from it, else from the images."""
    g = Graph(images)
    hed, detail = stains(g)
    parts = statistics(g, hed, detail)
    masks, more = nuclei(g, hed)
    parts += more + texture(g, hed) + crowding(g, hed, masks)
    raw = g.concat(parts)
    value = g.values[raw][:, :, 0, 0].astype(np.float64)
    mean, std = scaling or (value.mean(0), np.maximum(value.std(0), 1e-3))
    scaled = g.conv(raw, np.diag(1 / std)[:, :, None, None], -mean / std)
    shape = g.constant(np.array([0, -1], np.int64), 'flat')
    g.nodes.append(helper.make_node('Reshape', [scaled, shape], ['features'], name='features'))
    g.values['features'] = g.values[scaled][:, :, 0, 0]
    return g, (mean, std)


def save(g, path):
    dim = g.values['features'].shape[1]
    graph = helper.make_graph(
        g.nodes, 'demo_texture', [helper.make_tensor_value_info('image', TensorProto.FLOAT, ['N', 3, SIZE, SIZE])],
        [helper.make_tensor_value_info('features', TensorProto.FLOAT, ['N', dim])], g.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], producer_name='make_demo_encoder.py')
    model.ir_version = 7
    onnx.checker.check_model(model)
    with open(path, 'wb') as file:
        file.write(model.SerializeToString())
    print(f'{path}: {os.path.getsize(path)} bytes, {len(g.nodes)} nodes, {dim} features')


def check(paths, scaling):
    from PIL import Image
    tiles = [np.asarray(Image.open(p).convert('RGB').resize((SIZE, SIZE)), np.float32).transpose(2, 0, 1) / 255 for p in paths]
    features = build(np.stack(tiles), scaling)[0].values['features']
    for i in range(features.shape[1]):
        print(f'feature {i:2d}: mean {features[:, i].mean():6.2f}  std {features[:, i].std():5.2f}  largest {np.abs(features[:, i]).max():5.1f}')


def main():
    rng = np.random.default_rng(20)
    g, scaling = build(np.stack([paint_tile(rng) for _ in range(64)]))
    save(g, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'demo.onnx'))
    if sys.argv[1:2] == ['--check']:
        check(sys.argv[2:], scaling)


if __name__ == '__main__':
    main()
