"""The public C API draws what the program draws: samples/export_heatmap.c and, by ctypes, samples/read_result.py.

usage: test_heatmap_library.py MICROTOME SYNTHETIC SOURCE EXPORT_HEATMAP [LIBRARY]      LIBRARY: libmicrotome.so, where Python can load it
"""
import csv
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SOURCE, Skip, contains, equal, main, read  # noqa: E402

try:
    import numpy as np
    from PIL import Image
    from made_heatmaps import box_slide, heat, made  # noqa: E402
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

EXPORT, LIBRARY = os.path.abspath(sys.argv[4]), os.path.abspath(sys.argv[5]) if len(sys.argv) > 5 else None


def started(*command, **more):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **more)


def same_pixels(a, b):
    equal(np.asarray(Image.open(a)).tolist() == np.asarray(Image.open(b)).tolist(), True)


def test_c(folder):
    """the C sample: PNG over the stored picture and the slide, GeoJSON and CSV, the same bytes as the program's"""
    path, coords, scores, _ = made(folder)
    slide = os.path.join(folder, "a.tif")
    box_slide(slide, (4,), coords, np.flatnonzero(scores))
    stem = os.path.join(folder, "mine")
    done = started(EXPORT, path, stem)
    equal((done.returncode, done.stdout, done.stderr), (0, f"tumour: tile score, {len(coords)} tiles\n", ""))
    for to in "geojson", "csv":
        equal(read(f"{stem}.{to}"), read(heat(path, folder, to)))
    json.loads(read(stem + ".geojson"))
    equal(len(list(csv.DictReader(open(stem + ".csv")))), len(coords))
    same_pixels(stem + ".png", heat(path, folder, "png", "--um-per-px", 8, "--alpha", 0.4))
    equal(started(EXPORT, path, stem, slide).returncode, 0)
    same_pixels(stem + ".png", heat(path, folder, "png", "--um-per-px", 8, "--alpha", 0.4, "--slides", slide, "--force"))
    for args, code, message in [((folder + "/none.h5", stem), 66, "none.h5"), ((path, stem, path), 65, "a.h5"), ((path,), 64, "usage: "),
                                ((path, folder + "/away/mine"), 74, "away/mine.png")]:
        done = started(EXPORT, *args)
        equal((args, done.returncode), (args, code))
        contains(done.stderr, message)


def test_python(folder):
    """the Python sample: scores and tiles by h5py, a heatmap by ctypes"""
    path, coords, scores, valid = made(folder)
    slide = os.path.join(folder, "a.tif")
    box_slide(slide, (4,), coords, np.flatnonzero(scores))
    sample, png = os.path.join(SOURCE, "samples", "read_result.py"), os.path.join(folder, "mine.png")
    done = started(sys.executable, sample, path)
    equal((done.returncode, done.stderr), (0, ""))
    contains(done.stdout, f"tiles     {len(coords)}, {valid.sum()} of them read")
    if LIBRARY is None:
        raise Skip("Python cannot load this build of the library")
    env = {**os.environ, "MICROTOME_LIBRARY": LIBRARY}
    for over in (), (slide,):
        done = started(sys.executable, sample, path, png, *over, env=env)
        equal((done.returncode, done.stderr), (0, ""))
        program = heat(path, folder, "png", "--um-per-px", 8, "--alpha", 0.4, "--scale", "percentile", "--force", *(("--slides", *over) if over else ()))
        same_pixels(png, program)
    done = started(sys.executable, sample, path, os.path.join(folder, "away", "mine.png"), env=env)
    equal(done.returncode, 1)
    contains(done.stderr, "read_result.py: create a temporary file for ")


main([test_c, test_python])
