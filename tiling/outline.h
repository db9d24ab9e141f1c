/* Outlines of a raster along the edges of its pixels: polygons that cover exactly the foreground. */
#ifndef MT_OUTLINE_H
#define MT_OUTLINE_H

#include "tiling/rings.h"

/* One outer ring per 4-connected component of the foreground (not 0), with its holes; corners only, in pixel corners (0..width,
 * 0..height).  Outer rings have a positive mt_ring_area2, holes a negative one, and their sum is twice the foreground's pixels.
 * No ring meets itself (rings may touch in a corner), as GeoJSON and Shapely ask. */
mt_rings *mt_outline_trace(const uint8_t *pixels, int64_t width, int64_t height, GError **error);

#endif
