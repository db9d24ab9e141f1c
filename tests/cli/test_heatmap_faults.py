"""heatmap and what goes wrong: another slide, no slide, no tiles, damaged results, no folder, a full disk: one error each, nothing half written.

usage: test_heatmap_faults.py MICROTOME SYNTHETIC SOURCE
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PROGRAM, SOURCE, Skip, contains, equal, main, microtome, read, synthetic  # noqa: E402

try:
    import h5py
    import numpy as np
    import tifffile
    from PIL import Image
    from made_heatmaps import HEIGHT, MPP, WIDTH, box_slide, made  # noqa: E402
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

PICTURES = ["png", "jpeg", "webp", "ome", "ome-float", "tiff", "dzi", "szi", "zip", "tiles", "figure", "figure-svg"]
TABLES = ["geojson", "csv"]  # JSON goes the way of CSV, and is smaller than a page here


def listing(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def one_error(answer, code, message):
    equal((answer.code, answer.err if answer.code != code else ""), (code, ""))
    contains(answer.err, message)
    equal(answer.err.strip().count("\n"), 0 if code != 64 else answer.err.strip().count("\n"))


def test_other_slide(folder):
    """a slide whose hash is not the result's, though its size is; the right one under another name is taken, and none is missing quietly"""
    slides, out, drawn = (os.path.join(folder, n) for n in ("slides", "out", "drawn"))
    synthetic(slides, "--count", 1, "--size", 768, "--seed", 3)
    slide = os.path.join(slides, next(n for n in listing(slides) if n.endswith((".tif", ".tiff", ".svs"))))
    equal(microtome("run", "-e", "builtin:demo", "-m", os.path.join(SOURCE, "samples/heads/demo.safetensors"), "-o", out, slide).code, 0)
    (name,) = listing(os.path.join(out, "cases"))
    result = os.path.join(out, "cases", name)
    moved, other = os.path.join(folder, "moved.tif"), os.path.join(folder, "other.tif")
    bytes_of = read(slide, "rb")
    with open(moved, "wb") as f:
        f.write(bytes_of)
    with open(other, "wb") as f:
        f.write(bytes_of + b"\0")  # the same picture, another file
    equal(microtome("heatmap", result, "-o", drawn, "--to", "png", "--slides", moved, "--um-per-px", 2).code, 0)
    for to in "png", "ome", "dzi", "tiles", "figure":
        one_error(microtome("heatmap", result, "-o", drawn, "--to", to, "--slides", other, "--force"), 65, "is not the ")
    one_error(microtome("heatmap", result, "-o", drawn, "--to", "ome", "--slides", folder + "/away"), 66, "away")
    one_error(microtome("heatmap", result, "-o", drawn, "--to", "ome", "--slides", out), 66, "has no file " + name[:-3] + ".*")
    equal(listing(drawn), [name[:-3] + ".png"])
    head = ("-m", os.path.join(SOURCE, "samples/heads/demo.safetensors"))  # features are no slide: their hash says nothing of it
    again = os.path.join(folder, "again")
    equal(microtome("aggregate", out, *head, "-o", again).code, 0)
    equal(microtome("heatmap", os.path.join(again, "cases", name), "-o", again, "--to", "png", "--slides", slide, "--um-per-px", 2).code, 0)


def test_names(folder):
    """the slide of a folder: names with spaces and letters of all languages, and files beside it that are not it"""
    slides, results = os.path.join(folder, "slides"), os.path.join(folder, "results")
    os.makedirs(slides)
    os.makedirs(results)
    for plain, escaped in ("a b, ü", "a%20b%2C%20%C3%BC"), ("병리 1", "%EB%B3%91%EB%A6%AC%201"), ("plain", "plain"):
        path, coords, scores, _ = made(results, escaped)
        box_slide(os.path.join(slides, plain + ".tif"), (4,), coords, np.flatnonzero(scores))
        for beside in ".csv", ".png", ".xml":
            with open(os.path.join(slides, plain + beside), "w") as f:
                f.write("no slide")
        answer = microtome("heatmap", path, "-o", folder, "--to", "png", "--um-per-px", 8, "--slides", slides, "--alpha", 0.001)
        equal((answer.code, answer.err), (0, ""))
        picture = np.asarray(Image.open(answer.out.strip()))
        equal(picture[5, 5].tolist(), [40, 40, 40])  # dark under the hot tile: the slide's own px


def damaged(folder):
    """Results that cannot be drawn, by what is wrong with them."""
    path, *_ = made(folder, "nan")
    with h5py.File(path, "r+") as f:
        f["tile_scores"][3] = np.nan
    path, *_ = made(folder, "infinite")
    with h5py.File(path, "r+") as f:
        f["tile_scores"][3] = np.inf
    path, *_ = made(folder, "rows")
    with h5py.File(path, "r+") as f:
        labels = f["tile_scores"].attrs["labels"]
        del f["tile_scores"]
        f.create_dataset("tile_scores", data=np.zeros((5, 1), np.float32)).attrs["labels"] = labels
    path, *_ = made(folder, "frame")
    with h5py.File(path, "r+") as f:
        f["coords"].attrs["level0_width"] = np.nan
    path, coords, *_ = made(folder, "empty")
    with h5py.File(path, "r+") as f:
        attributes = dict(f["coords"].attrs)
        for name in "coords", "valid", "tile_scores":
            del f[name]
        c = f.create_dataset("coords", data=np.zeros((0, 2), np.int64))
        for key, value in attributes.items():
            c.attrs[key] = value
    path, *_ = made(folder, "whole")
    content = read(path, "rb")
    for n in 0, 100, 4096, 5000, len(content) // 2, len(content) - 1:
        with open(os.path.join(folder, f"cut{n}.h5"), "wb") as f:
            f.write(content[:n])
    return {"nan": "/tile_scores has values that are not numbers", "infinite": "/tile_scores has values that are not numbers",
            "rows": "/tile_scores does not have the type and the rows of /coords", "frame": "lacks the place of its tiles in the plane",
            "empty": "it has no tiles (no tissue), so there is nothing to draw", "cut0": "not a result of microtome",
            "cut100": "not a result of microtome", "cut4096": "not a result of microtome", "cut5000": "truncated",
            f"cut{len(content) // 2}": "truncated", f"cut{len(content) - 1}": "truncated"}


def test_damaged(folder):
    """truncated files, values that are no numbers, parts that do not fit, no tiles: an error a result, the whole one is drawn all the same"""
    reasons = damaged(folder)
    paths = [os.path.join(folder, n + ".h5") for n in [*reasons, "whole"]]
    for to in "png", "ome-float", "geojson":
        out = os.path.join(folder, to)
        answer = microtome("heatmap", *paths, "-o", out, "--to", to, "--um-per-px", 4)
        equal(answer.code, 65)
        errors = answer.err.strip().split("\n")
        for name, line in zip(reasons, errors, strict=True):
            contains(line, reasons[name])
            equal((line.count(name + ".h5") > 0, line.startswith("microtome heatmap: ")), (True, True))
        equal([n.split(".")[0] for n in listing(out)], ["whole"])
    answer = microtome("heatmap", paths[0], "-o", os.path.join(folder, "alone"), "--to", "csv")
    one_error(answer, 65, f"draw a heatmap of {paths[0]}: /tile_scores has values that are not numbers")
    equal(answer.err.count(paths[0]), 1)
    equal(microtome("heatmap", os.path.join(folder, "empty.h5"), "-o", folder).code, 0)  # the page says why


def test_unknown(folder):
    """a class, a result, a map that is not there; a folder that cannot be made or written"""
    path, *_ = made(folder)
    for to in "png", "geojson", "tiles":
        one_error(microtome("heatmap", path, "-o", folder + "/out", "--to", to, "--class", "stroma"), 64, "it has no class stroma: choose one of: tumour")
    one_error(microtome("heatmap", folder + "/none.h5", "-o", folder + "/out", "--to", "png"), 66, "none.h5")
    one_error(microtome("heatmap", path, "-o", folder + "/out", "--to", "png", "--source", "probability"), 64, "it has no such map")
    for args, message in [(("--to", "geojson", "--threshold", 7), "--threshold 7: a number from 0 to 1 is wanted"),
                          (("--to", "png", "--threshold", -1), "--threshold -1: a number from 0 to 1 is wanted"),
                          (("--to", "png", "--um-per-px", "nan"), "draw at nan µm/px: a positive number is wanted"),
                          (("--to", "ome", "--um-per-px", -3), "draw at -3 µm/px: a positive number is wanted"),
                          (("--to", "png", "--smooth", "nan"), "the width of smoothing is no length")]:
        one_error(microtome("heatmap", path, "-o", folder + "/out", *args), 64, message)
    equal(listing(folder + "/out"), [])
    # a Gaussian as wide as any: what lies beyond the case costs nothing
    equal(microtome("heatmap", path, "-o", folder, "--to", "png", "--um-per-px", 20, "--smooth", 1e9, timeout=60).code, 0)
    with open(folder + "/file", "w"):
        pass
    one_error(microtome("heatmap", path, "-o", folder + "/file/out", "--to", "png"), 74, "create folder ")
    if os.geteuid() == 0:  # who may write anywhere finds out elsewhere
        for to in "png", "geojson", "dzi", "ome":
            one_error(microtome("heatmap", path, "-o", "/proc/self", "--to", to), 74, "/proc/self/a.")
    else:
        os.mkdir(folder + "/shut", 0o555)
        for to in "png", "geojson", "dzi", "ome":
            one_error(microtome("heatmap", path, "-o", folder + "/shut", "--to", to), 74, "Permission denied")
        equal(listing(folder + "/shut"), [])


# in a mount namespace of its own: a file system for pictures, a smaller one for tables
FULL = """
set -u
one() {
  "$PROGRAM" heatmap "$RESULT" -o "$DISK" --to $1 --um-per-px 0.4 --slides "$SLIDE" --quality 95 --threads 2 2>"$TOLD/$1.err" >"$TOLD/$1.out"
  echo $? >"$TOLD/$1.code"; ls -A "$DISK" >"$TOLD/$1.left"
}
mount -t tmpfs -o size=64k tmpfs "$DISK" || exit 99
for to in $PICTURES; do one $to; done
umount "$DISK" && mount -t tmpfs -o size=4k tmpfs "$DISK" || exit 99
for to in $TABLES; do one $to; done
"""


def test_full_disk(folder):
    """a disk that fills up midway, every format: 74 with the path and what is free, nothing left behind, no wait for ever"""
    path, *_ = made(folder)
    noise, disk, told = (os.path.join(folder, n) for n in ("noise.tif", "disk", "told"))
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    tifffile.imwrite(noise, pixels, tile=(256, 256), photometric="rgb", resolution=(10000 / MPP, 10000 / MPP), resolutionunit=3)
    os.mkdir(disk)
    os.mkdir(told)
    env = {**os.environ, "PROGRAM": PROGRAM, "RESULT": path, "SLIDE": noise, "DISK": disk, "TOLD": told, "PICTURES": " ".join(PICTURES),
           "TABLES": " ".join(TABLES)}
    try:
        done = subprocess.run(["unshare", "-rm", "sh", "-c", FULL], env=env, capture_output=True, text=True, timeout=250)
    except FileNotFoundError:
        raise Skip("there is no unshare") from None
    if done.returncode == 99 or not os.path.exists(told + "/png.code"):
        raise Skip(f"a file system of one's own is not permitted here: {done.stderr.strip()[-100:]}")
    for to in PICTURES + TABLES:
        err = read(f"{told}/{to}.err")
        equal((to, read(f"{told}/{to}.code").strip(), read(f"{told}/{to}.left"), read(f"{told}/{to}.out")), (to, "74", "", ""))
        contains(err, f"write {disk}/a.")
        contains(err, "No space left on device (")
        equal((to, err.strip().count("\n")), (to, 0))


main([test_other_slide, test_names, test_damaged, test_unknown, test_full_disk])
