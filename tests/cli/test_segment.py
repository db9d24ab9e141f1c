"""task=segment: volumes and pictures of known truth through a network that is a threshold.

usage: test_segment.py MICROTOME SYNTHETIC SOURCE
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import contains, data, equal, main, microtome, read, synthetic  # noqa: E402

try:
    import h5py
    import nibabel
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from PIL import Image
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

RADIUS_MM = 9.0


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def threshold_network(path, dims, limit):
    """Logits 0 and (x - limit) / 10 of the first channel: above the limit it is label 1."""
    axes = ["d", "h", "w"][3 - dims:]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 1] + [1] * dims, [0.0, 0.1])
    bias = helper.make_tensor("b", TensorProto.FLOAT, [2], [0.0, -limit / 10])
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "threshold",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1] + axes)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2] + axes)], [weight, bias])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def oblique_affine():
    """Anisotropic, turned about two axes, first axis to the left, third downwards."""
    a, b = 0.3, -0.2
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.8, 0.9, -2.0])
    affine[:3, 2] += 0.3 * affine[:3, 1]  # a tilted gantry: sheared
    affine[:3, 3] = [30, -40, 55]
    return affine


def sphere(shape, affine, centre, radius):
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    mm = ijk @ affine[:3, :3].T + affine[:3, 3]
    return np.linalg.norm(mm - centre, axis=-1) <= radius


CARD = """[encoder]
name=threshold
size_px={size}
channels=ct
value=none
mean=0
std=1
activation=softmax
labels=background;nodule
{more}"""

RECIPE = """[encoder]
model=net.onnx
[head]
task=segment
[labels]
positive=nodule
[thresholds]
nodule=0.5
[measure]
size=longest(nodule)
volume=volume(nodule)
n=count(nodule)
[action]
next=size >= 30: operate|수술; size >= 8: refer|의뢰; else: nothing
"""


def save_nifti(path, values, affine, unit="mm"):
    image = nibabel.Nifti1Image(values.astype(np.int16), affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)


def volume_case(folder, name, more="", shape=(70, 64, 30)):
    affine = oblique_affine()
    centre = (affine @ [40, 28, 13, 1])[:3]
    truth = sphere(shape, affine, centre, RADIUS_MM)
    save_nifti(os.path.join(folder, name + ".nii.gz"), np.where(truth, 200, 3), affine)
    threshold_network(os.path.join(folder, "net.onnx"), 3, 100)
    write(os.path.join(folder, "net.card"), CARD.format(size="32x32x16", more=more))
    recipe = write(os.path.join(folder, "r.ini"), RECIPE)
    return recipe, os.path.join(folder, name + ".nii.gz"), truth, affine, centre


def to_truth_grid(result, truth, affine):
    """The stored map at the voxels of the truth, through both affines."""
    stored = result["map/segmentation"][:].transpose(2, 1, 0)
    ours = result["geometry/affine"][:]
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in truth.shape], indexing="ij"), -1)
    there = (ijk @ affine[:3, :3].T + affine[:3, 3] - ours[:3, 3]) @ np.linalg.inv(ours[:3, :3]).T
    index = np.rint(there).astype(int)
    # the header stores the affine in float32
    assert np.abs(there - index).max() < 1e-3, np.abs(there - index).max()
    return stored[index[..., 0], index[..., 1], index[..., 2]]


def test_volume(folder):
    """an oblique, flipped, anisotropic volume: the mask lies on the truth's voxels; volume, diameter, place and action are the sphere's"""
    recipe, path, truth, affine, centre = volume_case(folder, "v")
    out = os.path.join(folder, "out")
    answer = microtome("run", "-r", recipe, "-o", out, path)
    equal((answer.code, answer.err.count("failed")), (0, 1))
    with h5py.File(os.path.join(out, "cases", "v.h5")) as f:
        assert (to_truth_grid(f, truth, affine) == truth).all()
        equal(list(f["map/segmentation"].attrs["labels"]), ["1=nodule"])
        objects = f["objects"]
        equal((objects["class"].asstr()[:].tolist(), objects["kind"].asstr()[:].tolist()), (["nodule"], ["mask"]))
        np.testing.assert_allclose(objects["volume_mm3"][0], truth.sum() * abs(np.linalg.det(affine[:3, :3])), rtol=1e-5)
        assert abs(objects["longest_mm"][0] - 2 * RADIUS_MM) <= 0.9, objects["longest_mm"][0]
        assert abs(objects["perpendicular_mm"][0] - 2 * RADIUS_MM) <= 0.9, objects["perpendicular_mm"][0]
        assert np.linalg.norm(objects["centre_mm"][0] - centre) < 0.6, (objects["centre_mm"][0], centre)
        rows = {r["name"].decode(): r for r in f["measurements"][:]}
        equal(rows["n"]["value"], 1)
        equal(rows["volume"]["rule"].decode(), "volume(nodule)")
        np.testing.assert_allclose(rows["volume"]["value"], objects["volume_mm3"][0])
        assert rows["volume"]["low"] <= rows["volume"]["value"] <= rows["volume"]["high"]
        equal(f["actions"].asstr()[:].tolist(), ["next: refer"])
        assert f["prediction/scores"][0] > 0.99
        key = f["map/probability"][:].mean((1, 2)).argmax()  # what a heatmap draws is what the small picture shows
        equal(f["thumbnail"].attrs["plane"], key)
        np.testing.assert_array_equal(f["thumbnail"][..., 0] > 128, f["map/segmentation"][key] == 1)
    masks = os.path.join(folder, "masks")
    os.mkdir(masks)
    wrong = truth.copy()
    wrong[40, 28, :] = True
    save_nifti(os.path.join(masks, "v.nii.gz"), wrong, affine)
    told = json.loads(microtome("evaluate", out, "--masks", masks, "--json").out)
    dice = told["metrics"]["dice"]["value"]
    np.testing.assert_allclose(dice, 2 * truth.sum() / (truth.sum() + wrong.sum()), rtol=1e-9)


def test_spacing(folder):
    """resampled to the network's spacing and back: nearly the same mask, on the same grid; the same bytes for any number of threads"""
    recipe, path, truth, affine, _ = volume_case(folder, "v", "spacing_mm=1.2;1.2;1.2\n")
    for threads in (1, 2):
        equal(microtome("run", "-r", recipe, "-o", os.path.join(folder, f"out{threads}"), "--threads", threads, path).code, 0)
    with h5py.File(os.path.join(folder, "out1", "cases", "v.h5")) as one, h5py.File(os.path.join(folder, "out2", "cases", "v.h5")) as two:
        found = to_truth_grid(one, truth, affine)
        dice = 2 * (found.astype(bool) & truth).sum() / (found.astype(bool).sum() + truth.sum())
        assert dice > 0.95, dice
        np.testing.assert_array_equal(one["map/probability"][:], two["map/probability"][:])


def test_unit(folder):
    """a NIfTI that names no unit is refused where mm are wanted, unless the recipe states the unit"""
    recipe, path, truth, affine, _ = volume_case(folder, "v", "spacing_mm=1.2;1.2;1.2\n")
    save_nifti(path, np.where(truth, 200, 3), affine, "unknown")
    answer = microtome("run", "-r", recipe, "-o", os.path.join(folder, "refused"), path)
    equal(answer.code, 65)
    contains(answer.err, "(its spacing: the NIfTI header names no unit of length; ")
    write(recipe, "[input]\nunit=mm\n" + RECIPE)
    out = os.path.join(folder, "out")
    equal(microtome("run", "-r", recipe, "-o", out, path).code, 0)
    with h5py.File(os.path.join(out, "cases", "v.h5")) as f:
        assert abs(f["objects/longest_mm"][0] - 2 * RADIUS_MM) <= 1, f["objects/longest_mm"][0]
    contains(open(os.path.join(out, "summary.csv"), encoding="utf-8").read(), ',"header, in mm as stated",')


def test_small(folder):
    """specks below min_mm are no objects"""
    recipe, path, truth, affine, _ = volume_case(folder, "v")
    values = np.where(truth, 200, 3)
    values[2:5, 2:5, 2:4] = 200
    save_nifti(path, values, affine)
    for text, n in ((RECIPE, 2), (RECIPE.replace("task=segment", "task=segment\nmin_mm=4"), 1)):
        out = os.path.join(folder, f"out{n}")
        equal(microtome("run", "-r", write(recipe, text), "-o", out, path).code, 0)
        with h5py.File(os.path.join(out, "cases", "v.h5")) as f:
            equal(len(f["objects/score"]), n)


def test_nothing_found(folder):
    """a volume without the thing: no object, score 0, clear, measures 0, the action of else"""
    recipe, path, truth, affine, _ = volume_case(folder, "v")
    save_nifti(path, np.full(truth.shape, 3), affine)
    out = os.path.join(folder, "out")
    answer = microtome("run", "-r", recipe, "-o", out, path)
    equal(answer.code, 0)
    with h5py.File(os.path.join(out, "cases", "v.h5")) as f:
        equal((f["objects/score"].shape, f["prediction/scores"][0], f["actions"].asstr()[:].tolist()), ((0,), 0, ["next: nothing"]))
        equal([float(r["value"]) for r in f["measurements"][:]], [0, 0, 0])


def test_picture(folder):
    """a picture stretched to the network: the mask on the picture's own grid; lengths unknown without µm/px, in mm with it"""
    picture = np.full((300, 400), 20, np.uint8)
    picture[60:120, 100:200] = 220
    Image.fromarray(picture).save(os.path.join(folder, "p.png"))
    threshold_network(os.path.join(folder, "net.onnx"), 2, 100)
    write(os.path.join(folder, "net.card"), CARD.format(size="200x150", more="fit=stretch\n"))
    recipe = write(os.path.join(folder, "r.ini"), RECIPE.replace("volume=volume", "volume=area"))
    for name, more in (("px", ()), ("mm", ("--slide-mpp", "500"))):
        equal(microtome("run", "-r", recipe, "-o", os.path.join(folder, name), *more, os.path.join(folder, "p.png")).code, 0)
    with h5py.File(os.path.join(folder, "px", "cases", "p.h5")) as f:
        found = f["map/segmentation"][0]
        assert np.mean(found.astype(bool) != (picture > 100)) < 0.005
        assert np.isnan(f["objects/area_mm2"][0]) and np.isnan(f["measurements"][0]["value"])
        equal("actions" in f, False)  # what cannot be measured is not acted upon
    with h5py.File(os.path.join(folder, "mm", "cases", "p.h5")) as f:
        assert abs(f["objects/area_mm2"][0] - 60 * 100 * 0.25) < 40, f["objects/area_mm2"][0]
        assert abs(f["objects/longest_mm"][0] - 0.5 * np.hypot(60, 100)) < 1, f["objects/longest_mm"][0]


def test_refusals(folder):
    """recipes and cases that do not fit are refused by name"""
    recipe, path, _, _, _ = volume_case(folder, "v", "spacing_mm=1;1;1\n")
    out = os.path.join(folder, "out")
    for text, message in (
        (RECIPE.replace("longest(nodule)", "longest(cyst)"), "[measure] size=longest(cyst): 'cyst' is none of the classes (nodule)"),
        (RECIPE.replace("longest(nodule)", "girth(nodule)"), "[measure] size=girth(nodule): there is no rule 'girth'; there are area(CLASS), "),
        (RECIPE.replace("size >= 8", "girth >= 8"), "[action] next: 'girth >= 8: refer|의뢰': MEASURE >= VALUE: text, with a measure of [measure], "
                                                    "or else: text, is wanted"),
        (RECIPE.replace("positive=nodule", "positive=cyst").replace("nodule=0.5", "cyst=0.5"), "positive=cyst is none of its labels"),
    ):
        answer = microtome("run", "-r", write(recipe, text), "-o", out, path)
        equal(answer.code, 78)
        contains(answer.err, message)
    write(recipe, RECIPE)
    Image.fromarray(np.zeros((50, 60, 3), np.uint8)).save(os.path.join(folder, "c.png"))
    answer = microtome("run", "-r", recipe, "-o", out, os.path.join(folder, "c.png"))
    equal(answer.code, 65)
    contains(answer.err, "network 'threshold' wants 1 channel (ct), the case has 3")
    Image.fromarray(np.zeros((50, 60), np.uint8)).save(os.path.join(folder, "g.png"))
    answer = microtome("run", "-r", recipe, "-o", out, os.path.join(folder, "g.png"))
    equal(answer.code, 65)
    contains(answer.err, "--slide-mpp or a manifest column mpp gives one): bring the case to 1 x 1 x 1 mm: ")


def clipping_network(path):
    """Draws again what lies between 0 and 100, nothing brighter."""
    graph = helper.make_graph([helper.make_node("Clip", ["x", "low", "high"], ["y"])], "clip",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1, "h", "w"])],
                              [helper.make_tensor("low", TensorProto.FLOAT, [], [0.0]), helper.make_tensor("high", TensorProto.FLOAT, [], [100.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def test_reconstruct(folder):
    """what the network cannot draw again, pixel by pixel; the score is the share of normal cases that it draws better"""
    clipping_network(os.path.join(folder, "net.onnx"))
    write(os.path.join(folder, "net.card"), CARD.format(size="32x32", more="").replace("softmax", "none").replace("background;nodule", "ct"))
    recipe = write(os.path.join(folder, "r.ini"), "[encoder]\nmodel=net.onnx\n[head]\ntask=reconstruct\n")
    pictures = {}
    for name, bright in (("n1", 0), ("n2", 100), ("n3", 200), ("case", 150)):
        pictures[name] = np.full((40, 50), 50, np.uint8)
        pictures[name].flat[:bright] = 180
        Image.fromarray(pictures[name]).save(os.path.join(folder, name + ".png"))
    normal, out = os.path.join(folder, "normal"), os.path.join(folder, "out")
    equal(microtome("run", "-r", recipe, "-o", normal, *(os.path.join(folder, f"n{i}.png") for i in (1, 2, 3))).code, 0)
    with h5py.File(os.path.join(normal, "cases", "n2.h5")) as f:
        np.testing.assert_allclose(f["map/error"][0], np.maximum(pictures["n2"].astype(np.float32) - 100, 0), atol=1e-4)
        np.testing.assert_allclose(f["map/error"].attrs["mean"], 100 * 80 / 2000, rtol=1e-5)
        equal("prediction" in f, False)
    write(recipe, "[encoder]\nmodel=net.onnx\n[head]\ntask=reconstruct\nreference=normal\n[thresholds]\nlow=0.5\n")
    equal(microtome("run", "-r", recipe, "-o", out, os.path.join(folder, "case.png")).code, 0)
    with h5py.File(os.path.join(out, "cases", "case.h5")) as f:
        np.testing.assert_allclose(f["prediction/scores"][:], [2 / 3], rtol=1e-6)
        equal(f["prediction/scores"].attrs["labels"].tolist(), ["anomaly"])
    write(recipe, "[encoder]\nmodel=net.onnx\n[head]\ntask=reconstruct\nreference=none_there\n")
    answer = microtome("run", "-r", recipe, "-o", os.path.join(folder, "other"), os.path.join(folder, "case.png"))
    contains(answer.err, "read normal cases: no result in ")


def test_sequences(folder):
    """several files of one exam as channels: found by name, refused where one is missing, twice there, or on another grid"""
    affine, shape = oblique_affine(), (24, 20, 12)
    exam = os.path.join(folder, "exam")
    os.mkdir(exam)
    values = {"t1": np.zeros(shape), "flair": np.zeros(shape)}
    values["flair"][5:9, 6:12, 3:6] = 200
    for name, v in values.items():
        save_nifti(os.path.join(exam, f"exam_{name.upper()}.nii.gz"), v, affine)
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 2, 1, 1, 1], [0.0, 0.0, 0.0, 0.1])
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "second",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, "d", "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "d", "h", "w"])],
                              [weight, helper.make_tensor("b", TensorProto.FLOAT, [2], [0.0, -10.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, os.path.join(folder, "net.onnx"))
    write(os.path.join(folder, "net.card"), CARD.format(size="16x16x8", more="").replace("channels=ct", "channels=t1;flair"))
    recipe = write(os.path.join(folder, "r.ini"), "[input]\nsequences=t1;flair\n" + RECIPE)
    manifest, out = write(os.path.join(folder, "m.csv"), "path,id\nexam,exam\n"), os.path.join(folder, "out")
    equal(microtome("run", "-r", recipe, "-o", out, manifest).code, 0)
    with h5py.File(os.path.join(out, "cases", "exam.h5")) as f:
        np.testing.assert_array_equal(to_truth_grid(f, values["flair"], affine), values["flair"] > 100)
    before = microtome("run", "-r", recipe, "-o", out, manifest)
    contains(before.err, "1 skipped")
    card = os.path.join(folder, "net.card")
    text = read(card)
    write(card, text.replace("value=none", "value=range:0,1"))
    equal(microtome("run", "-r", recipe, "-o", out, manifest).code, 64)  # another contract of the same network
    write(card, text)

    def reason(name):
        answer = microtome("run", "-r", recipe, "-o", os.path.join(folder, name), manifest)
        equal(answer.code, 65)
        return answer.err

    other = affine.copy()
    other[0, 3] += 3
    save_nifti(os.path.join(exam, "exam_FLAIR.nii.gz"), values["flair"], other)
    contains(reason("shifted"), " mm")
    save_nifti(os.path.join(exam, "flair.nii"), values["flair"], affine)
    contains(reason("twice"), f"read the sequences of {exam}: both exam_FLAIR.nii.gz and flair.nii may be 'flair': leave one in the folder")
    os.remove(os.path.join(exam, "exam_FLAIR.nii.gz"))
    os.remove(os.path.join(exam, "flair.nii"))
    contains(reason("missing"), f"read the sequences of {exam}: none is called 'flair', as ID_flair.nii.gz would be")


def brightness_network(path):
    """One logit: (mean of the box - 150) / 10."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3, 4], keepdims=0), helper.make_node("Sub", ["m", "a"], ["d"]),
             helper.make_node("Div", ["d", "b"], ["y"])]
    graph = helper.make_graph(nodes, "brightness", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 4, 8, 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
                              [helper.make_tensor("a", TensorProto.FLOAT, [], [150.0]), helper.make_tensor("b", TensorProto.FLOAT, [], [10.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def test_stages(folder):
    """what stage 1 finds is cropped, at its place in an oblique, flipped volume, and named by a second network"""
    recipe, path, truth, affine, _ = volume_case(folder, "v")
    values = np.where(truth, 140, 3)
    values[5:17, 5:17, 3:9] = 180  # a second, brighter thing
    save_nifti(path, values, affine)
    brightness_network(os.path.join(folder, "what.onnx"))
    write(os.path.join(folder, "what.card"), CARD.format(size="8x8x4", more="").replace("softmax", "sigmoid").replace("background;nodule", "bright"))
    text = RECIPE.replace("[action]", "worst=finding(nodule)\n[action]") + "[stage.2]\nmodel=what.onnx\nobjects=nodule\ncrop_mm=4\n"
    write(recipe, text)
    out = os.path.join(folder, "out")
    equal(microtome("run", "-r", recipe, "-o", out, path).code, 0)
    with h5py.File(os.path.join(out, "cases", "v.h5")) as f:
        found = sorted(zip(f["objects/voxels"][:].tolist(), f["objects/finding"].asstr()[:].tolist(), f["objects/finding_score"][:].tolist()))
        equal([(n, name) for n, name, _ in found], sorted([(864, "bright"), (int(truth.sum()), "bright")]))
        scores = {n: score for n, _, score in found}
        np.testing.assert_allclose([scores[864], scores[int(truth.sum())]], [1 / (1 + np.exp(-3)), 1 / (1 + np.exp(1))], rtol=1e-5)
        worst = {r["name"].decode(): float(r["value"]) for r in f["measurements"][:]}["worst"]
        np.testing.assert_allclose(worst, scores[864], rtol=1e-6)
        equal(f["objects/stage"][:].tolist(), [2, 2])
    for change, message in (("objects=nodule", "objects=cyst"), "[stage.2] objects=cyst is none of the classes"), (("model=what.onnx", "model=net.onnx"), ""):
        answer = microtome("run", "-r", write(recipe, text.replace(*change)), "-o", os.path.join(folder, "other"), path)
        equal(answer.code, 78)
        contains(answer.err, message)


def test_trained(folder):
    """a trained network on a part of a real T1: the stored labels and probabilities, whichever way the file's axes run"""
    stored = data("models", "mri_meshnet5_gw", "test_data_set_0")
    with open(data("models", "mri_meshnet5_gw", "model.onnx"), "rb") as f, open(folder + "/net.onnx", "wb") as g:
        g.write(f.read())
    arrays = []
    for name in "input_0.pb", "output_0.pb", "output_1.pb":
        with open(os.path.join(stored, name), "rb") as f:
            arrays.append(numpy_helper.to_array(TensorProto.FromString(f.read())))
    image, logits, labels = arrays[0][0, 0], arrays[1][0], arrays[2][0]
    wanted = np.exp(logits[1].astype(float)) / np.exp(logits.astype(float)).sum(0)
    size = "x".join(str(n) for n in image.shape[::-1])
    write(folder + "/net.card", f"[encoder]\nsize_px={size}\noutput=logits\nchannels=t1\nvalue=none\nmean=0\nstd=1\norientation=ras\n"
          "activation=softmax\nlabels=background;grey;white\nspacing_mm=1;1;1\n")
    recipe = write(folder + "/r.ini", "[encoder]\nmodel=net.onnx\n[head]\ntask=segment\n[labels]\npositive=grey\n[thresholds]\ngrey=0.5\n"
                   "[measure]\ngrey=volume(grey)\n")
    for name, flip in ("ras", 1), ("lps", -1):
        turned = image.transpose(2, 1, 0)[::flip, ::flip]
        volume = nibabel.Nifti1Image(np.ascontiguousarray(turned), np.diag([flip, flip, 1, 1]))
        volume.header.set_xyzt_units("mm")
        nibabel.save(volume, f"{folder}/{name}.nii")
    answer = microtome("run", "-r", recipe, "-o", folder + "/out", folder + "/ras.nii", folder + "/lps.nii")
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    for name in "ras", "lps":
        with h5py.File(f"{folder}/out/cases/{name}.h5") as f:
            found, map_ = f["/map/segmentation"][:], f["/map/probability"]
            equal(found.shape, labels.shape)
            assert np.array_equal(found, labels), (found != labels).sum()
            p = map_[:].astype(float)
            p = p / 255 if map_.dtype == np.uint8 else p
            assert np.abs(p - wanted).max() < 0.003, np.abs(p - wanted).max()


def mean_network(path):
    """Classifier of a 32 px picture: logits 0 and the mean of the samples less 60."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2, 3], keepdims=0), helper.make_node("Sub", ["m", "least"], ["d"]),
             helper.make_node("Reshape", ["d", "shape"], ["r"]), helper.make_node("Mul", ["r", "pair"], ["y"])]
    graph = helper.make_graph(nodes, "mean", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
                              [helper.make_tensor("least", TensorProto.FLOAT, [], [60.0]), helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 1]),
                               helper.make_tensor("pair", TensorProto.FLOAT, [1, 2], [0.0, 1.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def test_behind_classifier(folder):
    """classify, then segment, then measure: the second network sees a case where the first finds something, and not elsewhere"""
    mean_network(folder + "/what.onnx")
    write(folder + "/what.card", "[encoder]\nname=what\nsize_px=32\nfit=stretch\nvalue=rgb8\nmean=0\nstd=0.00392156862745098\n"
          "[head]\nlabels=normal;pneumonia\nactivation=softmax\npositive=pneumonia\n")
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 3, 1, 1], [0, 0, 0, 0.1, 0, 0])
    bias = helper.make_tensor("b", TensorProto.FLOAT, [2], [0.0, -15.0])
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "threshold",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "h", "w"])], [weight, bias])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, folder + "/where.onnx")
    write(folder + "/where.card", CARD.format(size="16x16", more="").replace("channels=ct", "channels=rgb").replace("background;nodule", "background;opacity"))
    recipe = write(folder + "/r.ini", "[encoder]\nmodel=what.onnx\n[head]\ntask=classify\n[labels]\npositive=pneumonia\n[thresholds]\npneumonia=0.5\n"
                   "[stage.2]\ntask=segment\nmodel=where.onnx\n[measure]\nn=count(opacity)\npixels=area(opacity)\n")
    sick, well = np.full((48, 64, 3), 50, np.uint8), np.full((48, 64, 3), 40, np.uint8)
    sick[10:30, 20:50] = 200
    well[5:8, 5:8] = 200
    Image.fromarray(sick).save(folder + "/sick.png")
    Image.fromarray(well).save(folder + "/well.png")
    answer = microtome("run", "-r", recipe, "-o", folder + "/out", folder + "/sick.png", folder + "/well.png")
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    with h5py.File(folder + "/out/cases/sick.h5") as f:
        equal(f["stages/2"].asstr()[()], "run")
        assert np.array_equal(f["map/segmentation"][0], (sick[..., 0] > 150).astype(np.uint8))
        equal(f["objects/voxels"][:].tolist(), [600])
        equal({r["name"].decode(): float(r["value"]) for r in f["measurements"][:]}["n"], 1)
        assert f["prediction/scores"][1] > 0.99
    with h5py.File(folder + "/out/cases/well.h5") as f:
        contains(f["stages/2"].asstr()[()], "not run: pneumonia ")
        equal(("map" in f, "objects" in f, "measurements" in f), (False, False, False))
        assert f["prediction/scores"][1] < 0.5
    text = read(folder + "/out/recipe.ini")
    contains(text, "[stage.2]\ntask=segment\nmodel=where.onnx\n")
    contains(text, "stage_2_card_sha256=")
    answer = microtome("run", "-r", write(folder + "/bad.ini", read(recipe).replace("task=segment", "task=classify")), "-o", folder + "/bad", folder + "/sick.png")
    equal(answer.code, 64)
    contains(answer.err, "behind a classifier [stage.2] task=segment takes the case")


def test_location(folder):
    """lobes of the same map say where a nodule lies, also where the nodule took their voxels; without them side and third"""
    # logits -|x - v| for v = 0, 50, 100, 200: the nearest value is the label
    values = [0.0, 50.0, 100.0, 200.0]
    nodes, names = [], []
    for k, v in enumerate(values):
        nodes += [helper.make_node("Sub", ["x", f"v{k}"], [f"d{k}"]), helper.make_node("Abs", [f"d{k}"], [f"a{k}"]), helper.make_node("Neg", [f"a{k}"], [f"n{k}"])]
        names.append(f"n{k}")
    nodes.append(helper.make_node("Concat", names, ["y"], axis=1))
    graph = helper.make_graph(nodes, "nearest", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "d", "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, "d", "h", "w"])],
                              [helper.make_tensor(f"v{k}", TensorProto.FLOAT, [], [v]) for k, v in enumerate(values)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, folder + "/net.onnx")
    write(folder + "/net.card", CARD.format(size="16x16x16", more="").replace("background;nodule", "background;left_lower_lobe;right_lower_lobe;nodule"))
    volume = np.zeros((40, 30, 20), np.int16)
    volume[4:18, 5:25, 2:18], volume[22:36, 5:25, 2:18] = 50, 100
    volume[9:12, 14:17, 9:12] = 200  # within the left one
    volume[36:38, 14:17, 9:12] = 200  # at the rim of the right one
    nii = nibabel.Nifti1Image(volume, np.eye(4))
    nii.header.set_xyzt_units("mm")
    nibabel.save(nii, folder + "/v.nii")
    text = "[input]\nmodality=CT\n[encoder]\nmodel=net.onnx\n[head]\ntask=segment\nlocation=left_lower_lobe;right_lower_lobe\n[labels]\npositive=nodule\n[thresholds]\nnodule=0.5\n"
    answer = microtome("run", "-r", write(folder + "/r.ini", text), "-o", folder + "/out", folder + "/v.nii")
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    with h5py.File(folder + "/out/cases/v.h5") as f:
        of = dict(zip(f["objects/voxels"][:].tolist(), zip(f["objects/class"].asstr()[:], f["objects/location"].asstr()[:])))
    equal((of[27], of[18]), (("nodule", "left lower lobe"), ("nodule", "right lower lobe")))
    contains(of[14 * 20 * 16][1], "third")
    contains(read(folder + "/out/recipe.ini"), "location=left_lower_lobe;right_lower_lobe\n")
    answer = microtome("run", "-r", write(folder + "/bad.ini", text.replace("location=left", "location=upper")), "-o", folder + "/bad", folder + "/v.nii")
    equal(answer.code, 78)
    contains(answer.err, "[head] location=upper_lower_lobe is none of the network's classes")


def test_requires(folder):
    """what the card requires to have been done has to be said, by recipe or manifest; a case that nobody vouches for is refused"""
    recipe, path, *_ = volume_case(folder, "v", "requires=skull_stripped;bias_corrected\n")
    out = os.path.join(folder, "out")
    answer = microtome("run", "-r", recipe, "-o", out, path)
    equal(answer.code, 65)
    contains(answer.err, "the model requires skull_stripped;bias_corrected, and nothing says that it was done to this case")
    manifest = write(folder + "/cases.csv", f"path,id,preparation\n{path},a,skull_stripped;bias_corrected\n{path},b,bias_corrected\n")
    answer = microtome("run", "-r", recipe, "-o", out, "--force", manifest)
    equal(answer.code, 65)
    equal(sorted(os.listdir(out + "/cases")), ["a.h5"])
    said = write(folder + "/said.ini", read(recipe).replace("[head]", "[input]\npreparation=skull_stripped;bias_corrected\n[head]", 1)
                 if "[input]" not in read(recipe) else read(recipe).replace("[input]", "[input]\npreparation=skull_stripped;bias_corrected", 1))
    answer = microtome("run", "-r", said, "-o", folder + "/said", path)
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    contains(read(folder + "/said/recipe.ini"), "preparation=skull_stripped;bias_corrected\n")
    answer = microtome("run", "-r", write(folder + "/bad.ini", read(said).replace("bias_corrected", "washed", 1)), "-o", folder + "/bad", path)
    contains(answer.err, '"washed" is not known: skull_stripped, template, bias_corrected')


def test_register(folder):
    """a sequence on another grid is refused, and brought over through the headers where the recipe says that they may be"""
    exam = os.path.join(folder, "exam")
    os.mkdir(exam)
    fine, coarse = np.zeros((24, 20, 12)), np.zeros((12, 10, 6))
    coarse[4:8, 3:7, 2:4] = 200
    far = np.diag([2.0, 2.0, 2.0, 1.0])
    far[:3, 3] = 0.5  # voxel edges fall together
    save_nifti(os.path.join(exam, "exam_T1.nii.gz"), fine, np.eye(4))
    save_nifti(os.path.join(exam, "exam_FLAIR.nii.gz"), coarse, far)
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 2, 1, 1, 1], [0.0, 0.0, 0.0, 0.1])
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "second",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, "d", "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "d", "h", "w"])],
                              [weight, helper.make_tensor("b", TensorProto.FLOAT, [2], [0.0, -10.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, folder + "/net.onnx")
    write(folder + "/net.card", CARD.format(size="8x8x8", more="").replace("channels=ct", "channels=t1;flair"))
    text = RECIPE.split("[measure]")[0] + "[input]\nsequences=t1;flair\n"
    manifest = write(folder + "/m.csv", f"path,id\n{exam},exam\n")
    for how, code, message in ("", 65, "say register=header"), ("register=none\n", 65, "say register=header"), ("register=sure\n", 78, "none, header or stated is wanted"):
        answer = microtome("run", "-r", write(folder + "/r.ini", text + how), "-o", folder + "/out" + how.strip(), manifest)
        equal(answer.code, code)
        contains(answer.err, message)
    answer = microtome("run", "-r", write(folder + "/r.ini", text + "register=stated\n"), "-o", folder + "/there", manifest)
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    with h5py.File(folder + "/there/cases/exam.h5") as f:
        drawn = f["map/segmentation"][:].transpose(2, 1, 0)
    wanted = np.zeros(fine.shape, np.uint8)
    wanted[8:16, 6:14, 4:8] = 1
    both, either = (drawn & wanted).sum(), (drawn | wanted).sum()
    assert both / either > 0.8, both / either
    contains(read(folder + "/there/recipe.ini"), "register=stated\n")


def dark_network(path):
    """Two labels, voxel by voxel: 1 where the green sample is below 0.7."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 3, 1, 1], [0, 0, 0, 0, -20.0, 0])
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "dark",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "h", "w"])],
                              [weight, helper.make_tensor("b", TensorProto.FLOAT, [2], [0.0, 14.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def test_slide(folder):
    """a slide part by part: the map of the same pixels read as a picture; at a coarser µm/px areas stay; unread places are told"""
    slides = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 2300, "--seed", 5)
    slide = os.path.join(slides, [n for n in os.listdir(slides) if n.endswith(".tif")][0])
    dark_network(folder + "/net.onnx")
    card = CARD.replace("value=none", "value=rgb01").replace("channels=ct", "channels=rgb").replace("background;nodule", "background;tissue")
    recipe = write(folder + "/r.ini", "[encoder]\nmodel=net.onnx\n[head]\ntask=segment\n[mask]\nmethod=none\n[labels]\npositive=tissue\n[thresholds]\ntissue=0.5\n"
                   "[measure]\narea=area(tissue)\nshare=share(tissue of mask)\n")
    write(folder + "/net.card", card.format(size="64x64", more=""))
    import openslide
    pixels = np.asarray(openslide.OpenSlide(slide).read_region((0, 0), 0, openslide.OpenSlide(slide).dimensions).convert("RGB"))
    Image.fromarray(pixels).save(folder + "/p.png")
    areas = {}
    for name, path, more in ("slide", slide, ""), ("picture", folder + "/p.png", ""), ("coarse", slide, "spacing_mm=0.002;0.002\n"), ("two", slide, ""):
        write(folder + "/net.card", card.format(size="64x64", more=more))
        threads = ("--threads", "1") if name == "two" else ()
        answer = microtome("run", "-r", recipe, "-o", f"{folder}/{name}", path, *threads, *(("--slide-mpp", "0.5") if name == "picture" else ()))
        equal((answer.code, answer.err if answer.code else ""), (0, ""))
        result = f"{folder}/{name}/cases/{os.listdir(folder + '/' + name + '/cases')[0]}"
        with h5py.File(result) as f:
            areas[name] = (f["map/segmentation"][0], {r["name"].decode(): float(r["value"]) for r in f["measurements"][:]}, len(f["objects/box"]),
                           f["objects/box"][:] if len(f["objects/box"]) else None)
    equal(areas["slide"][0].shape, pixels.shape[:2])
    wanted = (pixels[..., 1] < 0.7 * 255).astype(np.uint8)
    assert np.array_equal(areas["slide"][0], wanted), (areas["slide"][0] != wanted).sum()
    assert np.array_equal(areas["slide"][0], areas["picture"][0]) and np.array_equal(areas["slide"][0], areas["two"][0])
    equal(areas["slide"][2], areas["picture"][2])
    assert areas["slide"][0].sum() > 1000
    coarse = areas["coarse"]
    mpp = float(openslide.OpenSlide(slide).properties.get("openslide.mpp-x", 0)) or None
    if mpp:
        equal(coarse[0].shape[0], int(np.ceil(pixels.shape[0] * mpp / 2 - 1e-6)))
    assert abs(coarse[1]["area"] / areas["slide"][1]["area"] - 1) < 0.1, (coarse[1], areas["slide"][1])
    assert coarse[3][:, 3].max() > coarse[0].shape[1] / 2 and coarse[3][:, 3].max() <= pixels.shape[1]  # boxes are in level-0 px


main([test_small, test_slide, test_register, test_requires, test_location, test_behind_classifier, test_trained, test_unit, test_stages, test_reconstruct, test_sequences, test_volume, test_spacing, test_nothing_found, test_picture, test_refusals])
