"""heatmap --to tiles and --to figure: the pixels of the right tiles, a scale bar of the right length, the same bytes twice.

usage: test_heatmap_figures.py MICROTOME SYNTHETIC SOURCE
"""
import base64
import io
import os
import re
import sys
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import contains, equal, main, microtome, read  # noqa: E402

try:
    import h5py
    import numpy as np
    import tifffile
    from PIL import Image
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

SIDE, TILE, MPP = 2048, 256, 0.25
GAP, CELL, TEXT, HEAD, BAND = 16, 192, 56, 76, 34  # of a sheet, px


def case(folder, name="a", mpp=MPP, scores=None):
    """Tile (x, y) has a colour of its own on the slide and rises in score from left to right, top to bottom; the last is unread."""
    columns = SIDE // TILE
    coords = np.array([[x * TILE, y * TILE] for y in range(columns) for x in range(columns)], np.int64)
    scores = np.linspace(0, 1, len(coords), dtype=np.float32)[:, None] if scores is None else scores
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    for i, (x, y) in enumerate(coords):
        picture[y:y + TILE, x:x + TILE] = colour(i)
    slide = os.path.join(folder, name + ".tif")
    with tifffile.TiffWriter(slide) as f:
        f.write(picture, tile=(256, 256), photometric="rgb", resolution=(10000 / MPP, 10000 / MPP), resolutionunit=3)
        f.write(picture[::4, ::4], tile=(256, 256), photometric="rgb", subfiletype=1)
    valid = np.ones(len(coords), np.uint8)
    valid[-1] = 0
    path = os.path.join(folder, name + ".h5")
    with h5py.File(path, "w", userblock_size=4096) as f:
        c = f.create_dataset("coords", data=coords)
        c.attrs["tile_level0"] = np.array([TILE, TILE], float)
        c.attrs["level0_width"], c.attrs["level0_height"] = SIDE, SIDE
        f["valid"] = valid
        t = f.create_dataset("tile_scores", data=scores)
        t.attrs["labels"] = ["tumour"]
        f["thumbnail"] = np.ascontiguousarray(picture[::8, ::8])
    unit = f',"mpp_x":{mpp},"mpp_y":{mpp}' if mpp else ""
    with open(path, "r+b") as f:
        f.write((f'{{"schema":1,"id":"{name}","status":"ok"{unit}}}' + "\n").encode().ljust(4096, b"\0"))
    return path, slide, scores[:, 0]


def colour(i):
    return 40 + 3 * i, 255 - 3 * i, 30 + (i * 37) % 200


def draw(path, folder, to, *args):
    answer = microtome("heatmap", path, "-o", folder, "--to", to, *args)
    equal((answer.code, answer.err), (0, ""))
    return answer.out.strip()


def cell(sheet, place, top):
    x, y = GAP + place % 6 * (CELL + GAP), top + GAP + place // 6 * (CELL + TEXT + GAP)
    return sheet[y + 4:y + CELL - 4, x + 4:x + CELL - 4]


def test_tiles(folder):
    """the sheet shows the highest and the lowest tiles that were read, in order"""
    path, slide, _ = case(folder)
    sheet = np.asarray(Image.open(draw(path, folder, "tiles", "--slides", slide, "--top", 8, "--bottom", 3))).astype(int)
    low = HEAD + BAND + GAP + 2 * (CELL + TEXT + GAP) + BAND
    equal(sheet.shape, (low + GAP + CELL + TEXT + GAP + 34, GAP + 6 * (CELL + GAP), 3))
    for place in range(8):
        assert np.abs(cell(sheet, place, HEAD + BAND) - colour(62 - place)).max() <= 1, place
    for place in range(3):
        assert np.abs(cell(sheet, place, low) - colour(place)).max() <= 1, place
    marked = np.asarray(Image.open(draw(path, folder, "tiles", "--top", 1, "--bottom", 0, "--force"))).astype(int)
    red = (np.abs(cell(marked, 0, HEAD + BAND) - [190, 30, 45]) < 8).all(2)
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    assert abs(rows.mean() + 4 - 7.5 * 24) < 3 and abs(columns.mean() + 4 - 6.5 * 24) < 3, (rows, columns)  # tile 62 of 8 x 8


def test_figure(folder):
    """slide and map side by side, one scale bar each, at the right length; SVG and PDF hold text, and are the same twice"""
    path, slide, _ = case(folder)
    figure = np.asarray(Image.open(draw(path, folder, "figure", "--slides", slide, "--alpha", 1, "--colormap", "viridis"))).astype(int)
    px = 3  # of a pt
    panel = 344 * px
    left, right, top = 24 * px, (24 * 2 + 344) * px, 64 * px
    for i in 0, 9, 27, 40:
        at = top + (i // 8 * 2 + 1) * panel // 16, left + (i % 8 * 2 + 1) * panel // 16
        assert np.abs(figure[at] - colour(i)).max() <= 1, i
        assert np.abs(figure[at[0], at[1] + right - left] - colour(i)).max() > 10, i
    dark = (np.abs(figure - [24, 32, 46]) < 12).all(2)
    bar = dark[top + panel - 13 * px + 4, left + 2:left + panel - 2].sum()
    wanted = 100 / MPP / SIDE * panel  # a fourth of 512 um is 128: the bar is of 100
    assert abs(bar - wanted) <= 2, (bar, wanted)
    for to in "figure-svg", "figure-pdf":
        first = read(draw(path, folder, to, "--slides", slide), "rb")
        equal(read(draw(path, folder, to, "--slides", slide, "--force"), "rb"), first)
        if to == "figure-pdf":
            equal(first[:5], b"%PDF-")
            continue
        tree = xml.fromstring(first)
        pictures = [e.get("{http://www.w3.org/1999/xlink}href") for e in tree.iter("{http://www.w3.org/2000/svg}image")]
        sizes = [Image.open(io.BytesIO(base64.b64decode(re.sub("^data:image/png;base64,", "", p)))).size for p in pictures]
        equal(sizes, [(1200, 1200)] * 2)


def test_unknown_spacing(folder):
    """without um/px there is no scale bar"""
    path, slide, _ = case(folder, mpp=None)
    figure = np.asarray(Image.open(draw(path, folder, "figure"))).astype(int)
    box = figure[(64 + 344 - 28) * 3:(64 + 344 - 2) * 3, 24 * 3:(24 + 344) * 3]
    equal(bool((np.abs(box - [24, 32, 46]) < 12).all(2).any()), False)


def volume(folder, plane):
    """A volume of 6 planes whose map is hot on plane 4 alone; the stored picture, all of one colour, is of `plane`."""
    path = os.path.join(folder, f"v{plane}.h5")
    labels = np.zeros((6, 64, 80), np.uint8)
    labels[4, 20:30, 40:60] = 1
    with h5py.File(path, "w", userblock_size=4096) as f:
        f["map/segmentation"] = labels
        f["map/segmentation"].attrs["labels"] = ["1=nodule"]
        f["geometry/size"] = np.array([80, 64, 6], np.int64)
        f["thumbnail"] = np.full((64, 80, 3), (40, 90, 200), np.uint8)
        if plane is not None:
            f["thumbnail"].attrs["plane"] = plane
    with open(path, "r+b") as f:
        f.write((f'{{"schema":1,"id":"v{plane}","status":"ok"}}' + "\n").encode().ljust(4096, b"\0"))
    return path


def test_planes(folder):
    """the heat of a volume lies on the picture of its own plane, or on nothing: never on another's"""
    for plane, seen in (4, True), (3, False), (None, False):  # without a word it is the middle one, 3
        path = volume(folder, plane)
        figure = np.asarray(Image.open(draw(path, folder, "figure", "--alpha", 0.5))).astype(int)
        y = 64 * 3 + int(344 * 64 / 80 * 3 * 0.1)  # in the picture, above the heat
        equal(bool(np.abs(figure[y, (24 + 20) * 3] - [40, 90, 200]).max() < 3), seen)
        page = np.asarray(Image.open(draw(path, folder, "page"))).astype(int)
        hot = (page[..., 0] - page[..., 1] > 90) & (page[..., 0] > 120)
        rows, columns = np.flatnonzero(hot[200:1000, :1000].any(1)), np.flatnonzero(hot[200:1000, :1000].any(0))
        assert len(rows) > 100 and len(columns) > 200, (plane, len(rows), len(columns))


def test_refused(folder):
    """what cannot be shown, and what exists, is refused by name; nothing is left"""
    path, slide, scores = case(folder)
    out = os.path.join(folder, "none")
    for to, args, code, message in [
            ("tiles", ("--top", 0, "--bottom", 0), 64, "0 and 0 are not 0 to 200 tiles, and one at least"),
            ("tiles", ("--top", 201), 64, "201 and 6 are not"),
            ("figure-doc", (), 64, "--to figure-doc: one of page, html, tiles, figure"),
            ("tiles", ("--slides", os.path.join(folder, "other.tif")), 65, "other.tif: it is 300 x 200 px")]:
        tifffile.imwrite(os.path.join(folder, "other.tif"), np.zeros((200, 300, 3), np.uint8), photometric="rgb", tile=(64, 64))
        answer = microtome("heatmap", path, "-o", out, "--to", to, *args)
        equal(answer.code, code)
        contains(answer.err, message)
    equal(os.listdir(out) if os.path.isdir(out) else [], [])
    with h5py.File(path, "r+") as f:
        f["valid"][:] = 0
    answer = microtome("heatmap", path, "-o", out, "--to", "tiles")
    equal(answer.code, 65)
    contains(answer.err, "the case has no tile that was read")
    for to in "tiles", "figure", "figure-svg":
        path = case(folder, "b")[0]
        draw(path, out, to)
        answer = microtome("heatmap", path, "-o", out, "--to", to)
        equal(answer.code, 64)
        contains(answer.err, "exists already")


main([test_tiles, test_figure, test_unknown_spacing, test_planes, test_refused])
