"""Heatmaps of what is no slide: the mask of a CT, a fundus photograph's map and grade, through every file.

usage: test_heatmap_cases.py MICROTOME SYNTHETIC SOURCE PHANTOMS
"""
import json
import os
import subprocess
import sys
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SOURCE, contains, equal, main, microtome, read  # noqa: E402

try:
    import h5py
    import numpy as np
    import openslide
    import tifffile
    from PIL import Image
    from made_heatmaps import decoded, heat  # noqa: E402
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

PHANTOMS = os.path.abspath(sys.argv[4])


def result_of(folder, kind, recipe):
    """A phantom of this kind, run through its recipe: the result and the picture."""
    made, out = os.path.join(folder, kind), os.path.join(folder, recipe)
    if not os.path.isdir(made):
        subprocess.run([PHANTOMS, kind, "-o", made, "--count", "1", "--seed", "5"], check=True, capture_output=True, timeout=300)
    (name,) = (n for n in os.listdir(made) if n.endswith((".nii.gz", ".png")))
    answer = microtome("run", "-r", os.path.join(SOURCE, "samples", "recipes", recipe, "recipe.ini"), "-o", out, os.path.join(made, name))
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    return os.path.join(out, "cases", name.split(".")[0] + ".h5"), os.path.join(made, name)


def all_files(result, folder, size, *args):
    """Every picture of the heat, the same size in an independent reader; the colours of the PNG."""
    png = np.asarray(Image.open(heat(result, folder, "png", *args))).astype(int)
    equal(png.shape, (size[1], size[0], 3))
    for to in "jpeg", "webp":
        other = np.asarray(Image.open(heat(result, folder, to, "--quality", 95, *args))).astype(int)
        assert np.abs(other - png).mean() < 4, (to, np.abs(other - png).mean())
    with tifffile.TiffFile(heat(result, folder, "ome", "--quality", 95, *args)) as f:
        assert f.is_ome and np.abs(decoded(f.pages[0]) - png).mean() < 4
    with openslide.OpenSlide(heat(result, folder, "tiff", "--quality", 95, *args)) as s:
        equal(s.dimensions, size)
        assert np.abs(np.asarray(s.read_region((0, 0), 0, size).convert("RGB")).astype(int) - png).mean() < 4
    contains(read(heat(result, folder, "dzi", *args)), f'Width="{size[0]}"')
    with zipfile.ZipFile(heat(result, folder, "szi", *args)) as f:
        equal(f.testzip(), None)
    for to in "figure-svg", "page":
        assert os.path.getsize(heat(result, folder, to, *args)) > 1000
    return png


def numbers_of(result, folder, *args):
    with tifffile.TiffFile(heat(result, folder, "ome-float", "--force", *args)) as f:
        return f.series[0].asarray()


def regions_of(result, folder, *args):
    return json.loads(read(heat(result, folder, "geojson", "--force", *args)))["features"]


def box(feature):
    ring = np.array(feature["geometry"]["coordinates"][0])
    return [*ring.min(0), *ring.max(0)]


def box_of(mask):
    y, x = np.nonzero(mask)
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


def test_ct(folder):
    """the mask and the probability of a CT: the plane, its px, its regions with their area, another plane when asked"""
    result, scan = result_of(folder, "ct-nodules", "ct_nodules")
    with h5py.File(result) as f:
        mask, probability = f["map/segmentation"][:], f["map/probability"][:]
        mpp = 1000 * 0.7
    size = (mask.shape[2], mask.shape[1])
    table = json.loads(read(heat(result, folder, "json", "--source", "segmentation")))
    plane = table["plane"]
    equal((plane, table["class"], table["size"]), (int(mask.sum((1, 2)).argmax()), "nodule", list(size)))
    equal(numbers_of(result, folder, "--source", "segmentation").tolist(), (mask[plane] == 1).astype(float).tolist())
    found = numbers_of(result, folder, "--source", "probability", "--plane", plane - 4)
    assert np.abs(found - probability[plane - 4]).max() < 1e-6
    regions = regions_of(result, folder, "--source", "segmentation")
    assert abs(sum(r["properties"]["measurements"]["area mm^2"] for r in regions) - mask[plane].sum() * (mpp / 1000) ** 2) < 0.01
    equal(sum(r["properties"]["measurements"]["area px^2"] for r in regions), mask[plane].sum())
    boxes = np.array([box(r) for r in regions])
    equal([*boxes[:, :2].min(0), *boxes[:, 2:].max(0)], box_of(mask[plane]))
    png = all_files(result, folder, size, "--source", "segmentation", "--alpha", 1, "--map-only", "--threshold", 0.5)
    equal(((png != 255).any(-1) != (mask[plane] == 1)).sum(), 0)
    answer = microtome("heatmap", result, "-o", folder, "--to", "png", "--slides", scan, "--force")
    equal(answer.code, 65)
    contains(answer.err, "its samples are not of 8 bits: leave the slide out to draw over the stored picture")


def test_fundus(folder):
    """a photograph without µm/px: disc and cup over the picture itself, and a grade that is one tile"""
    result, photograph = result_of(folder, "fundus", "cup_to_disc")
    with h5py.File(result) as f:
        mask = f["map/segmentation"][0]
    picture = np.asarray(Image.open(photograph).convert("RGB")).astype(int)
    size = (mask.shape[1], mask.shape[0])
    equal(picture.shape[:2], mask.shape)
    hot = ("--alpha", 1, "--threshold", 0.5)
    png = all_files(result, folder, size, "--slides", photograph, *hot)
    changed = (np.abs(png - picture).max(-1) > 1)
    equal(changed[mask == 0].sum(), 0)
    assert changed[mask > 0].mean() > 0.95
    equal(numbers_of(result, folder, "--class", "cup").tolist(), (mask == 2).astype(float).tolist())
    (disc,) = regions_of(result, folder)
    equal((box(disc), disc["properties"]["measurements"]["area px^2"], "area mm^2" in disc["properties"]["measurements"]),
          (box_of(mask > 0), (mask > 0).sum(), False))
    answer = microtome("heatmap", result, "-o", folder, "--to", "png", "--um-per-px", 8, "--force")
    equal(answer.code, 65)
    contains(answer.err, "the µm/px of the case are unknown: leave the resolution out")
    grade, photograph = result_of(folder, "fundus", "dr_grading")
    assert np.asarray(Image.open(heat(grade, folder, "png", "--slides", photograph, "--force"))).shape[:2] == mask.shape
    with h5py.File(grade) as f:
        labels, scores = list(f["prediction/scores"].attrs["labels"]), f["prediction/scores"][:]
    found = numbers_of(grade, folder, "--class", "mild")
    assert np.abs(found[100:400, 100:400] - scores[labels.index("mild")]).max() < 1e-6


main([test_ct, test_fundus])
