"""heatmap --to: files of any size against Pillow, tifffile and OpenSlide; the heat lies where the tiles are.

usage: test_heatmap_files.py MICROTOME SYNTHETIC SOURCE
"""
import csv
import json
import os
import re
import sys
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import contains, equal, main, microtome, read  # noqa: E402

try:
    import h5py
    import numpy as np
    import openslide
    import tifffile
    from PIL import Image
    from made_heatmaps import MPP, TILE, decoded, heat, made  # noqa: E402
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

def test_formats(folder):
    """each file in an independent reader: size, spacing, levels, the same picture"""
    path, coords, scores, _ = made(folder)
    size = (750, 550)
    png = np.asarray(Image.open(heat(path, folder, "png", "--um-per-px", 2, "--map-only")))
    equal(png.shape, (size[1], size[0], 3))
    for to in "jpeg", "webp":
        picture = Image.open(heat(path, folder, to, "--um-per-px", 2, "--map-only"))
        equal(picture.size, size)
        assert np.abs(np.asarray(picture).astype(int) - png).mean() < 3
    with tifffile.TiffFile(heat(path, folder, "ome", "--um-per-px", 2, "--map-only", "--quality", 95)) as f:
        assert f.is_ome
        equal([level.shape[:2] for level in f.series[0].levels], [(550, 750), (275, 375), (137, 187)])
        assert np.abs(decoded(f.pages[0]).astype(int) - png).mean() < 3
        half = decoded(f.pages[0].pages[0]).astype(int)
        assert np.abs(half - np.asarray(Image.fromarray(png).resize((375, 275), Image.BOX))).mean() < 3
        contains(f.ome_metadata, 'PhysicalSizeX="2"')
        equal(len(f.pages), 1)
        equal(f.pages[0].tags["SubIFDs"].count, 2)
    with tifffile.TiffFile(heat(path, folder, "ome-float", "--um-per-px", 2)) as f:
        numbers = f.series[0].asarray()
        equal((numbers.dtype, numbers.shape), (np.dtype("float32"), (550, 750)))
        x, y = coords[-1]
        equal(float(numbers[int((y + 112) * MPP / 2), int((x + 112) * MPP / 2)]), 1.0)
        assert np.isnan(numbers[-1, -1]) and numbers[60, 200] == 0
        small = f.series[0].levels[1].asarray()
        assert np.nanmax(small) == 1 and np.isnan(small).any()
    slide = openslide.OpenSlide(heat(path, folder, "tiff", "--um-per-px", 2, "--map-only", "--quality", 95))
    equal(slide.level_dimensions, ((750, 550), (375, 275), (187, 137)))
    read_back = np.asarray(slide.read_region((0, 0), 0, size).convert("RGB")).astype(int)
    assert np.abs(read_back - png).mean() < 3


def test_deep_zoom(folder):
    """tiles of 254 px and an overlap of 1; as a folder and as one file"""
    path, *_ = made(folder)
    name = heat(path, folder, "dzi", "--um-per-px", 2, "--map-only")
    text = read(name)
    equal([re.search(f'{key}="([^"]+)"', text).group(1) for key in ("Overlap", "TileSize", "Width", "Height")], ["1", "254", "750", "550"])
    levels = os.path.join(folder, "a_files")
    equal(sorted(map(int, os.listdir(levels))), list(range(11)))
    equal(Image.open(os.path.join(levels, "10", "0_0.jpg")).size, (255, 255))
    equal(Image.open(os.path.join(levels, "10", "1_1.jpg")).size, (256, 256))
    equal(Image.open(os.path.join(levels, "0", "0_0.jpg")).size, (1, 1))
    again = microtome("heatmap", path, "-o", folder, "--to", "dzi", "--um-per-px", 2)
    equal(again.code, 64)
    contains(again.err, "it exists already, and is not to be replaced")
    heat(path, folder, "dzi", "--um-per-px", 4, "--force")
    equal(sorted(map(int, os.listdir(levels))), list(range(10)))
    for to in "szi", "zip":
        with zipfile.ZipFile(heat(path, folder, to, "--um-per-px", 2)) as f:
            equal(f.testzip(), None)
            names = f.namelist()
            assert any(n.endswith(".dzi") for n in names) and any(n.endswith("_files/10/0_0.jpg") for n in names), names[:5]
            assert to == "zip" or {i.compress_type for i in f.infolist()} == {zipfile.ZIP_STORED}
            assert not any(".tmp" in n for n in names), names
    equal([n for n in os.listdir(folder) if n.startswith(".tmp")], [])


def test_colours(folder):
    """a table of one's own; unread tiles hatched; a threshold leaves the slide"""
    path, coords, _, valid = made(folder)
    table = os.path.join(folder, "mine.csv")
    with open(table, "w") as f:
        f.write("# cold, hot\n0,0,0\n10,200,30\n")
    drawn = np.asarray(Image.open(heat(path, folder, "png", "--um-per-px", 2, "--colormap", table, "--map-only")))
    at = lambda i: drawn[int((coords[i][1] + 112) / 4), int((coords[i][0] + 112) / 4)].tolist()  # noqa: E731
    equal((at(0), at(3)), ([10, 200, 30], [0, 0, 0]))
    x, y = (coords[5] / 4).astype(int)
    unread = drawn[y + 5:y + 50, x + 5:x + 50].reshape(-1, 3)
    equal(len(np.unique(unread, axis=0)), 2)
    equal(drawn[-1, -1].tolist(), [255, 255, 255])
    drawn = np.asarray(Image.open(heat(path, folder, "png", "--um-per-px", 2, "--threshold", 0.5, "--map-only", "--force")))
    equal(at(3), [255, 255, 255])


def area(ring):
    x, y = np.array(ring[:-1]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def test_tables(folder):
    """tiles and hot regions: the same numbers in GeoJSON, CSV and JSON; corners at the tiles' own"""
    path, coords, scores, valid = made(folder)
    features = json.loads(read(heat(path, folder, "geojson")))["features"]
    regions = [f for f in features if f["properties"]["objectType"] == "annotation"]
    tiles = [f for f in features if f["properties"]["objectType"] == "detection"]
    equal((len(regions), len(tiles)), (2, len(coords)))
    equal(len({f["id"] for f in features}), len(features))
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}", f["id"]) for f in features)
    first, last = regions
    equal((first["properties"]["measurements"]["tiles"], first["properties"]["classification"]["name"]), (3, "tumour"))
    assert abs(area(first["geometry"]["coordinates"][0]) - 3 * TILE ** 2) < 3 * TILE * 2  # grid places are whole px
    assert abs(first["properties"]["measurements"]["area mm^2"] - 3 * (TILE * MPP / 1000) ** 2) < 1e-3
    box = np.array(last["geometry"]["coordinates"][0])
    assert np.abs(np.concatenate([box.min(0), box.max(0)]) - np.concatenate([coords[-1], coords[-1] + TILE])).max() <= 1
    for f, (x, y), score, ok in zip(tiles, coords, scores, valid):
        ring = f["geometry"]["coordinates"][0]
        equal((ring[0], ring[-1], len(ring)), ([x, y], [x, y], 5))
        assert abs(area(ring) - TILE ** 2) < 0.1
        equal(f["properties"].get("classification", {}).get("name"), "Unread" if not ok else "tumour" if score >= 0.5 else None)
        equal(f["properties"]["measurements"], {"value": score, "score_tumour": score} if ok else {})
    again = microtome("heatmap", path, "-o", folder + "/again", "--to", "geojson")
    equal(read(again.out.strip()), read(os.path.join(folder, "a.geojson")))
    only = json.loads(read(heat(path, folder, "geojson", "--regions-only", "--force")))["features"]
    equal(only, regions)
    rows = list(csv.DictReader(open(heat(path, folder, "csv"))))
    equal([(int(r["x"]), int(r["y"]), int(r["valid"])) for r in rows], [(x, y, ok) for (x, y), ok in zip(coords.tolist(), valid)])
    equal([r["score_tumour"] for r, ok in zip(rows, valid) if ok], ["%g" % s for s, ok in zip(scores, valid) if ok])
    equal(rows[5]["value"], "")
    table = json.loads(read(heat(path, folder, "json")))
    equal((table["class"], table["scale"], table["range"], table["mpp"]), ("tumour", "absolute", [0, 1], MPP))
    equal([c[:2] for c in table["tiles"]["coords"]], coords.tolist())
    equal(table["tiles"]["value"][5], None)
    equal([r["tiles"] for r in table["regions"]], [3, 1])


def test_volume(folder):
    """the map of a volume goes through the same files, on the plane with most of it"""
    path = os.path.join(folder, "ct.h5")
    truth = np.zeros((4, 60, 80), np.uint8)
    truth[2, 10:30, 20:60] = 1
    truth[2, 15:20, 30:40] = 0
    with h5py.File(path, "w", userblock_size=4096) as f:
        m = f.create_dataset("map/segmentation", data=truth, chunks=(1, 60, 80), compression="gzip")
        m.attrs["labels"] = ["1=nodule"]
    with open(path, "r+b") as f:
        f.write(b'{"schema":1,"id":"ct","status":"ok","mpp_x":700,"mpp_y":700}\n'.ljust(4096, b"\0"))
    (region,) = json.loads(read(heat(path, folder, "geojson")))["features"]
    outer, hole = region["geometry"]["coordinates"]
    equal((sorted(map(tuple, outer[:-1])), sorted(map(tuple, hole[:-1]))),
          (sorted([(20, 10), (60, 10), (60, 30), (20, 30)]), sorted([(30, 15), (40, 15), (40, 20), (30, 20)])))
    equal((area(outer), area(hole)), (800.0, -50.0))
    assert abs(region["properties"]["measurements"]["area mm^2"] - 750 * 0.49) < 1e-6
    with tifffile.TiffFile(heat(path, folder, "ome-float")) as f:
        equal(f.series[0].asarray().tolist(), truth[2].astype(float).tolist())


def test_refused(folder):
    """options and files that do not fit, with nothing left behind"""
    path, coords, scores, _ = made(folder)
    other = os.path.join(folder, "other.png")
    Image.fromarray(np.zeros((50, 60, 3), np.uint8)).save(other)
    with open(folder + "/bad.csv", "w") as f:
        f.write("1,2\n")
    out = os.path.join(folder, "out")
    for args, code, message in [
            (("--to", "bmp"), 64, "--to bmp: one of page, html, tiles, figure, figure-svg, figure-pdf, png, jpeg, webp, ome, ome-float, tiff, dzi, szi, zip, geojson, csv, json is wanted"),
            (("--scale", "log"), 64, "--scale log: absolute, percentile or zscore is wanted"),
            (("--range", "1,0"), 64, "--range 1,0: two numbers that rise are wanted"),
            (("--to", "png", "--slides", other), 65, "it is 60 x 50 px, and the result is of 3000 x 2200: it is of another slide"),
            (("--to", "png", "--slides", folder + "/none"), 66, "none"),
            (("--to", "webp", "--um-per-px", 0.05), 64, "is beyond the 16383 that webp holds: choose more µm/px, or ome, tiff or dzi"),
            (("--to", "png", "--alpha", 2), 64, "an opacity of 2 and a threshold of 0 are not both in 0..1"),
            (("--class", "stroma"), 64, "it has no class stroma: choose one of: tumour"),
            (("--colormap", "jet"), 64, "colour map jet is unknown"),
            (("--colormap", folder + "/bad.csv"), 65, "line 1: R,G,B of 0 to 255 are wanted"),
            (("--source", "attention"), 64, "it has no attention")]:
        answer = microtome("heatmap", path, "-o", out, *args)
        assert answer.code == code, (args, answer)
        contains(answer.err, message)
    equal(os.listdir(out) if os.path.isdir(out) else [], [])


main([test_formats, test_deep_zoom, test_colours, test_tables, test_volume, test_refused])
