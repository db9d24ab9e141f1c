/* The stored pixels of a TIFF slide's levels, tile by tile through libtiff: for the levels whose pixels OpenSlide would
 * shift by a fraction (see source_openslide.c).  Reads from many threads. */
#ifndef MT_LEVEL_TIFF_H
#define MT_LEVEL_TIFF_H

#include "src/case/source.h"

typedef struct mt_level_tiff mt_level_tiff;

/* Find the tiled 8-bit RGB directory of each level that needs it, by its size.  NULL for a file without them.  Tiles of
 * zero bytes are white when `holes_are_white`; else a level that has them is left to OpenSlide. */
mt_level_tiff *mt_level_tiff_new(const char *path, const GArray *levels, bool holes_are_white);
void           mt_level_tiff_free(mt_level_tiff *self);
/* The level's tiles are larger than its picture and not JPEG: OpenSlide 3.4.1 asks libtiff for a whole tile as a picture, gets
 * only the picture's width, and takes the rows apart at the wrong places; its pixels are partly memory never written.  (`self`
 * may be NULL, here and below.) */
bool mt_level_tiff_is_misread(const mt_level_tiff *self, int level);
bool mt_level_tiff_has(const mt_level_tiff *self, int level);
/* MT_ERROR_INPUT with libtiff's text when a tile cannot be decoded; the reader stays usable. */
bool mt_level_tiff_read(mt_level_tiff *self, int level, const mt_rect *rect, uint8_t *out, size_t row_bytes, GError **error);

#endif
