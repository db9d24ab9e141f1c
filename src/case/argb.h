/* OpenSlide's pixels to ours. */
#ifndef MT_ARGB_H
#define MT_ARGB_H

#include <microtome/api.h>

/* `argb`: width x height words 0xAARRGGBB, colour premultiplied by alpha, contiguous.  `rgb`: 3 bytes a pixel, rows
 * `row_bytes` apart: the picture over white, c + (255 - a), saturated where a broken file has c > a. */
void mt_argb_over_white(const uint32_t *argb, int64_t width, int64_t height, uint8_t *rgb, size_t row_bytes);
/* The same with alpha dropped and colour divided by it, rounded down: what openslide-python's images are as RGB.  Transparent is
 * black. */
void mt_argb_drop_alpha(const uint32_t *argb, int64_t n, uint8_t *rgb);

#endif
