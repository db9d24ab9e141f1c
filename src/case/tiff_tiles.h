/* Rectangles of a TIFF slide's levels from its stored tiles: read by position, decoded by ourselves, kept while they may be
 * wanted again.  Many threads, no lock held while a tile is read or decoded. */
#ifndef MT_TIFF_TILES_H
#define MT_TIFF_TILES_H

#include "src/case/source.h"
#include "src/case/tiff_directory.h"

typedef struct mt_tiff_tiles mt_tiff_tiles;

/* `directories` (of mt_tiff_directory; may be shared) outlive it.  Tiles of zero bytes are white where they
 * have no place in the file either, as TIFF leaves tiles out; with a place they are damage. */
mt_tiff_tiles *mt_tiff_tiles_new(const char *path, size_t cache_bytes, GError **error);
void           mt_tiff_tiles_free(mt_tiff_tiles *self);
/* Level `n` is the next: its tiles are `directory`'s, decoded at 1/reduce of their size.  NULL: a level that is not read here. */
void mt_tiff_tiles_add_level(mt_tiff_tiles *self, const mt_tiff_directory *directory, int reduce);
/* (`self` may be NULL.) */
bool mt_tiff_tiles_has(const mt_tiff_tiles *self, int level);
/* once: whole stored tiles in the rectangle will not be asked for again.  MT_ERROR_INPUT with the codec's text when a tile
 * cannot be decoded, also at a second try with a fresh decoder; what else is read stays usable. */
bool mt_tiff_tiles_read(mt_tiff_tiles *self, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes, GError **error);
/* The rectangle will be read soon.  False: enough is on its way, say it again later. */
bool mt_tiff_tiles_ahead(mt_tiff_tiles *self, int level, const mt_rect *rect);
void mt_tiff_tiles_counts(const mt_tiff_tiles *self, mt_case_counts *counts);

/* As mt_case_stored_size and mt_case_stored_jpeg. */
bool    mt_tiff_tiles_stored_size(const mt_tiff_tiles *self, int level, int64_t size[2]);
GBytes *mt_tiff_tiles_stored_jpeg(mt_tiff_tiles *self, int level, int64_t column, int64_t row);

/* The stored bytes of the tiles that a rectangle of `level` touches, for measuring. */
typedef bool (*mt_tiff_visit)(void *user, const mt_tiff_directory *directory, uint32_t index);
bool mt_tiff_tiles_visit(const mt_tiff_tiles *self, int level, const mt_rect *rect, mt_tiff_visit visit, void *user);

#endif
