"""task=detect: boxes come back to the case through fit, tiles and planes, and are merged.

usage: test_detect.py MICROTOME SYNTHETIC SOURCE
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import contains, equal, main, microtome, synthetic  # noqa: E402

try:
    import h5py
    import numpy as np
    import onnx
    from onnx import TensorProto, helper
    from PIL import Image
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

# centre, size in the network's px, score: two that overlap, one elsewhere, one below the least score
BOXES = [(20, 30, 10, 20, 0.9), (21, 30, 10, 20, 0.8), (50, 50, 8, 8, 0.6), (10, 10, 4, 4, 0.1)]


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def detector(path, batch="n"):
    """Says the same of every picture, of 64 px: (n, 5, 4) as yolov8."""
    values = np.array(BOXES, np.float32).T[None]
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2, 3], keepdims=1), helper.make_node("Mul", ["m", "zero"], ["nothing"]),
             helper.make_node("Reshape", ["nothing", "shape"], ["flat"]), helper.make_node("Add", ["flat", "boxes"], ["y"])]
    graph = helper.make_graph(nodes, "detector", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 64, 64])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 5, 4])],
                              [helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]), helper.make_tensor("shape", TensorProto.INT64, [3], [-1, 1, 1]),
                               helper.make_tensor("boxes", TensorProto.FLOAT, values.shape, values.ravel().tolist())])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


CARD = """[encoder]
name=detector
size_px=64
channels=rgb
value=rgb8
mean=0;0;0
std=1;1;1
pool=raw
{more}
[detect]
format=yolov8
labels=cell
min_score=0.25
iou=0.5
"""
RECIPE = """[encoder]
model=net.onnx
[head]
task=detect
[thresholds]
low=0.5
[mask]
method=none
[measure]
cells=count(cell)
hottest=density(cell, 2)
{more}"""


def prepare(folder, card, recipe=""):
    detector(os.path.join(folder, "net.onnx"))
    write(os.path.join(folder, "net.card"), CARD.format(more=card))
    return write(os.path.join(folder, "r.ini"), RECIPE.format(more=recipe))


def objects(out, id):
    with h5py.File(os.path.join(out, "cases", id + ".h5")) as f:
        rows = {r["name"].decode(): float(r["value"]) for r in f["measurements"][:]}
        equal("features" in f, False)
        return f["objects/box"][:].tolist(), f["objects/score"][:], rows, f["prediction/scores"][:], f["objects/centre"][:]


def test_stretched_picture(folder):
    """a picture of 128 x 192 px stretched to 64: boxes scaled apart along x and y, the weaker of two that overlap dropped"""
    recipe, out = prepare(folder, "fit=stretch"), os.path.join(folder, "out")
    Image.fromarray(np.zeros((192, 128, 3), np.uint8)).save(os.path.join(folder, "p.png"))
    answer = microtome("run", "-r", recipe, "-o", out, os.path.join(folder, "p.png"))
    equal((answer.code, answer.err.count("not")), (0, 0))
    boxes, scores, rows, prediction, centres = objects(out, "p")
    equal(boxes, [[30, 60, 0, 50, 120, 1], [92, 138, 0, 108, 162, 1]])
    np.testing.assert_allclose(scores, [0.9, 0.6], rtol=1e-6)
    np.testing.assert_allclose(centres[0], [39.5, 89.5, 0])
    equal(rows["cells"], 2)
    assert np.isnan(rows["hottest"])  # the spacing is unknown
    np.testing.assert_allclose(prediction, [0.9], rtol=1e-6)
    write(os.path.join(folder, "net.card"), CARD.format(more="fit=stretch").replace("min_score=0.25", "min_score=0.7"))
    answer = microtome("run", "-r", recipe, "-o", out, os.path.join(folder, "p.png"))
    equal(answer.code, 64)  # another card is another recipe


def test_tiles(folder):
    """tiles of a slide: every tile's boxes at their place, what two overlapping tiles both saw once; the hottest 2 mm2"""
    recipe, out = prepare(folder, "mpp=0.5"), os.path.join(folder, "out")
    slide = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 512, "--seed", 2)
    path = slide if os.path.isfile(str(slide)) else os.path.join(folder, "slides", sorted(n for n in os.listdir(os.path.join(folder, "slides")) if n.endswith(".tif"))[0])
    answer = microtome("run", "-r", recipe, "-o", out, "--threads", 2, path)
    equal(answer.code, 0)
    id = os.path.basename(path)[:-4]
    boxes, _, rows, _, _ = objects(out, id)
    with h5py.File(os.path.join(out, "cases", id + ".h5")) as f:
        coords = f["coords"][:, :2]
        edge = f["coords"].attrs["tile_level0"][0]
    wanted = sorted((int(np.floor(x + a * edge / 64)), int(np.floor(y + b * edge / 64))) for x, y in coords for a, b in ((15, 20), (46, 46)))
    size = 512
    equal(sorted((b[0], b[1]) for b in boxes), [w for w in wanted if w[0] < size and w[1] < size])
    equal(rows["cells"], len(boxes))
    assert rows["hottest"] > 0


def test_refusals(folder):
    """a card without [detect] or pool=raw is refused by name"""
    recipe, out = prepare(folder, "fit=stretch"), os.path.join(folder, "out")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(os.path.join(folder, "p.png"))
    card = os.path.join(folder, "net.card")
    write(card, CARD.format(more="fit=stretch").split("[detect]")[0])
    answer = microtome("run", "-r", recipe, "-o", out, os.path.join(folder, "p.png"))
    equal(answer.code, 78)
    contains(answer.err, f"its card {card} has to say [encoder] pool=raw and, in a group [detect], format=yolov8, yolov5 or fastestdet")


main([test_stretched_picture, test_tiles, test_refusals])
