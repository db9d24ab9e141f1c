/* Medians of 8-bit rasters; beyond the edge the nearest pixel counts (OpenCV's medianBlur). */
#ifndef MT_MEDIAN_H
#define MT_MEDIAN_H

#include <microtome/error.h>

/* Median of 7 x 7; src and dst are height x width and must not overlap. */
bool mt_median7(const uint8_t *src, int64_t width, int64_t height, uint8_t *dst, GError **error);
/* The median of 7 x 7 by counting: the definition of right for the fast one. */
void mt_median7_reference(const uint8_t *src, int64_t width, int64_t height, uint8_t *dst);
/* 255 where the median of size x size (odd, 1..15) is above `threshold`, else 0: more than half of the window is. */
bool mt_median_above(const uint8_t *src, int64_t width, int64_t height, int size, int threshold, uint8_t *dst, GError **error);

#endif
