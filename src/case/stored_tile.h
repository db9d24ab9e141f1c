/* Stored tiles of a slide as they lie in its file: what a browser can draw need not be decoded on the way. */
#ifndef MT_STORED_TILE_H
#define MT_STORED_TILE_H

#include "src/case/tiff_directory.h"

/* Width and height of the level's stored JPEG tiles; false: it has none. */
bool mt_case_stored_size(const mt_case *c, int level, int64_t size[2]);
/* The tile in (column, row) of the level's lattice as a JPEG file, its edge tiles as wide as the others; no comment or application data of the
 * scanner's is in it.  NULL: there is none, or it is damaged: read the pixels instead.  Any thread. */
GBytes *mt_case_stored_jpeg(mt_case *c, int level, int64_t column, int64_t row);

/* An abbreviated stream and the tables of its directory as one file (ITU-T T.81 B.2, B.5); NULL: they are no JPEG streams. */
GBytes *mt_stored_tile_jpeg(const mt_tiff_directory *directory, const uint8_t *bytes, size_t n);

#endif
