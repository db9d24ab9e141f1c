/* Share of foreground in any rectangle of a raster, from a summed-area table. */
#ifndef MT_SHARE_H
#define MT_SHARE_H

#include <microtome/error.h>

typedef struct mt_share {
    int64_t   width, height;
    uint32_t *sums; /* (height + 1) x (width + 1): foreground pixels above and to the left */
} mt_share;

bool mt_share_init(mt_share *share, const uint8_t *pixels, int64_t width, int64_t height, GError **error);
void mt_share_clear(mt_share *share);
/* Foreground pixels (not 0) in all. */
int64_t mt_share_count(const mt_share *share);
/* Foreground over area of the rectangle (x0, y0)..(x1, y1) in raster pixels, fractions of pixels weighted exactly; what lies
 * outside the raster is background.  In [0, 1]; exactly 0 without and exactly 1 with foreground everywhere; 0 for an empty one. */
double mt_share_of(const mt_share *share, double x0, double y0, double x1, double y1);

#endif
