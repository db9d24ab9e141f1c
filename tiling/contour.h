/* Outlines of a raster through the centres of its border pixels: Suzuki and Abe's border following. */
#ifndef MT_CONTOUR_H
#define MT_CONTOUR_H

#include "tiling/rings.h"

/* All borders of the 8-connected foreground (not 0), points and order as OpenCV's findContours gives them with RETR_CCOMP and
 * CHAIN_APPROX_NONE: outer rings latest first, each followed by its holes.  A hole's points are the foreground pixels around it. */
mt_rings *mt_contour_trace(const uint8_t *pixels, int64_t width, int64_t height, GError **error);

/* Set to 255 the pixels of outer ring `outer` and inside it, but not those strictly inside its holes: the rings outer + 1 .. that
 * belong to it and for which keep[] (NULL: all) is true.  Other pixels stay as they are. */
bool mt_contour_fill(const mt_rings *rings, int64_t outer, const bool *keep, uint8_t *pixels, int64_t width, int64_t height,
                     GError **error);

#endif
