#!/usr/bin/python3
"""Small segmentation networks of tests/unit/test_segmenter.c whose answer is a formula of the pixels.  Writes data/segmenter/."""
import os

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "segmenter")


def save(name, nodes, weights, outputs=("y",), size=("H", "W"), kind=T.FLOAT):
    ports = [h.make_tensor_value_info(o, kind, None) for o in outputs]
    graph = h.make_graph(nodes, name, [h.make_tensor_value_info("x", kind, ["N", 3, *size])], ports,
                         [nh.from_array(np.asarray(a), n) for n, a in weights.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=7)
    with open(os.path.join(OUT, name + ".onnx"), "wb") as f:
        f.write(model.SerializeToString())


# max - min of a pixel: the largest of the differences of two channels, each side of them by a Relu
DIFFERENCES = np.array([[1, -1, 0], [-1, 1, 0], [0, 1, -1], [0, -1, 1], [1, 0, -1], [-1, 0, 1]], np.float32).reshape(6, 3, 1, 1)
SATURATION = [h.make_node("Conv", ["x", "w"], ["d"]), h.make_node("Relu", ["d"], ["r"]), h.make_node("ReduceMax", ["r"], ["y"], axes=[1])]


def main():
    os.makedirs(OUT, exist_ok=True)
    save("saturation", SATURATION, {"w": DIFFERENCES})
    save("half", SATURATION, {"w": DIFFERENCES.astype(np.float16)}, kind=T.FLOAT16)
    save("fixed", SATURATION, {"w": DIFFERENCES}, size=(48, 48))
    save("channels", [h.make_node("Conv", ["x", "w"], ["y"])], {"w": (np.eye(3, dtype=np.float32) * 8).reshape(3, 3, 1, 1)})
    # the mean of 3 x 3 pixels of all channels, zeros outside: wrong at a tile's rim, right within
    save("blur", [h.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])], {"w": np.full((1, 3, 3, 3), 1 / 27, np.float32)})
    save("shrunk", [h.make_node("Conv", ["x", "w"], ["d"]), h.make_node("Relu", ["d"], ["r"]), h.make_node("ReduceMax", ["r"], ["m"], axes=[1]),
                    h.make_node("AveragePool", ["m"], ["y"], kernel_shape=[4, 4], strides=[4, 4])], {"w": DIFFERENCES})
    save("endless", [h.make_node("Conv", ["x", "w"], ["d"]), h.make_node("Log", ["d"], ["y"])], {"w": DIFFERENCES[:1]})
    save("two", [h.make_node("Relu", ["x"], ["y"]), h.make_node("Neg", ["x"], ["z"])], {}, outputs=("y", "z"))
    save("vector", [h.make_node("GlobalAveragePool", ["x"], ["p"]), h.make_node("Flatten", ["p"], ["y"])], {})
    save("odd", [h.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3])], {})


if __name__ == "__main__":
    main()
