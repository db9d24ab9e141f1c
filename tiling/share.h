/* Share of foreground in any rectangle of a raster, counted when it is asked for. */
#ifndef MT_SHARE_H
#define MT_SHARE_H

#include <microtome/api.h>

typedef struct mt_share {
    int64_t        width, height;
    const uint8_t *pixels; /* borrowed; NULL: nothing is foreground */
    int64_t        count;  /* foreground pixels (not 0) in all */
} mt_share;

void mt_share_init(mt_share *share, const uint8_t *pixels, int64_t width, int64_t height);
/* Foreground over area of the rectangle (x0, y0)..(x1, y1) in raster pixels, fractions of pixels weighted exactly; what lies
 * outside the raster is background.  In [0, 1]; exactly 0 without and exactly 1 with foreground everywhere; 0 for an empty one. */
double mt_share_of(const mt_share *share, double x0, double y0, double x1, double y1);

#endif
