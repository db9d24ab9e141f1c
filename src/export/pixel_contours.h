/* Outlines of a mask along the edges of its pixels. */
#ifndef MT_PIXEL_CONTOURS_H
#define MT_PIXEL_CONTOURS_H

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

/* GArray of int32_t[2] each: corners (column, row), pixel (c, r) lies between c and c + 1, r and r + 1; closed without repeating the first, corners where it
 * turns alone.  Outer rings and holes turn in opposite ways; pixels that touch at a corner are apart.  Filled by the even-odd rule they give the mask back. */
GPtrArray *mt_pixel_contours(const uint8_t *mask, int64_t columns, int64_t rows);

G_END_DECLS

#endif
