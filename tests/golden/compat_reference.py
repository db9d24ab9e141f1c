"""Grids and tiles of CLAM and TRIDENT, written from the published description of both: Shapely, cv2, OpenSlide and Pillow do what
they do there.  Polygons are lists of (outer, [hole, ..]), rings NumPy arrays of level-0 pixels."""
import cv2
import numpy as np
from shapely.geometry import Polygon, box
from shapely.ops import unary_union


def trident_magnification(mpp):
    mpp = round(mpp, 4)
    for below, magnification in ((0.16, 80), (0.2, 60), (0.3, 40), (0.6, 20), (1.2, 10), (2.4, 5)):
        if mpp < below:
            return magnification
    raise ValueError(mpp)


class Trident:
    def __init__(self, slide, mpp, magnification, tile_px, overlap_px=0):
        self.slide, self.tile_px = slide, tile_px
        self.source = trident_magnification(mpp)
        self.downsample = (10 / magnification) / (10 / self.source)
        self.edge = round(tile_px * self.downsample)
        self.step = self.edge - round(overlap_px * self.downsample)
        self.level = self.find_level(slide.level_downsamples)
        self.window = round(self.edge / int(slide.level_downsamples[self.level]))
        self.patch_size_level0 = float(tile_px) * self.source // magnification

    def find_level(self, downsamples):
        near = [i for i, d in enumerate(downsamples) if abs(d - self.downsample) <= 0.1]
        if near:
            return near[0]
        if self.downsample >= downsamples[0]:
            return max(i for i, d in enumerate(downsamples) if d <= self.downsample)
        return min(i for i, d in enumerate(downsamples) if d >= self.downsample)

    def coords(self, polygons, threshold=0.0):
        width, height = self.slide.dimensions
        grid = [(x, y) for y in range(0, height, self.step) for x in range(0, width, self.step)]
        if polygons is None:
            return grid
        tissue = unary_union([Polygon(o, h).simplify(self.tile_px / 4, preserve_topology=True) for o, h in polygons])
        squares = [(x, y, box(x, y, x + self.edge, y + self.edge)) for x, y in grid]
        if threshold == 0:
            return [(x, y) for x, y, s in squares if s.intersects(tissue)]
        return [(x, y) for x, y, s in squares if s.intersection(tissue).area >= threshold * s.area]

    def tile(self, x, y):
        return self.slide.read_region((x, y), self.level, (self.window, self.window)).convert("RGB").resize((self.tile_px, self.tile_px))


def inside(ring, x, y):
    return cv2.pointPolygonTest(ring.reshape(-1, 1, 2).astype(np.int32), (x, y), False)


class Clam:
    def __init__(self, slide, level, tile_px, overlap_px=0):
        self.slide, self.level, self.tile_px = slide, level, tile_px
        (w0, h0), (w, h) = slide.dimensions, slide.level_dimensions[level]
        self.downsample = (w0 / w, h0 / h)
        whole = [int(d) for d in self.downsample]
        self.edge = [tile_px * d for d in whole]
        self.step = [(tile_px - overlap_px) * d for d in whole]

    def in_contour(self, ring, x, y):
        half = self.edge[0] // 2
        shift = int(half * 0.5)
        ends = (-shift, shift) if shift > 0 else (0,)
        return any(inside(ring, int(x + half + i), int(y + half + j)) >= 0 for i in ends for j in ends)

    def in_hole(self, hole, x, y):
        return inside(hole, float(x + self.edge[0] / 2), float(y + self.edge[0] / 2)) > 0

    def coords(self, polygons):
        found = []
        for outer, holes in polygons:
            x0, y0, w, h = cv2.boundingRect(outer.reshape(-1, 1, 2).astype(np.int32))
            found += [(x, y) for x in range(x0, x0 + w, self.step[0]) for y in range(y0, y0 + h, self.step[1])
                      if self.in_contour(outer, x, y) and not any(self.in_hole(hole, x, y) for hole in holes)]
        return found

    def tile(self, x, y):
        return self.slide.read_region((x, y), self.level, (self.tile_px, self.tile_px)).convert("RGB")
