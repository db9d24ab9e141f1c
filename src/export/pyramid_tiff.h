/* What the writer of <microtome/pyramid.h> decides by itself. */
#ifndef MT_PYRAMID_TIFF_H
#define MT_PYRAMID_TIFF_H

#include <microtome/api.h>

/* Whether a pyramid of this size could pass the 4 GiB of a classic TIFF. */
bool mt_pyramid_needs_bigtiff(int64_t width, int64_t height);

#endif
