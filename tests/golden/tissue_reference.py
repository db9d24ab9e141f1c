#!/usr/bin/python3
"""Tissue by saturation, 7x7 median and Otsu with OpenCV: the expected masks of tests/unit/test_mask_tissue.c.

    tissue_reference.py DATA

writes tests/golden/tissue/otsu.csv.  Where no level lies near 1/16 the level is averaged over exact areas in integers.
"""
import hashlib
import math
import pathlib
import sys

import cv2
import numpy as np
import openslide
from PIL import Image

HERE = pathlib.Path(__file__).parent / "tissue"
DARK = 16


def weights(size, n):
    """n x size matrix of integer weights: output i covers [i * size / n, (i + 1) * size / n)."""
    i, j = np.arange(n)[:, None], np.arange(size)[None, :]
    return np.clip(np.minimum((i + 1) * size, (j + 1) * n) - np.maximum(i * size, j * n), 0, None).astype(np.float64)


def reduce(image, width, height):
    if (width, height) == (image.shape[1], image.shape[0]):
        return image
    sums = np.einsum("ay,yxc->axc", weights(image.shape[0], height), image.astype(np.float64))
    sums = np.einsum("bx,axc->abc", weights(image.shape[1], width), sums)  # integers below 2^53: exact
    return np.floor(sums / (image.shape[0] * image.shape[1]) + 0.5).astype(np.uint8)


def half_up(x):
    return max(1, math.floor(x + 0.5))


def overview(slide):
    w0, h0 = slide.level_dimensions[0]
    downs = [math.sqrt(w0 / w * h0 / h) for w, h in slide.level_dimensions]
    level = min(range(len(downs)), key=lambda i: abs(math.log2(downs[i] / 16)))
    w, h = slide.level_dimensions[level]
    factor = math.floor(16 / downs[level] + 0.5)
    image = np.array(slide.read_region((0, 0), level, (w, h)))
    image = np.where(image[:, :, 3:] == 0, 255, image[:, :, :3]).astype(np.uint8)
    return reduce(image, half_up(w / factor), half_up(h / factor)) if factor >= 2 else image


def picture(path):
    image = np.array(Image.open(path).convert("RGB"))
    factor = max(image.shape[:2]) / 1024
    return reduce(image, half_up(image.shape[1] / factor), half_up(image.shape[0] / factor)) if factor > 1 else image


def segment(image):
    dark = image.max(axis=2) < DARK
    saturation = np.where(dark, 0, cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[:, :, 1]).astype(np.uint8)
    median = cv2.medianBlur(saturation, 7)
    counts = np.bincount(median.ravel(), minlength=256)
    counts[0] -= min(counts[0], dark.sum())
    counted = np.repeat(np.arange(256, dtype=np.uint8), counts)[None, :]
    threshold, _ = cv2.threshold(counted, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    mask = np.where(median > threshold, 255, 0).astype(np.uint8)
    above, below = counted[counted > threshold], counted[counted <= threshold]
    assert above.mean() - below.mean() >= 8 and above.mean() > 15  # so that plain Otsu stands
    return median, int(threshold), mask


def main(data):
    lines = ["input,width,height,threshold,foreground,median_sha256,mask_sha256"]
    for name in ("wsi/derived/composed-open.tif", "wsi/derived/cmu-pyramid-jpeg.tif", "wsi/aperio-cmu-1-small-region.svs", "tissue/thumb-he.png",
                 "tissue/histoqc/pen_red.png"):
        path = data / name
        image = picture(path) if name.endswith("png") else overview(openslide.OpenSlide(str(path)))
        median, threshold, mask = segment(image)
        hashes = [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in (median, mask)]
        lines.append(",".join(map(str, [name, mask.shape[1], mask.shape[0], threshold, int((mask > 0).sum())] + hashes)))
    (HERE / "otsu.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
