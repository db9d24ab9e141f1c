/* One tile as a PNG: 8-bit gray or RGB; float tiles are refused (their range is not the picture's). */
#ifndef MT_TILE_PNG_H
#define MT_TILE_PNG_H

#include <microtome/tile_reader.h>

bool mt_tile_png_write(const mt_tile_pixels *pixels, const char *path, GError **error);

#endif
