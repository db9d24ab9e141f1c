/* Closed rings to a raster by the even-odd rule: a hole inside a ring is out, an island in the hole is in again. */
#ifndef MT_POLYGON_FILL_H
#define MT_POLYGON_FILL_H

#include <microtome/error.h>

typedef struct mt_polygon_frame {
    int64_t width, height;
    double  scale_x, scale_y; /* raster px per unit of the points */
    int64_t first_x, first_y; /* raster px of its corner: a window of a larger raster */
} mt_polygon_frame;

/* raster[y][x] = 1 where the centre of the pixel is inside, else 0.  Ring i is points offsets[i] to offsets[i+1].  MT_ERROR_LIMIT for
 * an outline that crosses the rows more than 2^26 times. */
bool mt_polygon_fill(const int32_t *points, const int64_t *offsets, int64_t n_rings, const mt_polygon_frame *frame, uint8_t *raster,
                     GError **error);

#endif
