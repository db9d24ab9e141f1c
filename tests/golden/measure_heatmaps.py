"""Seconds and memory of the heatmap's files on a slide of 80,000 x 80,000 px with about 70,000 tiles.  By hand.

usage: measure_heatmaps.py MICROTOME [--side 80000] [--folder DIR] [--repeat 3]      DIR keeps slide and result (1 GB) for the next time

The slide is a JPEG pyramid of factors 2 whose tissue is one of 16 textures a tile, the rest bare glass; the result is written with h5py: tiles
of 224 px at 0.5 µm/px on the tissue, attention, tile scores of two classes, outlines, thumbnail.
"""
import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import tifffile
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from made_results import write_headline  # noqa: E402

STORED, TILE, MPP = 512, 224, 0.5
GOALS = {"png": 2, "ome": 20, "geojson": 5}  # seconds; and 600 MB each


def encoded(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=80)
    return out.getvalue()


def tissue_field(side, step):
    """1 in half of the slide, in smooth blobs; a value for every `step` px."""
    n = -(-side // step)
    y, x = np.mgrid[0:n, 0:n] * (step / side)
    inside = np.hypot(x - 0.5, y - 0.5) < 0.49
    return inside & (np.sin(9 * x + 3 * np.sin(7 * y)) + np.cos(8 * y + 2 * np.sin(5 * x)) > -0.78)


def write_slide(path, side):
    rng = np.random.default_rng(1)
    noise = rng.integers(-40, 40, (16, STORED // 4, STORED // 4, 3)).repeat(4, 1).repeat(4, 2) + rng.integers(-12, 12, (16, STORED, STORED, 3))
    tissue = [encoded(np.clip((205, 140, 185) + n, 0, 255).astype(np.uint8)) for n in noise]
    glass = encoded(np.full((STORED, STORED, 3), 243, np.uint8))
    tifffile.tifffile.imagecodecs.jpeg_encode = None  # it asks whether it could encode, and is given tiles that are
    with tifffile.TiffWriter(path, bigtiff=True) as f:
        edge, level = side, 0
        while edge > STORED:
            across = -(-edge // STORED)
            field = tissue_field(side, STORED << level)
            tiles = (tissue[(7 * x + 3 * y) % 16] if field[min(y, len(field) - 1), min(x, len(field) - 1)] else glass
                     for y in range(across) for x in range(across))
            f.write(tiles, shape=(edge, edge, 3), dtype=np.uint8, tile=(STORED, STORED), compression="jpeg", photometric="ycbcr",
                    subsampling=(2, 2), resolution=(10000 / MPP / 2 ** level,) * 2, resolutionunit=3, subfiletype=1 if level else 0)
            edge, level = edge // 2, level + 1


def outlines(side):
    """Rings of the tissue as its mask at 64 px has them: a rectangle a run of a row, thousands of points."""
    step = 64 * max(1, side // 80000) * 4
    points, offsets = [], [0]
    for y, row in enumerate(tissue_field(side, step)):
        on = np.flatnonzero(np.diff(np.r_[False, row, False]))
        for x0, x1 in zip(on[::2], on[1::2]):
            points += [[x0 * step, y * step], [x1 * step, y * step], [x1 * step, (y + 1) * step], [x0 * step, (y + 1) * step]]
            offsets.append(len(points))
    return np.minimum(points, side).astype(np.int32), np.array(offsets, np.int64)


def write_result(path, side):
    field = tissue_field(side, TILE)
    n = side // TILE
    y, x = np.nonzero(field[:n, :n])
    coords = np.stack([x, y], 1).astype(np.int64) * TILE
    rng = np.random.default_rng(2)
    hot = np.exp(-np.hypot(coords[:, 0] / side - 0.4, coords[:, 1] / side - 0.6) * 6)
    score = np.clip(hot + rng.normal(0, 0.08, len(coords)), 0, 1).astype(np.float32)
    logits = (4 * score + rng.normal(0, 0.2, len(coords))).astype(np.float32)
    attention = np.exp(logits - logits.max())
    points, offsets = outlines(side)
    with h5py.File(path, "w", userblock_size=4096) as f:
        c = f.create_dataset("coords", data=coords)
        c.attrs["tile_level0"] = np.array([TILE, TILE], float)
        c.attrs["level0_width"] = c.attrs["level0_height"] = side
        f["valid"] = (rng.random(len(coords)) > 0.0005).astype(np.uint8)
        f["attention"] = (attention / attention.sum())[:, None]
        f["attention_logits"] = logits[:, None]
        f.create_dataset("tile_scores", data=np.stack([1 - score, score], 1)).attrs["labels"] = ["normal", "tumour"]
        f["thumbnail"] = np.where(tissue_field(side, side // 1024)[:1024, :1024, None], (205, 140, 185), (243, 243, 243)).astype(np.uint8)
        f["tissue/points"], f["tissue/offsets"], f["tissue/kinds"] = points, offsets, np.zeros(len(offsets) - 1, np.uint8)
    write_headline(path, {"schema": 1, "id": "big", "status": "ok", "positive": "tumour", "mpp_x": MPP, "mpp_y": MPP})
    return len(coords)


# a process of its own and small: what is forked from a large one counts the large one's memory
LAUNCH = """
import os, sys, time
began = time.monotonic()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(child, 0)
assert status == 0
print(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


def measure(program, args):
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCH, os.path.abspath(program), "heatmap", *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(map(float, done.stdout.split()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--side", type=int, default=80000)
    parser.add_argument("--folder")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    folder = given.folder or tempfile.mkdtemp(prefix="microtome-big-")
    os.makedirs(folder, exist_ok=True)
    slide, result, out = (os.path.join(folder, n) for n in ("big.tif", "big.h5", "out"))
    if not os.path.exists(slide):
        write_slide(slide + ".part", given.side)
        os.rename(slide + ".part", slide)
    n = write_result(result, given.side)
    print(f"{given.side} x {given.side} px, {n} tiles, {os.path.getsize(slide) / 1e6:.0f} MB slide, {os.cpu_count()} CPUs; best of {given.repeat}")
    print(f"{'':40}{'seconds':>9}{'CPU s':>8}{'MiB':>7}{'MB file':>9}  goal")
    at_8 = ("--um-per-px", 8, "--slides", slide)
    for name, to, args in [("PNG over the slide, 8 µm/px", "png", at_8), ("OME-TIFF over the slide, 8 µm/px", "ome", at_8),
                           ("GeoJSON of all tiles", "geojson", ()), ("PNG over the stored picture, 8 µm/px", "png", at_8[:2]),
                           ("OME-TIFF of the numbers, 8 µm/px", "ome-float", at_8[:2]), ("OME-TIFF over the slide, 2 µm/px", "ome", ("--um-per-px", 2, *at_8[2:])),
                           ("CSV", "csv", ()), ("JSON", "json", ())]:
        best = min(measure(given.program, (result, "-o", out, "--to", to, "--force", *args)) for _ in range(given.repeat))
        size = max(os.path.getsize(os.path.join(out, f)) for f in os.listdir(out))
        goal = f"{GOALS[to]} s, 600 MB" if "over the slide, 8" in name or to == "geojson" else ""
        print(f"{name:40}{best[0]:9.2f}{best[1]:8.2f}{best[2]:7.0f}{size / 1e6:9.1f}  {goal}", flush=True)
        shutil.rmtree(out)
    if not given.folder:
        shutil.rmtree(folder)


main()
