/* One tile as a PNG: gray or RGB of 8 bits; gray of 16 bits from tiles in float. */
#ifndef MT_PICTURE_PNG_H
#define MT_PICTURE_PNG_H

#include <microtome/tile_reader.h>

/* Float samples are rounded to the nearest whole number after `offset` was added, and held to 0..65535. */
GBytes *mt_picture_png(const mt_tile_pixels *pixels, int offset, GError **error);

#endif
