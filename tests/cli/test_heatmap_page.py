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
    from made_results import write_headline  # noqa: E402
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
    write_headline(path, {"schema": 1, "id": "a <b>&", "status": "ok", "decision": "review", "score": 0.93, "positive": "tumour", "mpp_x": MPP, "mpp_y": MPP})
    return path, coords


def written(path, folder, *args):
    answer = microtome("heatmap", path, "-o", folder, "--to", "html", *args)
    if "built without OpenSeadragon" in answer.err:
        raise Skip("built without OpenSeadragon: tools/setup.sh brings it where npm is reached")
    equal((answer.code, answer.err), (0, ""))
    return answer.out.strip()


def driven(how, name, *pages):
    """What was seen of each page in Chromium; pictures beside the build."""
    node, chromium = shutil.which("node"), shutil.which("chromium")
    playwright = os.path.join(os.path.abspath(SOURCE), "tools", "web", "node_modules", "playwright-core")
    if node is None or chromium is None or not os.path.isdir(playwright):
        raise Skip("node, chromium and playwright-core are wanted: tools/setup.sh --tests brings them")
    pictures = os.path.join(PICTURES, name)
    os.makedirs(pictures, exist_ok=True)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "heatmap_page.js")
    done = subprocess.run([node, script, playwright, chromium, pictures, how, *pages], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    all_seen = json.loads(done.stdout)
    for seen in all_seen:
        equal((seen["log"], seen["texts"]["trouble"]), ({"console": [], "outside": [], "failed": []}, None))
        equal((seen["unlabelled"], seen["faint"]), ([], []))
    return all_seen, pictures


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
    (seen,), pictures = driven("all", "slide", page)
    equal((seen["title"], seen["texts"]["case"]), ("a <b>&: microtome", "a <b>&"))
    contains(seen["texts"]["verdict"], "score 0.93 (tumour) · review")
    equal((seen["texts"]["title"], seen["texts"]["meaning"]), ("Evidence for “tumour”", "tile score"))
    contains(seen["texts"]["unread"], "not readable: 1 of 192 tiles")
    equal(seen["texts"]["purpose"], "For research and decision support; not a medical device.")
    equal(seen["ticks"], ["0", "0.25", "0.5", "0.75", "1"])
    equal(len(seen["tiles"]), 12)
    for k, i in enumerate(HOT):
        contains(seen["tiles"][k], f"{k + 1}. {1 - k / 20:.4g}x {coords[i][0]}y {coords[i][1]}")
    equal(len(seen["regions"]), 3)
    contains(seen["regions"][0], f"1. {3 * (TILE * MPP / 1000) ** 2:.4g} mm²")
    lies_on_slide(pictures)
    equal(seen["order"], ["language", "viewer", "opacity", "threshold", "colour", "tiles", "tiles"])
    for what, button, tile in ("key", 0, HOT[0]), ("click", 2, HOT[2]), ("enter", 1, HOT[1]):
        equal(seen[what]["button"], button)
        assert np.abs(np.array(seen[what]["centre"]) - coords[tile] - TILE / 2).max() < 4, (what, seen[what])
    equal(seen["region"]["button"], 12)
    assert np.abs(np.array(seen["region"]["centre"]) - coords[HOT[1]] - TILE).max() < 4, seen["region"]
    korean = seen["korean"]
    contains(korean["texts"]["verdict"], "판독 대상")
    equal((korean["texts"]["title"], korean["texts"]["meaning"]), ("“tumour” 근거", "타일 점수"))
    contains(korean["texts"]["purpose"], "의료기기가 아닙니다")
    equal(korean["faint"], [])


def test_odd_tiles(folder):
    """tiles that stand on no lattice"""
    path, _ = case(folder, tile=241, spare=7)
    page = written(path, folder + "/out", "--slides", folder + "/a.png", "--um-per-px", MPP)
    _, pictures = driven("zooms", "odd", page)
    lies_on_slide(pictures)


def mapped(folder, name, shape, facts):
    """A case of pixels without tiles, hot in the middle of its last plane, with a picture of its own."""
    path = os.path.join(folder, name + ".h5")
    truth = np.zeros(shape, np.uint8)
    truth[-1, 10:30, 20:60] = 1
    with h5py.File(path, "w", userblock_size=4096) as f:
        m = f.create_dataset("map/segmentation", data=truth, chunks=(1, *shape[1:]))
        m.attrs["labels"] = ["1=nodule"]
        thumbnail = np.repeat(np.linspace(0, 255, shape[1] * shape[2]).astype(np.uint8).reshape(*shape[1:], 1), 3, axis=2)
        f.create_dataset("thumbnail", data=thumbnail).attrs["plane"] = shape[0] - 1
    write_headline(path, {"schema": 1, "id": name, "status": "ok", "demonstration": True, **facts})
    return path


def test_other_cases(folder):
    """a slide that is not at hand, a volume, a photograph without a scale: over the stored picture"""
    path, _ = case(folder)
    volume, photograph = mapped(folder, "ct", (4, 60, 80), {"mpp_x": 700, "mpp_y": 700}), mapped(folder, "fundus", (1, 60, 80), {})
    (slide, ct, fundus), _ = driven("look", "stored", *(written(one, folder + "/out") for one in (path, volume, photograph)))
    equal(len(slide["tiles"]), 12)
    equal((ct["tiles"], ct["regions"]), ([], [f"1. {800 * 0.49:.4g} mm², mean 1"]))
    equal((ct["texts"]["title"], ct["texts"]["meaning"]), ("Share of “nodule”", "share of the class in the segmentation · plane 3"))
    equal(ct["texts"]["scale"], "absolute scale: comparable between cases")
    equal(fundus["regions"], ["1. 800 px², mean 1"])
    equal((fundus["texts"]["scale-bar"], fundus["texts"]["meaning"]), (None, "share of the class in the segmentation"))
    contains(fundus["texts"]["purpose"], "DEMONSTRATION, not a trained model.")


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


main([test_page, test_odd_tiles, test_other_cases, test_folder])
