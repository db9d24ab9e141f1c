"""Where a score comes from (`run --explain`): the map lies on the finding, is cold without one, is the same for any threads; scores without the part."""
import csv
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import SOURCE, contains, equal, main, microtome, synthetic, write_abmil  # noqa: E402

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

RECIPE = os.path.join(SOURCE, "samples", "recipes", "chest_xray")
PHANTOMS = os.path.abspath(sys.argv[4])


def phantoms(folder, kind, count, seed):
    subprocess.run([PHANTOMS, kind, "-o", folder, "--count", str(count), "--seed", str(seed)], check=True, capture_output=True)
    return os.path.join(folder, "manifest.csv")


def rows(*path):
    with open(os.path.join(*path), newline="") as f:
        return list(csv.DictReader(f))


def run(out, manifest, *options, recipe=os.path.join(RECIPE, "recipe.ini"), code=0):
    answer = microtome("run", "-r", recipe, "-o", out, *options, manifest)
    equal(answer.code, code)
    return answer


def explanation(out, case):
    with h5py.File(os.path.join(out, "cases", case + ".h5")) as f:
        m = f["map/explanation"]
        without = {k: f["explanation"][k][...] for k in f["explanation"]} if "explanation" in f else {}
        return m[...], dict(m.attrs), without


def peak_inside(m, attrs, truth):
    y, x = np.unravel_index(m[0].argmax(), m[0].shape)
    x, y = (x + 0.5) * attrs["px_level0"][0], (y + 0.5) * attrs["px_level0"][1]
    return any(((x - float(t["x"])) / float(t["semi_a"])) ** 2 + ((y - float(t["y"])) / float(t["semi_b"])) ** 2 <= 1 for t in truth)


def test_phantoms(folder):
    """the strongest place lies in the planted opacity in 9 of 10; a clear X-ray stays cold; what it says in words"""
    manifest, out = phantoms(os.path.join(folder, "x"), "xray-opacity", 30, 77), os.path.join(folder, "out")
    run(out, manifest, "--workers", "2")
    labels, objects = rows(folder, "x", "labels.csv"), rows(folder, "x", "truth", "objects.csv")
    hits = positives = 0
    for row in labels:
        m, attrs, without = explanation(out, row["id"])
        equal((attrs["method"], attrs["label"], m.dtype.str, list(attrs["tiles"])), ("gradcam", "opacity", "<f4", [1, 1]))
        assert np.isfinite(m).all() and m.min() >= 0
        if row["opacity"] == "1":
            positives += 1
            hits += peak_inside(m, attrs, [o for o in objects if o["id"] == row["id"]])
            assert 0.8 < m.max() <= 1 and without["what"][0] == b"part" and without["score"][0] < 1
        else:
            assert m.max() < 0.5 and without == {}, (row["id"], m.max())
    assert positives >= 10 and hits >= 0.9 * positives, (hits, positives)
    first = next(r["id"] for r in labels if r["opacity"] == "1")
    said = json.loads(microtome("report", out, "--case", first, "--json").out)
    assert any(s.startswith("Without the part at x ") for s in said["change"]), said["change"]
    drawn = microtome("heatmap", os.path.join(out, "cases", first + ".h5"), "-o", os.path.join(folder, "drawn"), "--to", "json")
    equal(drawn.code, 0)
    contains(open(os.path.join(folder, "drawn", first + ".json")).read(), "what speaks for the class (gradcam)")


def test_methods(folder):
    """every method that the graph allows, the others by name; threads and workers change nothing"""
    manifest = phantoms(os.path.join(folder, "x"), "xray-opacity", 2, 5)
    for method in ("saliency", "occlusion"):
        run(os.path.join(folder, method), manifest, "--explain", method)
        equal(explanation(os.path.join(folder, method), "xray-002")[1]["method"], method)
    run(os.path.join(folder, "one"), manifest, "--threads", "1")
    run(os.path.join(folder, "two"), manifest, "--threads", "2", "--workers", "2")
    for case in ("xray-001", "xray-002"):
        with open(os.path.join(folder, "one", "cases", case + ".h5"), "rb") as a, open(os.path.join(folder, "two", "cases", case + ".h5"), "rb") as b:
            assert a.read() == b.read()
    answer = run(os.path.join(folder, "no"), manifest, "--explain", "rollout", code=65)
    contains(open(os.path.join(folder, "no", "failed", "xray-001.json")).read(), "no attention over all patches; try gradcam")
    shutil.copytree(RECIPE, os.path.join(folder, "recipe"))
    with open(os.path.join(folder, "recipe", "recipe.ini")) as f:
        text = f.read()
    for key, says in (("layer=nonsense", "the last that do: /body"), ("label=fracture", "is none of opacity")):
        with open(os.path.join(folder, "recipe", "recipe.ini"), "w") as f:
            f.write("\n".join(line for line in text.split("\n") if not line.startswith(key.split("=")[0] + "=")).replace("[explain]", "[explain]\n" + key))
        out = os.path.join(folder, key.split("=")[0])
        run(out, manifest, recipe=os.path.join(folder, "recipe", "recipe.ini"), code=65)
        contains(open(os.path.join(out, "failed", "xray-001.json")).read(), says)
    answer = microtome("run", "-r", os.path.join(RECIPE, "recipe.ini"), "--explain", "magic", "-o", os.path.join(folder, "m"), manifest)
    equal(answer.code, 64)
    contains(answer.err, "auto, cam, gradcam")


def test_tiles_of_a_slide(folder):
    """of a MIL head: the fewest tiles without which the score falls below its threshold; the score is that of the bag without them"""
    synthetic(os.path.join(folder, "s"), "--count", "2", "--size", "2048", "--seed", "3")
    head = os.path.join(folder, "head.safetensors")
    write_abmil(head, 93, seed=3)
    with open(os.path.join(folder, "head.card"), "w") as f:
        f.write("[head]\nlabels=normal;tumour\npositive=tumour\nthreshold=0.0001\n")
    slides = sorted(os.path.join(folder, "s", n) for n in os.listdir(os.path.join(folder, "s")) if n.endswith((".tif", ".tiff", ".svs")))
    out = os.path.join(folder, "out")
    answer = microtome("run", "-e", "builtin:demo", "-m", head, "-o", out, "--explain", "auto", *slides[:2])
    equal(answer.code, 0)
    for name in os.listdir(os.path.join(out, "cases")):
        with h5py.File(os.path.join(out, "cases", name)) as f:
            assert "map/explanation" not in f
            if "explanation" in f:
                assert f["explanation/score"][0] < 0.0001 and f["explanation/what"][0] == b"tiles"
    answer = microtome("run", "-e", "builtin:demo", "-m", head, "-o", os.path.join(folder, "no"), "--explain", "cam", slides[0])
    equal(answer.code, 65)


main([test_phantoms, test_methods, test_tiles_of_a_slide])
