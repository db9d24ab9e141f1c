#!/usr/bin/python3
"""Small ONNX models of tests/unit/test_encoder.c and the features torch computes with them.  Writes data/encoder/ beside this script.

expected.bin: a case is the model's file name padded to 32 bytes, the card as text padded to 256, int32 tiles, edge, dim, then
tiles x dim float32.  Tile i holds noise(i + 1); the seed's generator is in the test too.
The demonstration encoder's nodes are run one by one by torch, which is independent of the script that made it.
"""
import os
import struct

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, 'data', 'encoder')
DEMO = os.path.join(HERE, '..', '..', 'samples', 'encoders', 'demo.onnx')
SIZE, DIM = 32, 6
RNG = np.random.default_rng(1)
WEIGHT = RNG.normal(0, 0.2, (DIM, 3, 8, 8)).astype(np.float32)
BIAS = RNG.normal(0, 0.2, DIM).astype(np.float32)


def save(name, nodes, inputs, outputs, initializers, metadata=None):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
    model.ir_version = 7
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    with open(os.path.join(OUT, name + '.onnx'), 'wb') as file:
        file.write(model.SerializeToString())


def port(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def patches(weight=WEIGHT, dtype=np.float32):
    """Convolution by patches of 8: N x 6 x 4 x 4."""
    tensors = [numpy_helper.from_array(weight.astype(dtype), 'w'), numpy_helper.from_array(BIAS.astype(dtype), 'b')]
    return [helper.make_node('Conv', ['pixels', 'w', 'b'], ['map'], strides=[8, 8], kernel_shape=[8, 8])], tensors


def to_row(nodes):
    return nodes + [helper.make_node('GlobalAveragePool', ['map'], ['mean']), helper.make_node('Flatten', ['mean'], ['row'], axis=1)]


def write_models():
    nodes, tensors = patches()
    shape = numpy_helper.from_array(np.array([0, DIM, -1], np.int64), 'shape')
    tokens = [helper.make_node('Reshape', ['map', 'shape'], ['flat']), helper.make_node('Transpose', ['flat'], ['tokens'], perm=[0, 2, 1])]
    save('three', to_row(nodes) + tokens, [port('pixels', ['N', 3, SIZE, SIZE])],
         [port('map', ['N', DIM, 4, 4]), port('row', ['N', DIM]), port('tokens', ['N', None, None])], tensors + [shape])
    for batch in (1, 3):
        save(f'batch{batch}', to_row(nodes), [port('pixels', [batch, 3, SIZE, SIZE])], [port('row', [batch, DIM])], tensors)
    save('open', to_row(nodes), [port('pixels', ['N', 3, 'H', 'W'])], [port('row', ['N', DIM])], tensors)
    gray, gray_tensors = patches(WEIGHT[:, :1])
    save('gray', to_row(gray), [port('pixels', ['N', 1, SIZE, SIZE])], [port('row', ['N', DIM])], gray_tensors)
    half, half_tensors = patches(dtype=np.float16)
    save('half', to_row(half), [port('pixels', ['N', 3, SIZE, SIZE], TensorProto.FLOAT16)], [port('row', ['N', DIM], TensorProto.FLOAT16)],
         half_tensors)
    keys = {'size_px': '32', 'value': 'rgb8', 'mean': '0.5', 'std': '0.25', 'mpp': '0.5', 'name': 'from-keys'}
    card = '[encoder]\nsize_px=32\nvalue=rgb8\nmean=0.5\nstd=0.25\nmpp=1\nname=from-card\n'
    for name, metadata in (('keys', keys), ('whole_card', {'microtome.card': card})):
        save(name, to_row(nodes), [port('pixels', ['N', 3, SIZE, SIZE])], [port('row', ['N', DIM])], tensors, metadata)
    log = to_row(nodes)[:-1] + [helper.make_node('Log', ['mean'], ['log']), helper.make_node('Flatten', ['log'], ['row'], axis=1)]
    save('nan', log, [port('pixels', ['N', 3, SIZE, SIZE])], [port('row', ['N', DIM])], tensors)
    both = to_row(nodes) + [helper.make_node('Add', ['row', 'other'], ['sum'])]
    save('two_inputs', both, [port('pixels', ['N', 3, SIZE, SIZE]), port('other', [1, DIM])], [port('sum', ['N', DIM])], tensors)
    last = [helper.make_node('ReduceMean', ['pixels'], ['row'], axes=[1, 2], keepdims=0)]
    save('channels_last', last, [port('pixels', ['N', SIZE, SIZE, 3])], [port('row', ['N', 3])], [])
    mean = [helper.make_node('ReduceMean', ['pixels'], ['row'], axes=[2, 3], keepdims=0)]
    cast = [helper.make_node('Cast', ['bytes'], ['pixels'], to=TensorProto.FLOAT)]
    save('bytes', cast + mean, [port('bytes', ['N', 3, SIZE, SIZE], TensorProto.UINT8)], [port('row', ['N', 3])], [])
    largest = [helper.make_node('ReduceMean', ['pixels'], ['line'], axes=[2], keepdims=0),
               helper.make_node('ArgMax', ['line'], ['row'], axis=2, keepdims=0)]
    save('whole_numbers', largest, [port('pixels', ['N', 3, SIZE, SIZE])], [port('row', ['N', 3], TensorProto.INT64)], [])
    save('huge_batch', mean, [port('pixels', [300, 3, SIZE, SIZE])], [port('row', [300, 3])], [])
    save('vector', [helper.make_node('ReduceMean', ['pixels'], ['row'], axes=[1, 2, 3], keepdims=0)],
         [port('pixels', ['N', 3, SIZE, SIZE])], [port('row', ['N'])], [])
    split = [helper.make_node('ReduceMean', ['pixels'], ['line'], axes=[2], keepdims=0),
             helper.make_node('Reshape', ['line', 'shape'], ['row'])]
    save('batch_lost', split, [port('pixels', ['N', 3, SIZE, SIZE])], [port('row', ['M', 3])],
         [numpy_helper.from_array(np.array([-1, 3], np.int64), 'shape')])
    save('oblong', to_row(nodes), [port('pixels', ['N', 3, SIZE, 40])], [port('row', ['N', DIM])], tensors)


def noise(seed, n):
    state, out = seed, np.empty(n, np.uint8)
    for i in range(n):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        out[i] = state >> 24
    return out


def tiles(n, edge, mean, std):
    pixels = np.stack([noise(i + 1, edge * edge * 3).reshape(edge, edge, 3).transpose(2, 0, 1) for i in range(n)])
    return (torch.from_numpy(pixels).float().div(255) - mean) / std


def run_demo(x):
    """The graph's nodes by torch, in float64."""
    graph = onnx.load(DEMO).graph
    v = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    v = {name: t.double() if t.is_floating_point() else t for name, t in v.items()}
    v['image'] = x.double()
    plain = {'Log': torch.log, 'Abs': torch.abs, 'Sqrt': torch.sqrt, 'Relu': torch.relu, 'Sigmoid': torch.sigmoid, 'Add': torch.add,
             'Sub': torch.sub, 'Mul': torch.mul, 'Div': torch.div, 'GlobalAveragePool': lambda t: t.mean((2, 3), keepdim=True),
             'Clip': torch.clamp, 'Reshape': lambda t, _: t.flatten(1)}
    for node in graph.node:
        a = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        x = [v[name] for name in node.input]
        if node.op_type == 'Conv':
            y = F.conv2d(*x, stride=a['strides'], padding=a['pads'][:2])
        elif node.op_type == 'AveragePool':
            y = F.avg_pool2d(x[0], a['kernel_shape'], a['strides'])
        elif node.op_type == 'Concat':
            y = torch.cat(x, a['axis'])
        else:
            y = plain[node.op_type](*x)
        v[node.output[0]] = y
    return v['features'].float()


def write_case(file, model, card, edge, features):
    n, dim = features.shape
    file.write(model.encode().ljust(32, b'\0'))
    file.write(card.encode().ljust(256, b'\0'))
    file.write(struct.pack('<3i', n, edge, dim))
    file.write(features.numpy().astype('<f4').tobytes())


def write_expected(file):
    mean, std = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    card = '[encoder]\nsize_px=32\nvalue=rgb8\nmean=0.485;0.456;0.406\nstd=0.229;0.224;0.225\n'
    x = tiles(5, SIZE, mean, std)
    maps = F.conv2d(x, torch.from_numpy(WEIGHT), torch.from_numpy(BIAS), stride=8)
    row, tokens = maps.mean((2, 3)), maps.flatten(2).transpose(1, 2)
    write_case(file, 'three', card + 'output=row\n', SIZE, row)
    write_case(file, 'three', card + 'output=map\npool=mean\n', SIZE, row)
    write_case(file, 'three', card + 'output=tokens\npool=cls\n', SIZE, tokens[:, 0])
    write_case(file, 'three', card + 'output=tokens\npool=mean\nprefix_tokens=5\n', SIZE, tokens[:, 5:].mean(1))
    write_case(file, 'three', card + 'output=tokens\npool=cls+mean\n', SIZE, torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1))
    for name in ('batch1', 'batch3', 'open'):
        write_case(file, name, card, SIZE, row)
    write_case(file, 'half', card, SIZE, row)
    write_case(file, 'demo', '', 224, run_demo(tiles(2, 224, 0, 1)))


def main():
    os.makedirs(OUT, exist_ok=True)
    write_models()
    with open(os.path.join(OUT, 'expected.bin'), 'wb') as file:
        write_expected(file)
    print(sum(os.path.getsize(os.path.join(OUT, name)) for name in os.listdir(OUT)), 'bytes in', len(os.listdir(OUT)), 'files')


main()
