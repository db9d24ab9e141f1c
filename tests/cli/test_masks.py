"""Masks from outside, as a user names them: a file, a folder of files, a network with its card."""
import json
import os
import shutil

from harness import SOURCE, contains, equal, headline, main, microtome, read, synthetic

CARD = "[segmenter]\nsize_px=64\nmpp=4\nmean=0\nstd=1\nactivation=none\nthreshold=%s\n"


def slides(folder, count=1):
    made = synthetic(os.path.join(folder, "slides"), "--count", count, "--size", 2048, "--seed", 5)
    return sorted(os.path.join(made, n) for n in os.listdir(made) if n.endswith(".tif"))


def tissue(case, out, *more):
    done = microtome("tissue", case, "-o", out, "--json", *more)
    equal(done.code, 0)
    return json.loads(done.out)


def network(folder, threshold):
    for end, text in ((".onnx", None), (".card", CARD % threshold)):
        path = os.path.join(folder, "net" + end)
        if text is None:
            shutil.copy(os.path.join(SOURCE, "tests", "unit", "data", "segmenter", "saturation.onnx"), path)
        else:
            open(path, "w").write(text)
    return os.path.join(folder, "net.onnx")


def test_round_trip(folder):
    """what tissue writes is taken back by tissue, as regions and as a picture"""
    case, out, back = slides(folder)[0], os.path.join(folder, "a"), os.path.join(folder, "b")
    first = tissue(case, out)
    for name in ("tissue.geojson", "mask.png"):
        again = tissue(case, back, "--mask", "file:" + os.path.join(out, name))
        equal(again["method"], "file:" + name)
        equal(again["area_mm2"], first["area_mm2"])
        equal(read(os.path.join(back, "mask.png"), "rb"), read(os.path.join(out, "mask.png"), "rb"))


def test_folder_of_a_batch(folder):
    """run takes each case's own file of a folder; a case without one fails and names what was looked for"""
    cases, masks, out = slides(folder, 2), os.path.join(folder, "masks"), os.path.join(folder, "out")
    os.mkdir(masks)
    stems = [os.path.basename(c)[:-4] for c in cases]
    tissue(cases[0], os.path.join(folder, "a"))
    shutil.copy(os.path.join(folder, "a", "tissue.geojson"), os.path.join(masks, stems[0] + ".geojson"))
    done = microtome("run", "-e", "builtin:demo", "-o", out, "--mask", f"file:{masks}/", *cases)
    equal(done.code, 65)
    contains(read(os.path.join(out, "recipe.ini")), "method=file:masks/\n")
    assert headline(os.path.join(out, "cases", stems[0] + ".h5"))["tiles"] > 0
    contains(json.loads(read(os.path.join(out, "failed", stems[1] + ".json")))["reason"],
             f"there is no {stems[1]}.geojson, .json, .png, .tif, .tiff, .jpg or .jpeg")


def test_network(folder):
    """a network in a recipe, its path relative to it; another card in the same folder is another recipe"""
    case, out = slides(folder)[0], os.path.join(folder, "out")
    network(folder, 0.1)
    recipe = os.path.join(folder, "r.ini")
    open(recipe, "w").write("[mask]\nmethod=model:net.onnx\n")
    command = ("run", "-r", recipe, "-e", "builtin:demo", "-o", out, case)
    equal(microtome(*command).code, 0)
    text = read(os.path.join(out, "recipe.ini"))
    contains(text, "method=model:net.onnx\nsha256=")
    contains(text, "threshold=0.1\n")
    network(folder, 0.2)
    equal(microtome(*command).code, 64)


def test_refusals(folder):
    """exit codes and messages of what cannot be used"""
    case, out = slides(folder)[0], os.path.join(folder, "out")
    done = microtome("tissue", case, "-o", out, "--mask", "file:/nowhere.png")
    equal((done.code, "use the mask /nowhere.png: no such file or folder" in done.err), (66, True))
    path = network(folder, 0.1)
    os.remove(os.path.join(folder, "net.card"))
    done = microtome("tile", case, "-o", out, "--mpp", 0, "--mask", "model:" + path)
    equal(done.code, 78)
    contains(done.err, "net.card: no such file: µm/px, normalisation and classes of a segmentation network are not guessed")
    done = microtome("run", "-e", "builtin:demo", "-o", out, "--mask", "nothing", case)
    equal(done.code, 64)
    contains(done.err, "use otsu, clam:PRESET, field, body, none, file:PATH or model:FILE.onnx")


if __name__ == "__main__":
    main([test_round_trip, test_folder_of_a_batch, test_network, test_refusals])
