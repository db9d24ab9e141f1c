/* Mean over a square of 8-bit pixels, edges repeated. */
#ifndef MT_BOX_MEAN_H
#define MT_BOX_MEAN_H

#include <microtome/error.h>

/* In place, `channels` interleaved samples a pixel (1 to 4), (2 radius + 1)^2 pixels (radius at most 100), rounded once. */
bool mt_box_mean(uint8_t *pixels, int64_t width, int64_t height, int channels, int radius, GError **error);

#endif
