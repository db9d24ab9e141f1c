"""The heat lies where the tiles are: PNG, every level of OME-TIFF and plain TIFF, GeoJSON; pyramids of any factors, slides with bounds.

usage: test_heatmap_places.py MICROTOME SYNTHETIC SOURCE
"""
import csv
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SOURCE, equal, main, microtome, read  # noqa: E402

try:
    import h5py
    import numpy as np
    import openslide
    import tifffile
    from PIL import Image
    from made_heatmaps import HEIGHT, MPP, TILE, WIDTH, box_slide, decoded, edges, heat, inner_corners, made  # noqa: E402
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

HOT = ("--threshold", 0.5, "--alpha", 1)


def is_red(picture):
    picture = picture.astype(int)
    return (picture[..., 0] > 100) & (picture[..., 1] < 60) & (picture[..., 2] < 90)


def check_boxes(mask, per, truth, within, what):
    """mask: where the picture is hot, `per` level-0 px (x, y) a px; every edge of every tile is `within` px of its place."""
    per = np.broadcast_to(per, 2)
    for x, y in truth:
        x0, y0 = (int(max(0, (v - TILE / 2) // p)) for v, p in zip((x, y), per))
        x1, y1 = (int(np.ceil((v + TILE * 1.5) / p)) for v, p in zip((x, y), per))
        found = np.array(edges(mask[y0:y1, x0:x1])) + (x0, x0, y0, y0)
        wanted = np.array([x, x + TILE, y, y + TILE]) / per.repeat(2)
        assert np.abs(found - wanted).max() <= within, (what, found, wanted)


def test_png(folder):
    """PNG at any µm/px; over pyramids of factors 2, 4 and 3.7 the slide lies under it as exactly"""
    path, coords, _, _ = made(folder, hot=inner_corners())
    truth = coords[inner_corners()]
    for per in 1, 2, 3.3, 8:
        drawn = np.asarray(Image.open(heat(path, folder, "png", "--um-per-px", per * MPP, "--force", "--map-only", *HOT)))
        equal(drawn.shape[:2], (int(np.ceil(HEIGHT / per - 1e-6)), int(np.ceil(WIDTH / per - 1e-6))))
        check_boxes(is_red(drawn), per, truth, 1, per)
    for number, factors in enumerate([(2, 4), (4, 16), (3.7,), ()]):
        slide = os.path.join(folder, f"slide{number}.tif")
        box_slide(slide, factors, coords, inner_corners())
        for per in 2, 3.3, 8:
            clear = heat(path, folder, "png", "--um-per-px", per * MPP, "--slides", slide, "--force", "--threshold", 0.5, "--alpha", 0.01)
            check_boxes(np.asarray(Image.open(clear))[..., 1] < 140, per, truth, 1, (factors, per))


def test_pyramids(folder):
    """every level of OME-TIFF and plain TIFF: the heat, and the slide of an odd pyramid under it"""
    path, coords, _, _ = made(folder, hot=inner_corners())
    truth = coords[inner_corners()]
    slide = os.path.join(folder, "slide.tif")
    box_slide(slide, (3.7,), coords, inner_corners())
    for per in 1, 3.3:
        size = ("--um-per-px", per * MPP, "--force", "--quality", 95)
        with tifffile.TiffFile(heat(path, folder, "ome", *size, "--map-only", *HOT)) as f:
            pages = [f.pages[0], *f.pages[0].pages]
            equal(len(pages), len(f.series[0].levels))
            for k, page in enumerate(pages[:4]):
                check_boxes(is_red(decoded(page)), per * 2 ** k, truth, 1, ("ome", per, k))
        with tifffile.TiffFile(heat(path, folder, "ome", *size, "--slides", slide, "--threshold", 0.5, "--alpha", 0.01)) as f:
            for k, page in enumerate([f.pages[0], *f.pages[0].pages][:4]):
                check_boxes(decoded(page)[..., 1] < 140, per * 2 ** k, truth, 1, ("ome over the slide", per, k))
        plain = openslide.OpenSlide(heat(path, folder, "tiff", *size, "--map-only", *HOT))
        for k in range(min(4, plain.level_count)):
            pixels = np.asarray(plain.read_region((0, 0), k, plain.level_dimensions[k]).convert("RGB"))
            check_boxes(is_red(pixels), per * 2 ** k, truth, 1, ("tiff", per, k))
            assert abs(plain.level_downsamples[k] / 2 ** k - 1) * max(WIDTH, HEIGHT) / per <= 2 ** k, plain.level_downsamples  # as readers place it


def profile_edges(line):
    """Where a line of shares begins and ends, to fractions of a px."""
    on = np.flatnonzero(line > 1e-6)
    return on[0] + 1 - line[on[0]], on[-1] + line[on[-1]]


def test_floats(folder):
    """the numbers of every level of ome-float place each edge within 1 level-0 px, also with other µm/px across than down"""
    for mpp in (MPP, MPP), (0.5, 0.4):
        path, coords, _, _ = made(folder, hot=inner_corners(), unread=(), mpp=mpp)
        for um in 0.5, 2, 3.3:
            with tifffile.TiffFile(heat(path, folder, "ome-float", "--um-per-px", um, "--force")) as f:
                levels = [level.asarray() for level in f.series[0].levels]
            for k, numbers in enumerate(levels):
                per = np.array([um / mpp[0], um / mpp[1]]) * 2 ** k
                if TILE / per.max() < 4:
                    break
                for x, y in coords[inner_corners()]:
                    row, column = numbers[int((y + TILE / 2) / per[1])], numbers[:, int((x + TILE / 2) / per[0])]
                    half = (np.array([x, y]) + TILE / 2 - 0.75 * TILE) / per, (np.array([x, y]) + TILE / 2 + 0.75 * TILE) / per
                    found = []
                    for axis, line in enumerate((row, column)):
                        first, last = int(max(0, half[0][axis])), int(half[1][axis])
                        found += [(at + first) * per[axis] for at in profile_edges(line[first:last])]
                    wanted = [x, x + TILE, y, y + TILE]
                    assert np.abs(np.array(found) - wanted).max() <= 1, (mpp, um, k, found, wanted)


def ring(feature):
    return np.array(feature["geometry"]["coordinates"][0])


def test_geojson(folder):
    """GeoJSON: tiles and regions within 1 px; of a slide with bounds counted from their corner, in CSV from the plane's"""
    for corner in (0, 0), (400, 304):
        path, coords, _, _ = made(folder, hot=inner_corners(), bounds=(*corner, 2048, 1536) if any(corner) else None)
        features = json.loads(read(heat(path, folder, "geojson", "--force")))["features"]
        tiles = [ring(f) for f in features if f["properties"]["objectType"] == "detection"]
        regions = [ring(f) for f in features if f["properties"]["objectType"] == "annotation"]
        wanted = coords - corner
        for box, (x, y) in zip(tiles, wanted, strict=True):
            assert np.abs([*(box.min(0) - (x, y)), *(box.max(0) - (x + TILE, y + TILE))]).max() < 1e-3
        for i in inner_corners():
            x, y = wanted[i]
            off = [np.abs([*(box.min(0) - (x, y)), *(box.max(0) - (x + TILE, y + TILE))]).max() for box in regions]
            assert min(off) <= 1, off
        rows = list(csv.DictReader(open(heat(path, folder, "csv", "--force"))))
        equal([(int(r["x"]), int(r["y"])) for r in rows], [tuple(c) for c in coords.tolist()])


def image_of(name, levels, first, view):
    """An image of a Leica collection; view: x, y, width, height in nm."""
    dimensions = "".join(f'<dimension sizeX="{p.shape[1]}" sizeY="{p.shape[0]}" r="{i}" ifd="{first + i}"/>' for i, p in enumerate(levels))
    return (f'<image name="{name}" uuid="urn:uuid:0"><creationDate>2024-01-01T00:00:00Z</creationDate><device model="m" version="1"/>'
            f'<pixels sizeX="{levels[0].shape[1]}" sizeY="{levels[0].shape[0]}">{dimensions}</pixels>'
            '<view offsetX="{:.0f}" offsetY="{:.0f}" sizeX="{:.0f}" sizeY="{:.0f}" spacingZ="0"/>'.format(*view) +
            "<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings><illuminationSettings><numericalAperture>0.4"
            "</numericalAperture><illuminationSource>brightfield</illuminationSource></illuminationSettings></scanSettings></image>")


def leica_slide(path, picture, corner, canvas):
    """`picture` as a Leica SCN that was scanned at `corner` of a larger slide: OpenSlide's plane is the canvas, its bounds are the picture."""
    levels = [picture, np.asarray(Image.fromarray(picture).resize((picture.shape[1] // 4, picture.shape[0] // 4), Image.BOX))]
    macro = np.full((canvas[1] // 16, canvas[0] // 16, 3), 230, np.uint8)
    nm = 1000 * MPP
    inside, whole = [*corner, picture.shape[1], picture.shape[0]], [0, 0, *canvas]
    xml = ('<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01" uuid="urn:uuid:1"><collection name="c" '
           f'uuid="urn:uuid:2" sizeX="{canvas[0] * nm:.0f}" sizeY="{canvas[1] * nm:.0f}">' +
           image_of("main", levels, 1, [v * nm for v in inside]) + image_of("macro", [macro], 0, [v * nm for v in whole]) +
           "</collection></scn>")
    with tifffile.TiffWriter(path, bigtiff=True) as f:
        for i, page in enumerate([macro, *levels]):
            f.write(page, tile=(256, 256), photometric="rgb", description=xml if i == 0 else None, metadata=None, subfiletype=0,
                    resolution=(10000 / MPP, 10000 / MPP), resolutionunit=3)


def test_bounds(folder):
    """a slide with bounds, from the scan to the files: the tissue's corner in every one of them"""
    corner, canvas, box = (400, 304), (3008, 2208), (300, 200, 1500, 900)  # box: tissue in the picture
    picture = np.full((1536, 2048, 3), 240, np.uint8)
    tissue = np.random.default_rng(0).integers(-25, 25, (box[3] - box[1], box[2] - box[0], 3)) + (180, 90, 150)
    picture[box[1]:box[3], box[0]:box[2]] = tissue
    slide, out = os.path.join(folder, "a.scn"), os.path.join(folder, "out")
    leica_slide(slide, picture, corner, canvas)
    with openslide.OpenSlide(slide) as s:
        equal((s.dimensions, s.properties["openslide.bounds-x"], s.properties["openslide.bounds-y"]), (canvas, "400", "304"))
    answer = microtome("run", "-e", "builtin:demo", "-m", os.path.join(SOURCE, "samples/heads/demo.safetensors"), "--slide-mpp", MPP, "-o", out,
                       slide)
    equal(answer.code, 0)
    result = os.path.join(out, "cases", "a.h5")
    with h5py.File(result) as f:
        coords, points, bounds = f["coords"][:], f["tissue/points"][:], f["geometry/bounds"][:]
    equal(tuple(bounds), (*corner, 2048, 1536))
    assert np.abs(points.min(0) - (corner[0] + box[0], corner[1] + box[1])).max() < 40  # as the mask sees it
    features = json.loads(read(heat(result, folder, "geojson", "--scale", "percentile")))["features"]
    tiles = np.array([ring(f)[0] for f in features if f["properties"]["objectType"] == "detection"])
    equal(tiles.tolist(), (coords - corner).tolist())
    drawn = np.asarray(Image.open(heat(result, folder, "png", "--um-per-px", 2 * MPP, "--slides", slide, "--scale", "percentile", "--alpha", 1)))
    with openslide.OpenSlide(slide) as s:
        whole = Image.new("RGBA", canvas, (255, 255, 255, 255))
        whole.alpha_composite(s.read_region((0, 0), 0, canvas))
    under = np.asarray(whole.convert("RGB").resize((canvas[0] // 2, canvas[1] // 2), Image.BOX)).astype(int)
    hot = np.abs(drawn - under).max(-1) > 60
    low = np.maximum(points.min(0), coords.min(0)) / 2
    high = np.minimum(points.max(0), coords.max(0) + 224) / 2
    found = edges(hot)
    assert np.abs(np.array(found) - [low[0], high[0], low[1], high[1]]).max() <= 1, (found, low, high)
    bare = np.asarray(Image.open(heat(result, folder, "png", "--um-per-px", 2 * MPP, "--slides", slide, "--alpha", 0.001, "--force"))).astype(int)
    found = np.array(edges(bare[..., 1] < 165)) * 2
    assert np.abs(found - [corner[0] + box[0], corner[0] + box[2], corner[1] + box[1], corner[1] + box[3]]).max() <= 2, found


main([test_png, test_pyramids, test_floats, test_geojson, test_bounds])
