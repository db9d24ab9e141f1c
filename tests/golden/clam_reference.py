#!/usr/bin/python3
"""Contours and CLAM masks by OpenCV, the expected values of tests/unit/test_contour.c and test_mask_clam.c.

    clam_reference.py DATA    (DATA: the shared sample data, MICROTOME_TEST_DATA)

writes tests/golden/tissue/: contour_*.npy (small binary masks), clam_synthetic.tif, no_pyramid.tif,
contours.csv and clam.csv.
The steps are written from the published description of CLAM's segmentation; cv2 4.6, NumPy, Pillow, OpenSlide.
"""
import hashlib
import pathlib
import struct
import sys
import zlib

import cv2
import numpy as np
import openslide
from PIL import Image

HERE = pathlib.Path(__file__).parent / "tissue"
PRESETS = {  # downsample, sthresh, mthresh, close, a_t, a_h, max_n_holes
    "default": (64, 8, 7, 4, 100, 16, 8),
    "heatmap": (32, 15, 11, 2, 50, 8, 10),
    "biopsy": (64, 15, 11, 2, 1, 1, 2),
    "resection": (64, 15, 11, 4, 100, 16, 8),
    "tcga": (64, 8, 7, 4, 16, 4, 8),
}


def sha(array, dtype):
    return hashlib.sha256(np.ascontiguousarray(array, dtype=dtype).tobytes()).hexdigest()


def rings_row(rings):
    """count, points, SHA-256 of all points, of the lengths, and of the hole flags; rings: list of (points, is_hole)."""
    points = np.concatenate([r.reshape(-1, 2) for r, _ in rings]) if rings else np.zeros((0, 2), np.int32)
    return [len(rings), len(points), sha(points, "<i4"), sha([len(r) for r, _ in rings], "<i8"), sha([h for _, h in rings], "u1")]


def find_rings(mask):
    contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [] if hierarchy is None else [(c, h[3] >= 0) for c, h in zip(contours, hierarchy[0])]


def contour_masks():
    rng = np.random.default_rng(7)
    masks = {}
    for density in (5, 30, 50, 62, 80, 97):
        masks[f"noise{density}"] = rng.random((61, 83)) * 100 < density
    blobs = cv2.GaussianBlur(rng.random((97, 129)), (0, 0), 4)
    masks["blobs"] = blobs > np.median(blobs)
    masks["full"] = np.ones((9, 7))
    masks["empty"] = np.zeros((5, 6))
    masks["row"] = rng.random((1, 50)) < 0.5
    masks["column"] = rng.random((50, 1)) < 0.5
    nested = np.zeros((45, 60))
    for i in range(0, 21, 2):
        nested[i : 45 - i, i : 60 - i] = (i // 2) % 2 == 0
    masks["nested"] = nested
    return {name: m.astype(np.uint8) * 255 for name, m in masks.items()}


def write_contours():
    lines = ["mask,rings,points,points_sha256,lengths_sha256,holes_sha256,areas2_sha256"]
    for name, mask in contour_masks().items():
        np.save(HERE / f"contour_{name}.npy", mask)
        rings = find_rings(mask)
        areas2 = [int(cv2.contourArea(c) * 2) for c, _ in rings]
        lines.append(",".join(map(str, [name] + rings_row(rings) + [sha(areas2, "<i8")])))
    (HERE / "contours.csv").write_text("\n".join(lines) + "\n")


def paint(width, height):
    """Pieces with holes of many sizes, islands in holes, faint and strong colour, specks."""
    rng = np.random.default_rng(11)
    image = np.full((1500, 1300, 3), 243, np.uint8)
    colours = [(215, 130, 180), (170, 90, 160), (238, 222, 234), (200, 150, 60)]
    for i, (x, y, a, b) in enumerate([(330, 350, 300, 330), (950, 340, 300, 250), (330, 1080, 310, 360), (960, 1060, 290, 400)]):
        cv2.ellipse(image, (x, y), (a, b), 20 * i, 0, 360, colours[i], -1)
        for k in range(9):
            at = (int(x + a * 0.6 * np.cos(k)), int(y + b * 0.6 * np.sin(k)))
            cv2.circle(image, at, 12 + 9 * k, (243, 242, 244), -1)
            cv2.circle(image, at, 3 * k, colours[(i + k) % 4], -1)
    for k in range(12):
        cv2.circle(image, (60 + 100 * k, 1470), 4 * k, colours[k % 4], -1)
    specks = rng.integers(0, 1300, (400, 2))
    image[specks[:, 1], specks[:, 0]] = (120, 20, 90)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST)


def write_pyramid(path, levels, effort=9):
    """A tiled deflate TIFF; a level is (width, height, image), or (edge, colours of tiles by number) instead of an image:
    all other tiles are glass and share one tile's bytes."""
    tile, out = 256, bytearray(b"II*\0\0\0\0\0")
    link = 4
    for number, (width, height, image) in enumerate(levels):
        painted = isinstance(image, tuple)
        edge = image[0] if painted else tile
        across, down = -(-width // edge), -(-height // edge)
        offsets, counts = [0] * (across * down), [0] * (across * down)
        if painted:
            for t, colour in [(None, (243, 242, 244)), *image[1].items()]:
                data = zlib.compress(np.full((edge, edge, 3), colour, np.uint8).tobytes(), 9)
                which = range(across * down) if t is None else [t]
                for k in which:
                    offsets[k], counts[k] = len(out), len(data)
                out += data
        else:
            padded = np.zeros((down * tile, across * tile, 3), np.uint8)
            padded[:height, :width] = image
            for t in range(across * down):
                y, x = t // across * tile, t % across * tile
                data = zlib.compress(padded[y : y + tile, x : x + tile].tobytes(), effort)
                offsets[t], counts[t] = len(out), len(data)
                out += data
        at_bits = len(out)
        out += struct.pack("<3H2x", 8, 8, 8)
        at_offsets = len(out)
        out += struct.pack(f"<{len(offsets)}I", *offsets)
        at_counts = len(out)
        out += struct.pack(f"<{len(counts)}I", *counts)
        many = len(offsets) > 1
        tags = [(254, 4, 1, int(number > 0)), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, at_bits), (259, 3, 1, 8), (262, 3, 1, 2),
                (277, 3, 1, 3), (284, 3, 1, 1), (322, 4, 1, edge), (323, 4, 1, edge),
                (324, 4, len(offsets), at_offsets if many else offsets[0]), (325, 4, len(counts), at_counts if many else counts[0])]
        out += b"\0" * (-len(out) % 2)
        struct.pack_into("<I", out, link, len(out))
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags)
        link = len(out)
        out += struct.pack("<I", 0)
    path.write_bytes(out)


def write_synthetic():
    """Level 0 is too large for a test and all glass; CLAM reads only the levels near 1/64 and 1/32."""
    write_pyramid(HERE / "clam_synthetic.tif", [(83100, 95950, (2048, {})), (2605, 3005, paint(2605, 3005)), (1300, 1500, paint(1300, 1500))])
    tissue = {40 * row + column: (205, 130, 180) for row in range(8, 16) for column in range(8, 16)}
    write_pyramid(HERE / "no_pyramid.tif", [(10240, 10240, (256, tissue))])  # over CLAM's 1e8 pixels


class Picture:
    """An image file as a slide of one level."""

    def __init__(self, path):
        self.image = np.array(Image.open(path).convert("RGB"))
        self.dims = [(self.image.shape[1], self.image.shape[0])]

    def level(self, _):
        return 0, self.image


class Slide:
    def __init__(self, path):
        self.slide = openslide.OpenSlide(str(path))
        self.dims = self.slide.level_dimensions

    def level(self, downsample):
        level = self.slide.get_best_level_for_downsample(downsample)
        return level, np.array(self.slide.read_region((0, 0), level, self.dims[level]))


def clam(slide, preset):
    downsample, sthresh, mthresh, close, a_t, a_h, max_holes = PRESETS[preset]
    level, image = slide.level(downsample)
    saturation = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[:, :, 1]
    binary = cv2.threshold(cv2.medianBlur(saturation, mthresh), sthresh, 255, cv2.THRESH_BINARY)[1]
    binary = cv2.morphologyEx(binary, cv2.MORPH_CLOSE, np.ones((close, close), np.uint8))
    scale = tuple(a / b for a, b in zip(slide.dims[0], slide.dims[level]))
    reference = int(512**2 / (scale[0] * scale[1]))
    contours, hierarchy = cv2.findContours(binary, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    kept, mask = [], np.zeros_like(binary)
    for i, contour in enumerate(contours):
        if hierarchy[0][i][3] >= 0:
            continue
        holes = [c for c, h in zip(contours, hierarchy[0]) if h[3] == i]
        area = cv2.contourArea(contour) - sum(cv2.contourArea(h) for h in holes)
        if area == 0 or not area > a_t * reference:
            continue
        holes = [h for h in sorted(holes, key=cv2.contourArea, reverse=True)[:max_holes] if cv2.contourArea(h) > a_h * reference]
        kept += [(contour, 0)] + [(h, 1) for h in holes]
        piece = np.zeros_like(binary)
        cv2.fillPoly(piece, [contour] + holes, 255)
        mask |= piece
    return [(np.trunc(c * np.array(scale)).astype(np.int32), h) for c, h in kept], mask


def write_clam(data):
    inputs = {
        "clam_synthetic.tif": Slide(HERE / "clam_synthetic.tif"),
        "tissue/thumb-he.png": Picture(data / "tissue/thumb-he.png"),
        "wsi/aperio-cmu-1-small-region.svs": Slide(data / "wsi/aperio-cmu-1-small-region.svs"),
        "wsi/derived/composed-open.tif": Slide(data / "wsi/derived/composed-open.tif"),
        "wsi/derived/cmu-pyramid-jpeg.tif": Slide(data / "wsi/derived/cmu-pyramid-jpeg.tif"),
    }
    lines = ["input,preset,rings,points,points_sha256,lengths_sha256,holes_sha256,foreground,mask_sha256"]
    for name, slide in inputs.items():
        for preset in PRESETS:
            rings, mask = clam(slide, preset)
            row = [name, preset] + rings_row(rings) + [int((mask > 0).sum()), sha(mask, "u1")]
            lines.append(",".join(map(str, row)))
    (HERE / "clam.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    write_contours()
    write_synthetic()
    write_clam(pathlib.Path(sys.argv[1]))
