"""Stain normalisation through run and tile: the same bytes whatever the threads, recorded, refused where colours cannot be found."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, data, equal, main, microtome, read, synthetic  # noqa: E402


def slide(folder):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 1024, "--seed", 3)
    return next(os.path.join(cohort, n) for n in sorted(os.listdir(cohort)) if n.endswith(".tif"))


def run(path, out, *args):
    return microtome("run", "-e", "builtin:demo", "-o", out, *args, path)


def result(out):
    cases = os.path.join(out, "cases")
    return read(os.path.join(cases, os.listdir(cases)[0]), "rb")


def reason(out, case):
    return json.loads(read(os.path.join(out, "failed", case + ".json")))["reason"]


def check_threads(path, folder):
    plain = os.path.join(folder, "plain")
    equal(run(path, plain).code, 0)
    for method in ("macenko", "reinhard"):
        outs = [os.path.join(folder, f"{method}{threads}") for threads in (1, 2)]
        for threads, out in enumerate(outs, 1):
            answer = run(path, out, "--stain", method, "--threads", threads)
            equal((answer.code, answer.err.count("1 done")), (0, 1))
        equal(result(outs[0]) == result(outs[1]), True)
        equal(result(outs[0]) == result(plain), False)
        contains(read(os.path.join(outs[0], "recipe.ini")), f"\n[stain]\nmethod={method}\ntarget=default\ntarget_")
    equal("stain" in read(os.path.join(plain, "recipe.ini")), False)


def test_threads(folder):
    """one and two threads give the same bytes, other ones than without"""
    check_threads(slide(folder), folder)


def test_aperio(folder):
    """so does a scanned slide"""
    check_threads(data("wsi", "aperio-cmu-1-small-region.svs"), folder)


def test_recipe(folder):
    """a picture as target, beside the recipe; another one is another recipe"""
    path, out = slide(folder), os.path.join(folder, "out")
    tiles = os.path.join(folder, "tiles")
    equal(microtome("tile", path, "-o", tiles, "--mpp", 0.5, "--tile", 256).code, 0)
    targets = sorted(n for n in os.listdir(tiles) if n.endswith(".png"))
    recipe = os.path.join(tiles, "r.ini")
    with open(recipe, "w") as f:
        f.write(f"[stain]\nmethod=reinhard\ntarget={targets[0]}\n[head]\nmodel=mean\n")
    equal(run(path, out, "-r", recipe).code, 0)
    contains(read(os.path.join(out, "recipe.ini")), f"[stain]\nmethod=reinhard\ntarget={targets[0]}\ntarget_sha256=")
    equal(run(path, out, "-r", recipe).code, 0)
    answer = run(path, out, "-r", recipe, "--stain", "reinhard:" + os.path.join(tiles, targets[-1]))
    equal((answer.code, "reinhard" in answer.err or "target" in answer.err), (64, True))
    equal(run(path, out, "-r", recipe, "--stain", "none").code, 64)


def test_tile(folder):
    """tile writes changed pictures, the same ones twice"""
    path = slide(folder)
    outs = [os.path.join(folder, n) for n in ("plain", "one", "two")]
    for out, stain in zip(outs, ("none", "macenko", "macenko")):
        equal(microtome("tile", path, "-o", out, "--mpp", 0.5, "--stain", stain).code, 0)
    names = sorted(n for n in os.listdir(outs[0]) if n.endswith(".png"))
    plain, one, two = ([read(os.path.join(out, n), "rb") for n in names] for out in outs)
    equal((one == two, plain == one), (True, False))


def test_usage(folder):
    """an unknown method, a target that is missing"""
    path = slide(folder)
    answer = run(path, os.path.join(folder, "a"), "--stain", "vahadane")
    equal((answer.code, answer.err.split("\n")[0]),
          (64, "microtome run: --stain vahadane: none, macenko[:IMAGE] or reinhard[:IMAGE] is wanted"))
    answer = microtome("tile", path, "-o", os.path.join(folder, "b"), "--mpp", 0.5, "--stain", "macenko:nowhere.png")
    equal((answer.code, answer.err.strip()), (66, "microtome tile: fit macenko target nowhere.png: open nowhere.png: no such file"))
    answer = run(path, os.path.join(folder, "c"), "--stain", "macenko:nowhere.png")
    equal(answer.code == 0, False)
    contains(answer.err, "fit macenko target nowhere.png: open nowhere.png: no such file")


def test_fluorescence(folder):
    """a fluorescence slide is refused, with the way out"""
    path = data("wsi", "hamamatsu-test3-dapi.ndpi")
    for method in ("macenko", "reinhard"):
        out = os.path.join(folder, method)
        equal(run(path, out, "--mpp", 0, "--off-contract", "--stain", method).code, 65)
        equal(reason(out, "hamamatsu-test3-dapi"),
              f"fit {method} stains of hamamatsu-test3-dapi.ndpi: 100 % of its pixels are black in a channel: it is no stained slide in transmitted light: "
              "check its mask, or run it without stain normalisation")


main([test_threads, test_aperio, test_recipe, test_tile, test_usage, test_fluorescence])
