"""`tile --compat` and `run --compat` against CLAM's and TRIDENT's rules in Python: coordinates equal, tiles equal bit for bit.

Slides: the real one, and pyramids cut from it whose downsamples are whole, just above and just below whole numbers."""
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from harness import Skip, contains, data, equal, main, microtome  # noqa: E402

try:
    import h5py
    import numpy as np
    import openslide
    from PIL import Image
    import clam_reference
    import compat_reference
except ImportError as missing:
    h5py = None
    WHY = f"{missing.name} is not installed"

# name: mpp of the file (None: it has one), levels
PYRAMIDS = {"whole": [(2208, 2944), (1104, 1472), (552, 736)], "above": [(2220, 2967), (1110, 1483), (555, 741), (277, 370)],
            "below": [(2208, 2944), (1112, 1484), (557, 742)], "pieces": [(2600, 3000), (1300, 1500)]}


drawn = tempfile.TemporaryDirectory(prefix="microtome-pyramids-")


def slides():
    """By name; the pyramids are drawn once, for both tests."""
    if h5py is None:
        raise Skip(WHY)
    folder = drawn.name
    real = data("wsi", "aperio-cmu-1-small-region.svs")
    image = openslide.OpenSlide(real).read_region((0, 0), 0, (2220, 2967)).convert("RGB")
    found = {"real": real}
    for name, sizes in PYRAMIDS.items():
        found[name] = os.path.join(folder, name + ".tif")
        if not os.path.exists(found[name]):
            crop = image.crop((0, 0, *sizes[0]))
            if name == "pieces":
                crop = Image.fromarray(clam_reference.paint(*sizes[0]))  # many contours, with holes and islands in them
            levels = [(w, h, np.array(crop.resize((w, h), Image.BOX))) for w, h in sizes]
            clam_reference.write_pyramid(pathlib.Path(found[name]), levels, effort=1)
    return found


def polygons_of_geojson(path):
    found = []
    for feature in json.loads(pathlib.Path(path).read_text())["features"]:
        geometry = feature["geometry"]
        for rings in geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]:
            rings = [np.array(r[:-1]) for r in rings]
            found.append((rings[0], rings[1:]))
    return found


def polygons_of_clam(path, preset):
    found = []
    for ring, hole in clam_reference.clam(clam_reference.Slide(path), preset)[0]:
        if hole:
            found[-1][1].append(ring.reshape(-1, 2))
        else:
            found.append((ring.reshape(-1, 2), []))
    return found


def cut(folder, path, *options):
    out = os.path.join(folder, "tiles")
    shutil.rmtree(out, ignore_errors=True)
    answer = microtome("tile", "-o", out, *options, path, timeout=1200)
    equal((answer.code, answer.err), (0, ""))
    with h5py.File(os.path.join(out, "coords.h5")) as f:
        return out, f["coords"][:], dict(f["coords"].attrs)


def compare_tiles(out, coords, tool):
    for x, y in coords.tolist():
        ours = np.array(Image.open(os.path.join(out, f"{x}_{y}.png")).convert("RGB"))
        wanted = np.array(tool.tile(x, y))
        assert np.array_equal(ours, wanted), (x, y, int(np.abs(ours.astype(int) - wanted).max()), int((ours != wanted).sum()))
    return len(coords)


def check_trident(folder, name, path, mask, mpp, magnification, tile_px, overlap_px, share):
    slide = openslide.OpenSlide(path)
    tool = compat_reference.Trident(slide, mpp or float(slide.properties["openslide.mpp-x"]), magnification, tile_px, overlap_px)
    own = ["--slide-mpp", str(mpp)] if mpp else []
    if mask == "none":
        polygons = None
    elif mask == "otsu":
        equal(microtome("tissue", "-o", os.path.join(folder, "tissue"), *own, path).code, 0)
        polygons = polygons_of_geojson(os.path.join(folder, "tissue", "tissue.geojson"))
    else:
        polygons = polygons_of_clam(path, mask[5:])
    options = ["--compat", "trident", "--off-contract", "--mpp", str(10 / magnification), "--tile", str(tile_px), "--overlap",
               repr(overlap_px / tile_px), "--mask", mask] + (["--min-share", str(share)] if share else []) + own
    out, coords, attributes = cut(folder, path, *options)
    wanted = tool.coords(polygons, share)
    equal(coords.tolist(), [list(c) for c in wanted])
    equal([attributes[k] for k in ("patch_size", "overlap", "level0_magnification", "target_magnification", "patch_size_level0",
                                   "level0_width", "level0_height", "patch_level")],
          [tile_px, overlap_px, tool.source, magnification, tool.patch_size_level0, *slide.dimensions, tool.level])
    n = compare_tiles(out, coords, tool)
    print(f"# trident {name} {mask} {mpp} {magnification}x {tile_px}/{overlap_px} share {share}: {len(coords)} coordinates, {n} tiles equal, "
          f"level {tool.level}, {tool.window} px")
    return n


def test_trident(folder):
    paths, n = slides(), 0
    for case in [("real", "otsu", None, 20, 256, 0, 0), ("real", "clam:biopsy", None, 20, 224, 32, 0), ("real", "none", None, 10, 256, 64, 0),
                 ("real", "clam:biopsy", None, 5, 64, 0, 0), ("real", "otsu", None, 10, 100, 10, 0.3), ("real", "otsu", None, 40, 512, 0, 0),
                 ("real", "clam:biopsy", None, 20, 96, 0, 0.7), ("whole", "otsu", 0.25, 20, 128, 0, 0), ("whole", "clam:biopsy", 0.25, 10, 64, 16, 0),
                 ("whole", "otsu", 0.2638, 20, 96, 0, 0), ("whole", "otsu", 0.19996, 20, 96, 0, 0), ("whole", "clam:biopsy", 0.1504, 60, 250, 0, 0),
                 ("whole", "otsu", 0.1504, 60, 224, 7, 0), ("above", "otsu", 0.25, 20, 128, 0, 0), ("above", "clam:biopsy", 0.2528, 10, 64, 0, 0.5),
                 ("pieces", "otsu", 0.25, 20, 32, 0, 0), ("pieces", "otsu", 0.25, 40, 128, 0, 0), ("pieces", "otsu", 0.25, 40, 300, 0, 0),
                 ("pieces", "clam:biopsy", 0.25, 20, 64, 0, 0), ("pieces", "otsu", 0.25, 20, 64, 0, 0.25),
                 ("above", "otsu", 0.25, 5, 32, 0, 0), ("below", "otsu", 0.25, 10, 64, 0, 0), ("below", "otsu", 0.25, 20, 64, 8, 0.9)]:
        name = case[0]
        n += check_trident(folder, name, paths[name], *case[1:])
    assert n > 2500, n


def check_clam(folder, name, path, preset, level, tile_px, overlap_px):
    slide = openslide.OpenSlide(path)
    tool = compat_reference.Clam(slide, level, tile_px, overlap_px)
    mpp = [] if name == "real" else ["--slide-mpp", "0.25"]
    out, coords, attributes = cut(folder, path, "--compat", "clam", "--patch-level", level, "--tile", tile_px, "--overlap",
                                  repr(overlap_px / tile_px), "--mask", "clam:" + preset, *mpp)
    equal(coords.tolist(), [list(c) for c in tool.coords(polygons_of_clam(path, preset))])
    size = list(slide.level_dimensions[level])
    equal([np.array(attributes[k]).tolist() for k in ("patch_size", "patch_level", "downsample", "level_dim", "downsampled_level_dim")],
          [tile_px, level, list(tool.downsample), size, size])
    n = compare_tiles(out, coords, tool)
    print(f"# clam {name} {preset} level {level} {tile_px}/{overlap_px}: {len(coords)} coordinates, {n} tiles equal")
    return n


def test_clam(folder):
    paths, n = slides(), 0
    for case in [("real", "biopsy", 0, 224, 32), ("real", "biopsy", 0, 65, 0), ("whole", "biopsy", 0, 256, 128),
                 ("whole", "biopsy", 1, 128, 0), ("whole", "biopsy", 2, 32, 0), ("pieces", "biopsy", 0, 128, 0), ("pieces", "biopsy", 1, 64, 0), ("above", "biopsy", 1, 96, 16), ("above", "biopsy", 3, 16, 0),
                 ("below", "biopsy", 1, 64, 0), ("below", "biopsy", 2, 33, 0)]:
        found = check_clam(folder, case[0], paths[case[0]], *case[1:])
        n += found
    assert n > 2000, n


if __name__ == "__main__":
    main([test_trident, test_clam])
