#!/usr/bin/python3
"""Makes the small ONNX files of test_import.c beside itself: one that is right in every storage kind, and one for each refusal.

usage: make_import_models.py [FOLDER]
"""
import os
import struct
import sys

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

HERE = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))


def write(name, model):
  with open(os.path.join(HERE, name), "wb") as f:
    f.write(model if isinstance(model, bytes) else model.SerializeToString())


def model(nodes, inputs=None, outputs=None, initializers=(), opset=13, ir=7, **more):
  inputs = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])]
  outputs = outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
  graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
  m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)] if opset else [], producer_name="")
  m.ir_version = ir
  for key, value in more.get("metadata", {}).items():
    m.metadata_props.add(key=key, value=value)
  if not opset:
    del m.opset_import[:]
  return m


relu = helper.make_node("Relu", ["x"], ["y"], name="act")


def storage():
  """One output for each way to store a tensor; every one of them has the elements 1, 2, 3."""
  three = [1, 2, 3]
  kinds = [("float_data", TensorProto.FLOAT), ("int32_data", TensorProto.INT32), ("int64_data", TensorProto.INT64),
           ("double_data", TensorProto.DOUBLE)]
  tensors = [helper.make_tensor(n, t, [3], three) for n, t in kinds]
  for n, t in [("u8", TensorProto.UINT8), ("i8", TensorProto.INT8), ("i16", TensorProto.INT16), ("u16", TensorProto.UINT16)]:
    tensors.append(helper.make_tensor(n, t, [3], three))
  half = TensorProto(name="f16", data_type=TensorProto.FLOAT16, dims=[3])
  half.int32_data.extend(int(v) for v in np.array(three, np.float16).view(np.uint16))
  brain = TensorProto(name="bf16", data_type=TensorProto.BFLOAT16, dims=[3])
  brain.int32_data.extend(int(v >> 16) for v in np.array(three, np.float32).view(np.uint32))
  tensors += [half, brain]
  for n, t in [("raw_f32", np.float32), ("raw_i64", np.int64), ("raw_f16", np.float16), ("raw_f64", np.float64)]:
    tensors.append(numpy_helper.from_array(np.array(three, t), n))
  nodes = [helper.make_node("Relu", ["x"], ["y"])]
  nodes.append(helper.make_node("Constant", [], ["value"], value=helper.make_tensor("t", TensorProto.FLOAT, [3], three)))
  nodes.append(helper.make_node("Constant", [], ["value_floats"], value_floats=[1.0, 2.0, 3.0]))
  nodes.append(helper.make_node("Constant", [], ["value_ints"], value_ints=three))
  names = [t.name for t in tensors] + ["value", "value_floats", "value_ints"]
  outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])]
  for n in names:
    t = next((x.data_type for x in tensors if x.name == n), TensorProto.INT64 if n == "value_ints" else TensorProto.FLOAT)
    outputs.append(helper.make_tensor_value_info(n, t, [3]))
  return model(nodes, outputs=outputs, initializers=tensors, metadata={"author": "nobody", "note": "three"})


def external(location, offset=None, length=None, shape=(4,)):
  t = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
  t.external_data.add(key="location", value=location)
  if offset is not None:
    t.external_data.add(key="offset", value=str(offset))
  if length is not None:
    t.external_data.add(key="length", value=str(length))
  return model([helper.make_node("Add", ["x", "w"], ["y"], name="sum")], inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
               initializers=[t])


def nested(depth):
  """Relu inside a branch inside a branch ..."""
  graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "leaf", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
  for _ in range(depth):
    node = helper.make_node("If", ["c"], ["y"])
    node.attribute.append(AttributeProto(name="then_branch", type=AttributeProto.GRAPH, g=graph))
    graph = helper.make_graph([node], "inner", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
  m = model([relu])
  m.graph.CopyFrom(graph)
  return m


write("import_storage.onnx", storage())
big = numpy_helper.from_array(np.arange(600, dtype=np.float32).reshape(2, 300), "w")
write("import_raw_large.onnx", model([helper.make_node("MatMul", ["x", "w"], ["y"], name="product")], initializers=[big]))
old = model([helper.make_node("Add", ["x", "w"], ["y"])], initializers=[helper.make_tensor("w", TensorProto.FLOAT, [2], [1, 2])], ir=3,
            inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [0, 2]), helper.make_tensor_value_info("w", TensorProto.FLOAT, [2])])
write("import_ir3.onnx", old)
write("import_optional.onnx", model([helper.make_node("Clip", ["x", "", "high"], ["y"])],
                                    initializers=[helper.make_tensor("high", TensorProto.FLOAT, [], [6.0])]))

write("refuse_unknown_op.onnx", model([helper.make_node("FooBar", ["x"], ["y"], name="mystery")]))
write("refuse_domain.onnx", model([helper.make_node("Relu", ["x"], ["y"], name="act", domain="com.example")]))
write("refuse_newer_op.onnx", model([helper.make_node("LayerNormalization", ["x", "x"], ["y"], name="ln")], opset=13))
write("refuse_old_op.onnx", model([helper.make_node("Add", ["x", "x"], ["y"], name="sum")], opset=5))
write("refuse_opset_high.onnx", model([relu], opset=22))
write("refuse_no_opset.onnx", model([relu], opset=0, ir=1))
no_ir = model([relu])
no_ir.ClearField("ir_version")
write("refuse_no_ir.onnx", no_ir)
write("refuse_type.onnx", model([relu], inputs=[helper.make_tensor_value_info("x", TensorProto.STRING, [2])]))
write("refuse_weight_type.onnx", model([relu], initializers=[helper.make_tensor("w", TensorProto.COMPLEX64, [1], [1])]))
write("refuse_cycle.onnx", model([helper.make_node("Add", ["x", "b"], ["a"], name="first"), helper.make_node("Relu", ["a"], ["b"]),
                                  helper.make_node("Relu", ["b"], ["y"])]))
write("refuse_unknown_input.onnx", model([helper.make_node("Relu", ["z"], ["y"], name="act")]))
write("refuse_duplicate.onnx", model([relu, helper.make_node("Abs", ["x"], ["y"], name="again")]))
write("refuse_no_producer.onnx", model([helper.make_node("Relu", ["x"], ["z"])]))
short = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], raw_data=struct.pack("<3f", 1, 2, 3))
write("refuse_short_weight.onnx", model([relu], initializers=[short]))
giant = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 40, 1 << 40])
write("refuse_giant_weight.onnx", model([relu], initializers=[giant]))
write("refuse_bomb.onnx", model([helper.make_node("ConstantOfShape", ["s"], ["y"], name="bomb")],
                                initializers=[helper.make_tensor("s", TensorProto.INT64, [2], [1 << 30, 1 << 30])]))
write("refuse_shapes.onnx", model([helper.make_node("Conv", ["x", "w"], ["y"], name="conv")], inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
                                  initializers=[helper.make_tensor("w", TensorProto.FLOAT, [2, 4, 1, 1], [0] * 8)]))
write("refuse_subgraph.onnx", nested(1))
write("refuse_deep.onnx", nested(17))


def external_giant():
  """A tensor of 2.4 GB, and behind it, past 4 GiB, a small one: offsets and lengths need 64 bits."""
  m = external("giant.bin", (4 << 30) + 64, 16)
  giant = TensorProto(name="giant", data_type=TensorProto.FLOAT, dims=[2, 300000000], data_location=TensorProto.EXTERNAL)
  for key, value in [("location", "giant.bin"), ("offset", "4096"), ("length", "2400000000")]:
    giant.external_data.add(key=key, value=value)
  m.graph.initializer.append(giant)
  for name, values in [("first", [1, 299999999]), ("end", [2, 300000000])]:
    m.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [2], values))
  m.graph.node.append(helper.make_node("Slice", ["giant", "first", "end"], ["last"]))
  m.graph.output.append(helper.make_tensor_value_info("last", TensorProto.FLOAT, [1, 1]))
  return m


write("external_giant.onnx", external_giant())
write("external_ok.onnx", external("import_weights.bin", 16, 16))
write("external_missing.onnx", external("nowhere.bin"))
write("external_parent.onnx", external("../import_weights.bin"))
write("external_inner_parent.onnx", external("sub/../../import_weights.bin"))
write("external_absolute.onnx", external("/etc/hostname"))
write("external_beyond.onnx", external("import_weights.bin", 24, 16))
write("external_negative.onnx", external("import_weights.bin", -8, 16))
write("external_length.onnx", external("import_weights.bin", 0, 12))
write("import_weights.bin", np.arange(8, dtype=np.float32).tobytes())
