"""Recipes for slides: classification, tiles to slide, grades, words, segmentation, mitoses, nuclei, MSI.

usage: test_slides.py MICROTOME SYNTHETIC SOURCE PHANTOMS
"""
import os
import shutil
import sys

from recipe_runs import SOURCE, Result, contains, copied, equal, goals_of, phantoms, refused, run, table  # first: it finds the harness
from harness import Skip, data, main, microtome, read, synthetic

import numpy as np

try:
    from PIL import Image
    from scipy import ndimage  # noqa: F401 - recipe_cases draws with it
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

sys.path.insert(0, os.path.join(SOURCE, "samples"))
from recipe_cases import nuclei  # noqa: E402

SLIDES = ("--count", 12, "--size", 1536, "--seed", 77, "--prefix", "test-")
GRADES = ["benign", "ISUP1", "ISUP2", "ISUP3", "ISUP4", "ISUP5"]


def cohort(folder):
    return synthetic(folder + "/slides", *SLIDES)


def results(out, made):
    return [(Result(out, row["id"]), row) for row in table(made, "labels.csv")]


def check_tumour(folder, name, measure, words, threshold=0.5):
    """Drawn slides with and without tumour: right, with the advice that follows from the score; the goals."""
    made = cohort(folder)
    out = run(folder, name, made + "/manifest.csv")
    right = 0
    for r, row in results(out, made):
        equal(r.status, "ok")
        assert abs(r[measure] - r.score) < 1e-6 and r.unit(measure) == "", (r.measures, r.score)
        right += (r.score >= threshold) == (row["label"] == "tumour")
        equal((r.decision, r.actions), ("review" if r.score >= threshold else "clear", [words(r.score)]))
    assert right >= 11, right
    return out, made


def test_slide_classification(folder):
    """slide classification: attention, decision and worklist; goals told, one of them out of reach of 12 slides"""
    out, made = check_tumour(folder, "slide_classification", "tumour",
                             lambda s: "worklist: " + ("read first" if s >= 0.9 else "read today" if s >= 0.5 else "in turn"))
    goals = goals_of(out, "slide_classification", "--labels", made + "/labels.csv", code=None)
    equal(sorted(goals), ["AUROC", "Sensitivity", "Specificity"])
    assert goals["Sensitivity"] and not goals["AUROC"], goals  # an AUROC of 1 from 6 and 6 slides is at least 0.689


def test_camelyon(folder):
    """tiles to slide: the worst tile is the slide's score; candidates lie in the tumour; FROC and goals"""
    out, made = check_tumour(folder, "camelyon", "metastasis", lambda s: "node: " + (
        "look at the candidates, immunohistochemistry if unclear" if s >= 0.5 else "none"))
    os.makedirs(folder + "/masks")
    inside = found = 0
    for r, row in results(out, made):
        mask = np.asarray(Image.open(f"{made}/truth/{row['id']}_mask.pgm"))
        Image.fromarray(mask).save(f"{folder}/masks/{row['id']}.png")
        equal(len(r.objects.get("score", [])) > 0, r.score >= 0.5)
        for x, y in r.objects["centre"][:, :2] if r.score >= 0.5 else []:
            found, inside = found + 1, inside + bool(mask[int(y // 32), int(x // 32)])
    assert inside >= 0.7 * found > 0, (inside, found)
    equal(sorted(goals_of(out, "camelyon", "--labels", made + "/labels.csv", code=None)), ["AUROC", "Sensitivity", "Specificity"])
    met = goals_of(out, "camelyon", "--lesions", folder + "/masks", "--labels", made + "/labels.csv", "--lesion-scale", 32, "--threshold", 0.5, code=None)
    equal(met, {"Lesion sensitivity": True})


def test_gleason(folder):
    """Gleason: grade groups in order, that one or a worse decides; quadratic kappa against the goal"""
    made = cohort(folder)
    out = run(folder, "gleason", made + "/manifest.csv")
    with open(folder + "/grades.csv", "w") as f:
        f.write("id,label\n")
        for row in table(made, "labels.csv"):  # as make_recipe_models.py does: the share of tumour stands in for the grade
            share = float(row["tumour_mm2"]) / float(row["tissue_mm2"])
            f.write(f"{row['id']},{GRADES[0 if share == 0 else 1 + int(np.searchsorted((0.09, 0.14, 0.19, 0.24), share))]}\n")
    for r, _ in results(out, made):
        equal(r.labels, GRADES)
        np.testing.assert_allclose([r["cancer"], r["significant"], r["high_grade"]], [sum(r.scores[k:]) for k in (1, 2, 4)], atol=1e-5)
        words = "tumour board, staging" if r["high_grade"] >= 0.5 else "tumour board" if r["significant"] >= 0.5 else \
            "active surveillance to be discussed" if r["cancer"] >= 0.5 else "none"
        equal((r.actions, r.decision), (["tumour_board: " + words], "review" if r["significant"] >= 0.5 else "clear"))
    equal(list(goals_of(out, "gleason", "--labels", folder + "/grades.csv", "--task", "ordinal", code=None)), ["Quadratic kappa"])


def test_zero_shot(folder):
    """zero-shot: tiles against two vectors; the mean of the three highest decides"""
    out, made = check_tumour(folder, "zero_shot", "tumour", lambda s: "worklist: " + ("read today" if s >= 0.03 else "in turn"), 0.03)
    equal(list(goals_of(out, "zero_shot", "--labels", made + "/labels.csv", code=None)), ["AUROC"])


def test_tissue_segmentation(folder):
    """tissue segmentation: areas of tissue and tumour in mm2 near the drawn ones"""
    made = cohort(folder)
    out = run(folder, "tissue_segmentation", made + "/manifest.csv")
    os.makedirs(folder + "/masks")
    for r, row in results(out, made):
        whole, drawn = r["tissue_mm2"] + r["tumour_mm2"], float(row["tissue_mm2"])
        equal((r.status, r.unit("tissue_mm2"), r.unit("tumour_mm2"), r.unit("tumour_per_tissue")), ("ok", "mm2", "mm2", ""))
        assert abs(whole / drawn - 1) < 0.25, (row, r.measures)
        assert abs(r["tumour_mm2"] - float(row["tumour_mm2"])) < 0.01 + 0.4 * float(row["tumour_mm2"]), (row, r.measures)
        mm2 = r["tumour_mm2"]
        equal(r.actions, ["sampling: " + ("enough for sequencing" if mm2 >= 0.02 else "macrodissection" if mm2 > 0 else "another block")])
        masks = [np.asarray(Image.open(f"{made}/truth/{row['id']}_{kind}.pgm")).repeat(8, 0).repeat(8, 1) > 0 for kind in ("tissue", "mask")]
        Image.fromarray((masks[0].astype(np.uint8) + (masks[0] & masks[1]))[:r.map.shape[1], :r.map.shape[2]]).save(f"{folder}/masks/{row['id']}.png")
    met = goals_of(out, "tissue_segmentation", "--masks", folder + "/masks", "--classes", "1=tissue,2=tumour", "--no-distance", code=None)
    assert met["dice:tissue"] and "dice:tumour" in met, met


def drawn_slide(folder, name, seed, count, mitoses):
    """A slide of nuclei at 0.5 µm/px as tiled TIFF; its two kinds of boxes."""
    try:
        import tifffile
    except ImportError:
        raise Skip("tifffile is not installed") from None
    picture, *boxes = nuclei(seed, 1024, count, mitoses)
    path = f"{folder}/{name}.tif"
    tifffile.imwrite(path, picture, tile=(256, 256), photometric="rgb", resolution=(2e4, 2e4), resolutionunit="CENTIMETER")
    return path, boxes


def matched(r, boxes):
    """How many of the boxes have an object in their middle."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return int((np.linalg.norm(r.objects["centre"][:, None, :2] - middles[None], axis=2) < 8).any(0).sum())


def test_mitoses(folder):
    """mitoses: each figure once, nuclei left alone, their number in 2 mm² and its score"""
    many, boxes = drawn_slide(folder, "many", 9001, 200, 12)
    one, single = drawn_slide(folder, "one", 9002, 200, 1)
    out = run(folder, "mitoses", many, one)
    for case, truth, words in ("many", boxes[1], "mitotic score 2"), ("one", single[1], "mitotic score 1"):
        r = Result(out, case)
        equal((r.status, r.unit("hotspot"), r.unit("mitoses")), ("ok", "/mm2", ""))
        assert matched(r, truth) == len(truth) and abs(r["mitoses"] - len(truth)) <= 1, (r.measures, len(truth))
        assert abs(r["hotspot"] - r["mitoses"] / 2) < 1e-9, r.measures  # all of them lie in one square of 2 mm²
        equal(r.actions, ["score: " + words])


def test_nuclei(folder):
    """nuclei: at least 95 % found on a drawn slide, and few others; real H&E tiles run at a stated µm/px"""
    path, boxes = drawn_slide(folder, "many", 9001, 200, 12)
    r, both = Result(run(folder, "nuclei", path), "many"), np.concatenate(boxes)
    assert matched(r, both) >= 0.95 * len(both) and abs(r["nuclei"] / len(both) - 1) < 0.1, (matched(r, both), r.measures)
    equal((r.unit("densest"), r.actions), ("/mm2", ["cellularity: cellular"]))
    real = data("tiles", "nuclei", "00ae65c1c663.png")
    r = Result(run(folder + "/real", "nuclei", real, options=("--slide-mpp", 0.5)), "00ae65c1c663")
    assert r["nuclei"] > 10 and r.status == "ok", r.measures


def test_real_slide(folder):
    """a real slide of 2,220 x 2,967 px through every recipe for slides: a score, measures, an action"""
    slide = data("wsi", "aperio-cmu-1-small-region.svs")
    for name in "slide_classification", "camelyon", "gleason", "zero_shot", "tissue_segmentation", "mitoses", "nuclei":
        r = Result(run(folder, name, slide), "aperio-cmu-1-small-region")
        assert r.status in ("ok", "insufficient") and len(r.actions) == 1 and r.measures, (name, r.status, r.actions)


def random_encoder(path):
    """As wide as RetCCL, of random weights: 2,048 features of a tile."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise Skip("onnx is not installed") from None
    w = np.random.default_rng(1).normal(0, 0.02, (2048, 3, 32, 32)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[32, 32], strides=[32, 32]), helper.make_node("Relu", ["c"], ["r"]),
             helper.make_node("GlobalAveragePool", ["r"], ["g"]), helper.make_node("Flatten", ["g"], ["features"])]
    graph = helper.make_graph(nodes, "encoder", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 224, 224])],
                              [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 2048])], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def test_msi(folder):
    """MSI: without the two files it says which is missing; the trained head over features as wide as RetCCL's decides and attends"""
    slide = os.path.join(cohort(folder), "test-slide-001.tif")
    here = copied(folder, "msi")
    answer = microtome("run", "-r", here + "/recipe.ini", "-o", folder + "/none", slide)
    assert answer.code in (66, 78), answer
    contains(answer.err, "encoder.onnx")
    shutil.copy(data("models", "mil_attmil_crc_msi", "model.onnx"), here + "/head.onnx")
    random_encoder(here + "/encoder.onnx")
    answer = microtome("run", "-r", here + "/recipe.ini", "-o", folder + "/out", slide)
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    r = Result(folder + "/out", "test-slide-001")
    equal((r.status, r.labels), ("ok", ["MSIH", "nonMSIH"]))
    assert abs(r["msi"] - r.scores[0]) < 1e-6 and abs(sum(r.scores) - 1) < 1e-5, r.scores
    equal(r.actions, ["confirm: " + ("immunohistochemistry of MMR proteins, or PCR" if r["msi"] >= 0.5 else "as the guideline says without it")])


def test_refused(folder):
    """a slide without µm/px, a radiograph: refused by every recipe for slides, with the reason"""
    bare = synthetic(folder + "/bare", "--count", 1, "--size", 1024, "--no-spacing") + "/slide-001.tif"
    film = phantoms(folder, "xray-opacity", "--count", 1, "--size", 128) + "/xray-001.png"
    names = ["slide_classification", "camelyon", "gleason", "zero_shot", "tissue_segmentation", "mitoses", "nuclei"]
    spacing = {n: "the case's own µm/px is unknown" for n in names}
    spacing["tissue_segmentation"] = "those of the slide are unknown"
    refused(folder, [(n, bare, spacing[n]) for n in names] + [(n, film, "it needs 8-bit RGB, and the case has 1 channel(s) of uint16") for n in names])
    ct = data("radiology", "dicom", "CT_small.dcm")
    refused(folder + "/ct", [(n, ct, "its modality is CT, and the recipe is for SM") for n in names])


main([test_slide_classification, test_camelyon, test_gleason, test_zero_shot, test_tissue_segmentation, test_mitoses, test_nuclei, test_real_slide,
      test_msi, test_refused])
