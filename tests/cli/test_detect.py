"""task=detect: boxes come back to the case through fit, tiles and planes, and are merged.

usage: test_detect.py MICROTOME SYNTHETIC SOURCE
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import contains, equal, main, microtome, read, synthetic  # noqa: E402

try:
    import h5py
    import nibabel
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


def conv_network(path, dims, channels, bias, pool=False):
    """(x - 100) / 10 + bias of the first channel, voxel by voxel, as one label; or its mean over the crop."""
    axes = ["d", "h", "w"][3 - dims:]
    weight = np.zeros([1, channels] + [1] * dims, np.float32)
    weight.flat[0] = 0.1
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c" if pool else "y"])]
    if pool:
        nodes += [helper.make_node("GlobalAveragePool", ["c"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    graph = helper.make_graph(nodes, "conv", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels] + axes)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1] + ([] if pool else axes))],
                              [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.ravel().tolist()),
                               helper.make_tensor("b", TensorProto.FLOAT, [1], [bias - 10.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


STAGE_CARD = """[encoder]
name={name}
size_px={size}
channels={channels}
value=none
mean=0
std=1
activation=sigmoid
labels={label}
"""


def test_stages(folder):
    """detect, segment, size, malignancy: boxes of slices become one mask of the volume, with its sizes, and are named by a third network"""
    detector(os.path.join(folder, "net.onnx"))
    write(os.path.join(folder, "net.card"), CARD.format(more="fit=stretch").replace("channels=rgb", "channels=gray").replace("mean=0;0;0", "mean=0")
          .replace("std=1;1;1", "std=1").replace("rgb8", "range:0,1000"))
    gray = onnx.load(os.path.join(folder, "net.onnx"))
    gray.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    onnx.save(gray, os.path.join(folder, "net.onnx"))
    conv_network(os.path.join(folder, "seg.onnx"), 3, 1, 0)
    conv_network(os.path.join(folder, "what.onnx"), 3, 1, -2, pool=True)
    write(os.path.join(folder, "seg.card"), STAGE_CARD.format(name="seg", size="24x24x8", channels="ct", label="nodule"))
    write(os.path.join(folder, "what.card"), STAGE_CARD.format(name="what", size="3x3x1", channels="ct", label="malignant"))
    spacing = np.array([0.7, 0.7, 1.5])
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in (64, 64, 9)], indexing="ij"), -1)
    values = np.full((64, 64, 9), 20, np.int16)
    truths = []
    for centre, radius, bright in ((20, 30, 4), 5.0, 130), ((50, 50, 4), 3.2, 110):
        truths.append((np.linalg.norm((grid - centre) * spacing, axis=-1) <= radius, bright))
        values[truths[-1][0]] = bright
    volume = nibabel.Nifti1Image(values, np.diag([0.7, 0.7, 1.5, 1]))
    volume.header.set_xyzt_units("mm")
    nibabel.save(volume, os.path.join(folder, "v.nii.gz"))
    text = RECIPE.split("[measure]")[0] + """[input]
modality=CT
[stage.2]
task=segment
model=seg.onnx
objects=cell
[stage.3]
model=what.onnx
objects=cell
[measure]
n=count(cell)
volume=volume(cell)
size=longest(cell)
[action]
next=size >= 8: refer; else: nothing
"""
    recipe = write(os.path.join(folder, "r.ini"), text)
    out = os.path.join(folder, "out")
    answer = microtome("run", "-r", recipe, "-o", out, os.path.join(folder, "v.nii.gz"))
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    with h5py.File(os.path.join(out, "cases", "v.h5")) as f:
        drawn = f["map/segmentation"][:]
        wanted = np.zeros_like(drawn)
        for truth, _ in truths:
            wanted |= truth.transpose(2, 1, 0).astype(np.uint8)
        assert np.array_equal(drawn, wanted), (drawn.sum((1, 2)), wanted.sum((1, 2)))
        by_size = sorted(zip(f["objects/voxels"][:].tolist(), f["objects/volume_mm3"][:].tolist(), f["objects/longest_mm"][:].tolist(),
                             f["objects/finding"].asstr()[:].tolist(), f["objects/finding_score"][:].tolist(), f["objects/stage"][:].tolist()))
        equal([o[0] for o in by_size], sorted(int(t.sum()) for t, _ in truths))
        for (voxels, mm3, longest, finding, score, stage), (truth, bright), radius in zip(by_size, truths[::-1], (3.2, 5.0)):
            np.testing.assert_allclose(mm3, voxels * 0.735, rtol=1e-6)
            assert abs(longest - 2 * radius) <= 1.0, (longest, radius)
            equal((finding, stage), ("malignant", 3))
            np.testing.assert_allclose(score, 1 / (1 + np.exp(-((bright - 100) / 10 - 2))), rtol=1e-5)
        measured = {r["name"].decode(): float(r["value"]) for r in f["measurements"][:]}
        equal(measured["n"], 2)
        equal(f["actions"].asstr()[:].tolist(), ["next: refer"])


def test_stage_of_slide(folder):
    """boxes on a slide are outlined in their own crops, read at the level that is fine enough"""
    detector(os.path.join(folder, "net.onnx"))
    write(os.path.join(folder, "net.card"), CARD.format(more="mpp=0.5"))
    conv_network(os.path.join(folder, "seg.onnx"), 2, 3, 0)
    write(os.path.join(folder, "seg.card"), STAGE_CARD.format(name="seg", size="32x32", channels="rgb", label="cell"))
    recipe = write(os.path.join(folder, "r.ini"), RECIPE.split("[measure]")[0] + "[stage.2]\ntask=segment\nmodel=seg.onnx\n")
    synthetic(folder, "--count", 1, "--size", 512)
    slide = [n for n in os.listdir(folder) if n.endswith(".tif")][0]
    answer = microtome("run", "-r", recipe, "-o", folder + "/out", os.path.join(folder, slide))
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    with h5py.File(os.path.join(folder, "out", "cases", slide[:-4] + ".h5")) as f:
        assert "map" not in f
        assert (f["objects/voxels"][:] > 0).sum() > 0


def explicit_network(path, dims, channels, count, dynamic):
    """Boxes of the brightest voxels: `count` of them by TopK, 3 wide on each side; dynamic: those whose score is above 0.5, by NonMaxSuppression or
    NonZero, as many as there are.  Outputs boxes (N, 2 dims) as x y (z) x y (z), scores (N), labels (N)."""
    edge = {2: [32, 32], 3: [12, 16, 16]}[dims]
    init = [helper.make_tensor("all", TensorProto.INT64, [1], [-1]), helper.make_tensor("k", TensorProto.INT64, [1], [count]),
            helper.make_tensor("three", TensorProto.FLOAT, [], [3.0]), helper.make_tensor("four", TensorProto.FLOAT, [], [4.0]),
            helper.make_tensor("scale", TensorProto.FLOAT, [], [1 / 200.0]), helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
            helper.make_tensor("chan", TensorProto.INT64, [1], [0]),
            helper.make_tensor("zero", TensorProto.INT64, [], [0])]
    nodes = [helper.make_node("Gather", ["x", "chan"], ["g"], axis=1), helper.make_node("Reshape", ["g", "all"], ["f0"]),
             helper.make_node("Mul", ["f0", "scale"], ["f"])]
    if dynamic:
        nodes += [helper.make_node("Greater", ["f", "half"], ["m"]), helper.make_node("NonZero", ["m"], ["nz"]),
                  helper.make_node("Reshape", ["nz", "all"], ["index"]), helper.make_node("Gather", ["f", "index"], ["scores"], axis=0)]
    else:
        nodes += [helper.make_node("TopK", ["f", "k"], ["scores", "index"], axis=0)]
    strides = np.cumprod([1] + edge[::-1])[:-1]  # x, y, z
    names = []
    for d, (stride, n) in enumerate(zip(strides.tolist(), edge[::-1])):
        init += [helper.make_tensor(f"s{d}", TensorProto.INT64, [], [stride]), helper.make_tensor(f"n{d}", TensorProto.INT64, [], [n])]
        nodes += [helper.make_node("Div", ["index", f"s{d}"], [f"q{d}"]), helper.make_node("Mod", [f"q{d}", f"n{d}"], [f"i{d}"]),
                  helper.make_node("Cast", [f"i{d}"], [f"c{d}"], to=TensorProto.FLOAT),
                  helper.make_node("Sub", [f"c{d}", "three"], [f"lo{d}"]), helper.make_node("Add", [f"c{d}", "four"], [f"hi{d}"])]
        names.append(d)
    init.append(helper.make_tensor("column", TensorProto.INT64, [1], [1]))
    columns = [f"lo{d}" for d in names] + [f"hi{d}" for d in names]
    for c in columns:
        nodes.append(helper.make_node("Unsqueeze", [c, "column"], [c + "u"]))
    nodes += [helper.make_node("Concat", [c + "u" for c in columns], ["boxes"], axis=1), helper.make_node("Mul", ["index", "zero"], ["labels"])]
    axes = edge
    n = "n" if dynamic else count
    graph = helper.make_graph(nodes, "boxes", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels] + axes)],
                              [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [n, 2 * dims]),
                               helper.make_tensor_value_info("scores", TensorProto.FLOAT, [n]),
                               helper.make_tensor_value_info("labels", TensorProto.INT64, [n])], init)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


EXPLICIT = """[encoder]
name=explicit
size_px={size}
channels={channels}
value=none
mean=0
std=1
orientation={orientation}
step=0.5
{more}[detect]
format=explicit
labels=nodule
boxes=boxes
scores=scores
classes=labels
min_score=0.5
iou=0.1
"""


def test_explicit_volume(folder):
    """boxes of a 3-D network, window by window: each thing once, at its place in a flipped volume, whatever the number of boxes"""
    spots = [(5, 6, 4), (20, 25, 9), (30, 8, 15)]
    for dynamic in False, True:
        name = "dynamic" if dynamic else "fixed"
        explicit_network(folder + f"/{name}.onnx", 3, 1, 3, dynamic)
        write(folder + f"/{name}.card", EXPLICIT.format(size="16x16x12", channels="ct", orientation="stored", more=""))
        values = np.zeros((36, 32, 20), np.int16)
        for k, (x, y, z) in enumerate(spots):
            values[x, y, z] = 200 - 10 * k
        affine = np.diag([-0.5, 0.5, 2.0, 1.0])
        volume = nibabel.Nifti1Image(values, affine)
        volume.header.set_xyzt_units("mm")
        nibabel.save(volume, folder + "/v.nii")
        recipe = write(folder + f"/{name}.ini", f"[input]\nmodality=CT\n[encoder]\nmodel={name}.onnx\n[head]\ntask=detect\n[thresholds]\nnodule=0.5\n[labels]\npositive=nodule\n"
                       "[measure]\nn=count(nodule)\n")
        answer = microtome("run", "-r", recipe, "-o", folder + "/" + name, folder + "/v.nii")
        equal((answer.code, answer.err if answer.code else ""), (0, ""))
        with h5py.File(folder + f"/{name}/cases/v.h5") as f:
            equal({r["name"].decode(): float(r["value"]) for r in f["measurements"][:]}["n"], 3)
            np.testing.assert_allclose(np.sort(f["objects/score"][:]), np.sort([1, 0.95, 0.9]), rtol=1e-6)
            centres = sorted(np.round(f["objects/centre_mm"][:], 4).tolist())
            # cut at the volume's rim: the third lies 3 voxels from the end in z
            wanted = sorted((affine @ [x, y, z, 1])[:3].tolist() for x, y, z in spots)
            np.testing.assert_allclose(centres, wanted, atol=1e-3)
            equal(sorted((np.array(b[3:]) - b[:3]).tolist() for b in f["objects/box"][:]), [[7, 7, 7]] * 3)


def test_explicit_picture(folder):
    """boxes of a picture of another size than the network's, stretched to it"""
    explicit_network(folder + "/net.onnx", 2, 3, 2, False)
    write(folder + "/net.card", EXPLICIT.format(size="32x32", channels="rgb", orientation="stored", more="fit=stretch\n"))
    picture = np.zeros((96, 64, 3), np.uint8)
    picture[30:33, 20:22] = 200  # one px of 32 x 32: (10, 10)
    Image.fromarray(picture).save(folder + "/p.png")
    recipe = write(folder + "/r.ini", "[encoder]\nmodel=net.onnx\n[head]\ntask=detect\n[thresholds]\nnodule=0.5\n[labels]\npositive=nodule\n")
    answer = microtome("run", "-r", recipe, "-o", folder + "/out", folder + "/p.png")
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    with h5py.File(folder + "/out/cases/p.h5") as f:
        equal(f["objects/box"][:].tolist(), [[14, 21, 0, 28, 42, 1]])
    for change, message in (("boxes=boxes", "boxes=corners"), "the graph has no output 'corners'"), (("channels=rgb", "channels=gray"), "wants 1 channel"):
        bad = read(folder + "/net.card").replace(*change)
        write(folder + "/net.card", bad)
        answer = microtome("run", "-r", recipe, "-o", folder + "/bad", folder + "/p.png")
        assert answer.code in (65, 78), answer
        contains(answer.err, message)
        write(folder + "/net.card", bad.replace(*change[::-1]))


main([test_explicit_volume, test_explicit_picture, test_stages, test_stage_of_slide, test_stretched_picture, test_tiles, test_refusals])
