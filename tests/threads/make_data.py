#!/usr/bin/python3
"""Writes data/reciprocal.onnx beside this script: one over the mean of each channel, so that a black tile, and only it, has no finite feature."""
import os

import onnx
from onnx import TensorProto, helper

HERE = os.path.dirname(os.path.abspath(__file__))
nodes = [helper.make_node('ReduceMean', ['pixels'], ['mean'], axes=[2, 3], keepdims=0), helper.make_node('Reciprocal', ['mean'], ['row'])]
graph = helper.make_graph(nodes, 'reciprocal', [helper.make_tensor_value_info('pixels', TensorProto.FLOAT, ['N', 3, 16, 16])],
                          [helper.make_tensor_value_info('row', TensorProto.FLOAT, ['N', 3])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
model.ir_version = 7
onnx.checker.check_model(model)
with open(os.path.join(HERE, 'data', 'reciprocal.onnx'), 'wb') as file:
    file.write(model.SerializeToString())
