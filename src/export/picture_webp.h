/* One tile of 8 bits as a WebP file, by libvips where it has libwebp. */
#ifndef MT_PICTURE_WEBP_H
#define MT_PICTURE_WEBP_H

#include <microtome/tile_reader.h>

bool mt_picture_webp_available(void);
/* quality 1..100; 100 is lossless. */
GBytes *mt_picture_webp(const mt_tile_pixels *pixels, int quality, GError **error);

#endif
