#!/usr/bin/python3
"""Tiles by their definition, with OpenSlide and Pillow: the expected hashes of tests/unit/test_tile_reader.c.

    tile_reference.py DATA

writes tests/golden/tissue/tiles.csv: for each grid a few tiles with level-0 position and SHA-256 of tile_px x tile_px x 3 bytes.
A level is read whole from (0, 0), so its pixels are the stored ones, not OpenSlide's shifted ones.
"""
import hashlib
import math
import pathlib
import sys

import numpy as np
import openslide
from PIL import Image

HERE = pathlib.Path(__file__).parent / "tissue"
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
SVS, COMPOSED, PYRAMID = "wsi/aperio-cmu-1-small-region.svs", "wsi/derived/composed-open.tif", "wsi/derived/cmu-pyramid-jpeg.tif"
GRIDS = [  # input, slide mpp ("" where the file knows), tile_px, mpp, overlap, filter
    (SVS, "", 224, 0.5, 0, "bilinear"),
    (SVS, "", 256, 0.25, 0, "bilinear"),
    (SVS, "", 256, 1.0, 0, "bicubic"),
    (SVS, "", 256, 0.37, 0, "lanczos"),
    (SVS, "", 224, 0.5, 0.5, "bilinear"),
    (SVS, "", 256, 0.5, 0.3, "bicubic"),
    (SVS, "", 512, 2.3, 0, "bilinear"),
    (SVS, "", 256, 0, 0, "bilinear"),
    (COMPOSED, "0.499", 224, 0.5, 0, "bilinear"),
    (COMPOSED, "0.499", 224, 2.0, 0, "bilinear"),
    (COMPOSED, "0.499", 256, 3.992, 0, "bilinear"),
    (COMPOSED, "0.499", 256, 10.0, 0.25, "bicubic"),
    (PYRAMID, "0.499", 256, 1.0, 0, "bilinear"),
    (PYRAMID, "0.499", 224, 0.998, 0, "bilinear"),
    (PYRAMID, "0.499", 128, 4.1, 0.5, "lanczos"),
    (PYRAMID, "0.499,0.51", 128, 2.2, 0, "bilinear"),
]


def own_mpp(slide, given):
    if not given:
        return float(slide.properties["openslide.mpp-x"]), float(slide.properties["openslide.mpp-y"])
    values = [float(v) for v in given.split(",")]
    return values[0], values[-1]


def choose_level(dims, a):
    best, coarsest = 0, 0
    for level, (w, h) in enumerate(dims):
        dx, dy = dims[0][0] / w, dims[0][1] / h
        if dx <= 1.0001 * a[0] and dy <= 1.0001 * a[1] and dx * dy > coarsest:
            best, coarsest = level, dx * dy
    return best


def positions(size, tile_px, overlap, a):
    out, k = [], 0
    while True:
        x = math.floor(k * tile_px * (1 - overlap) * a + 0.5)
        if x >= size:
            return out
        out.append(x)
        k += 1


def crop_white(pixels, x0, y0, x1, y1):
    h, w = pixels.shape[:2]
    out = np.full((y1 - y0, x1 - x0, 3), 255, np.uint8)
    part = pixels[y0 : min(y1, h), x0 : min(x1, w)]
    out[: part.shape[0], : part.shape[1]] = part
    return out


def read_tile(pixels, d, a, tile_px, x, y, how):
    u, v, w, h = x / d[0], y / d[1], tile_px * a[0] / d[0], tile_px * a[1] / d[1]
    x0, y0 = math.floor(u), math.floor(v)
    image = Image.fromarray(crop_white(pixels, x0, y0, math.ceil(u + w), math.ceil(v + h)))
    if w == h == tile_px and x0 == u and y0 == v:
        return np.array(image)
    return np.array(image.resize((tile_px, tile_px), FILTERS[how], box=(u - x0, v - y0, u - x0 + w, v - y0 + h)))


def main(data):
    lines = ["input;slide_mpp;tile_px;mpp;overlap;filter;level;tiles;index;x;y;sha256".replace(";", ",")]
    levels = {}
    for name, given, tile_px, mpp, overlap, how in GRIDS:
        slide = openslide.OpenSlide(str(data / name))
        dims = slide.level_dimensions
        own = own_mpp(slide, given)
        a = (mpp / own[0], mpp / own[1]) if mpp else (1.0, 1.0)
        level = choose_level(dims, a) if mpp else 0
        if (name, level) not in levels:
            levels[name, level] = np.array(slide.read_region((0, 0), level, dims[level]))[:, :, :3]
        d = (dims[0][0] / dims[level][0], dims[0][1] / dims[level][1])
        tiles = [(x, y) for y in positions(dims[0][1], tile_px, overlap, a[1]) for x in positions(dims[0][0], tile_px, overlap, a[0])]
        n = len(tiles)
        for index in sorted({0, 1, n // 3, n // 2, n // 2 + 1, (7 * n) // 9, n - 1} & set(range(n))):
            tile = read_tile(levels[name, level], d, a, tile_px, *tiles[index], how)
            row = [name, f'"{given}"', tile_px, mpp, overlap, how, level, n, index, *tiles[index], hashlib.sha256(tile.tobytes()).hexdigest()]
            lines.append(",".join(map(str, row)))
    (HERE / "tiles.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
