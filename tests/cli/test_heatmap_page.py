"""heatmap --to html in Chromium: opens from a folder without a network, the heat lies on the slide at three zooms, the controls do what they say.

usage: test_heatmap_page.py MICROTOME SYNTHETIC SOURCE
"""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SOURCE, Skip, contains, equal, main, microtome, read  # noqa: E402

try:
    import h5py
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

WIDTH, HEIGHT, TILE, MPP = 4096, 3072, 256, 0.5
PICTURES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[1]))), "pictures", "heatmap-page")
HOT, UNREAD = (5, 40, 41, 57, 190), 100


def case(folder, tile=TILE, spare=0):
    """Hot tiles are dark on the slide; one tile is unread.  `spare`: px between the tiles, so that they stand on no lattice of their size."""
    columns, rows = WIDTH // TILE, HEIGHT // TILE
    coords = np.array([[x * TILE + spare, y * TILE + spare] for y in range(rows) for x in range(columns)], np.int64)
    scores = np.full((len(coords), 1), 0.1, np.float32)
    picture = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    for k, i in enumerate(HOT):
        scores[i] = 1 - k / 20
        x, y = coords[i]
        picture[y:y + tile, x:x + tile] = 30
    valid = np.ones(len(coords), np.uint8)
    valid[UNREAD] = 0
    Image.fromarray(picture).save(os.path.join(folder, "a.png"))
    path = os.path.join(folder, "a.h5")
    with h5py.File(path, "w", userblock_size=4096) as f:
        c = f.create_dataset("coords", data=coords)
        c.attrs["tile_level0"] = np.array([tile, tile], float)
        c.attrs["level0_width"], c.attrs["level0_height"] = WIDTH, HEIGHT
        f["valid"] = valid
        t = f.create_dataset("tile_scores", data=scores)
        t.attrs["labels"] = ["tumour"]
        f["thumbnail"] = np.ascontiguousarray(picture[::8, ::8])
    line = f'{{"schema":1,"id":"a <b>&","status":"ok","decision":"review","score":0.93,"positive":"tumour","mpp_x":{MPP},"mpp_y":{MPP}}}'
    with open(path, "r+b") as f:
        f.write((line + "\n").encode().ljust(4096, b"\0"))
    return path, coords


def written(path, folder, *args):
    answer = microtome("heatmap", path, "-o", folder, "--to", "html", *args)
    if "built without OpenSeadragon" in answer.err:
        raise Skip("built without OpenSeadragon: tools/setup.sh brings it where npm is reached")
    equal((answer.code, answer.err), (0, ""))
    return answer.out.strip()


def driven(page, name, hot):
    """The page in Chromium, what was seen; pictures beside the build."""
    node, chromium = shutil.which("node"), shutil.which("chromium")
    playwright = os.path.join(os.path.abspath(SOURCE), "tools", "web", "node_modules", "playwright-core")
    if node is None or chromium is None or not os.path.isdir(playwright):
        raise Skip("node, chromium and playwright-core are wanted: tools/setup.sh --tests brings them")
    with open(os.path.join(os.path.dirname(page), "case.js"), "a") as f:
        f.write(f"window.microtomeHot = {json.dumps(hot)};\n")
    pictures = os.path.join(PICTURES, name)
    os.makedirs(pictures, exist_ok=True)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "heatmap_page.js")
    done = subprocess.run([node, script, playwright, chromium, page, pictures], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), pictures


def stage(pictures, name):
    return np.asarray(Image.open(os.path.join(pictures, name + ".png")).convert("RGB")).astype(int)


def edges(mask):
    columns, rows = np.flatnonzero(mask.sum(0) > 3), np.flatnonzero(mask.sum(1) > 3)
    return np.array([columns[0], columns[-1], rows[0], rows[-1]])


def lies_on_slide(pictures):
    for zoom in "whole", "near", "close":
        slide, heat = stage(pictures, zoom + "-slide"), stage(pictures, zoom + "-heat")
        dark = slide.max(2) < 60  # hatching is lighter
        red = np.abs(heat - slide).max(2) > 20
        assert dark.sum() > 100 and red.sum() > 100, zoom
        assert np.abs(edges(dark) - edges(red)).max() <= 1, (zoom, edges(dark), edges(red))
        assert (dark != red).mean() < 0.01, (zoom, (dark != red).mean())


def test_page(folder):
    """from a folder, offline: the map on the slide at three zooms; legend, tiles and regions as in the result; keys and clicks fly there"""
    path, coords = case(folder)
    page = written(path, folder + "/out", "--slides", folder + "/a.png", "--um-per-px", MPP)
    seen, pictures = driven(page, "slide", [int(v) + TILE // 2 for v in coords[HOT[1]]])
    equal((seen["console"], seen["outside"], seen["failed"], seen["unlabelled"]), ([], [], [], []))
    equal(seen["title"], "a <b>&: microtome")
    equal(seen["texts"]["case"], "a <b>&")
    contains(seen["texts"]["verdict"], "score 0.93 (tumour) · review")
    contains(seen["texts"]["title"], "tumour")
    contains(seen["texts"]["unread"], "not readable: 1 of 192 tiles")
    contains(seen["texts"]["purpose"], "For research and decision support; not a medical device.")
    equal(seen["ticks"], ["0", "0.25", "0.5", "0.75", "1"])
    equal(len(seen["tiles"]), 12)
    for k, i in enumerate(HOT):
        contains(seen["tiles"][k], f"{k + 1}. {1 - k / 20:.4g}x {coords[i][0]}y {coords[i][1]}")
    equal(len(seen["regions"]), 3)
    contains(seen["regions"][0], f"1. {3 * (TILE * MPP / 1000) ** 2:.4g} mm²")
    lies_on_slide(pictures)
    equal((seen["pressed"], seen["second"]), (0, 2))
    assert np.abs(np.array(seen["centre"]) - coords[HOT[0]] - TILE / 2).max() < 4, seen["centre"]
    contains(seen["korean"], "의료기기가 아닙니다")


def test_odd_tiles(folder):
    """tiles that stand on no lattice, and the stored picture in place of the slide"""
    path, coords = case(folder, tile=241, spare=7)
    page = written(path, folder + "/out", "--slides", folder + "/a.png", "--um-per-px", MPP)
    seen, pictures = driven(page, "odd", [int(v) + 120 for v in coords[HOT[1]]])
    equal((seen["console"], seen["outside"], seen["failed"]), ([], [], []))
    lies_on_slide(pictures)
    page = written(path, folder + "/thumbnail")
    seen, _ = driven(page, "thumbnail", [int(v) + 120 for v in coords[HOT[1]]])
    equal((seen["console"], seen["outside"], seen["failed"]), ([], [], []))


def test_folder(folder):
    """the folder appears whole, is replaced on --force alone, and holds nothing but the page"""
    path, _ = case(folder)
    out = folder + "/out"
    page = written(path, out)
    names = sorted(os.listdir(os.path.dirname(page)))
    equal(names, ["case.js", "index.html", "openseadragon.min.js", "page.css", "page.js", "slide.dzi", "slide_files", "words.js"])
    for name in names[:-1]:
        if os.path.isfile(os.path.join(out, "a", name)):
            assert folder not in read(os.path.join(out, "a", name)), name
    answer = microtome("heatmap", path, "-o", out, "--to", "html")
    equal(answer.code, 64)
    contains(answer.err, "a: it exists already")
    written(path, out, "--force")
    equal(os.listdir(out), ["a"])
    answer = microtome("heatmap", path, "-o", out, "--open", "--to", "png")
    equal(answer.code, 64)
    contains(answer.err, "--open and --to png: a page for the browser is --to html")
    answer = microtome("heatmap", path, "-o", out + "2", "--open", "--slides", "/none.svs")
    equal((answer.code, os.listdir(out + "2")), (66, []))


main([test_page, test_odd_tiles, test_folder])
