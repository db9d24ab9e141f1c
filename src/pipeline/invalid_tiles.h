/* The tiles of a case that could not be read, and why: what goes into /invalid and into the reason of a withheld score. */
#ifndef MT_INVALID_TILES_H
#define MT_INVALID_TILES_H

#include "src/store/store.h"

#include <microtome/error.h>

typedef struct mt_invalid_tiles mt_invalid_tiles;

mt_invalid_tiles *mt_invalid_tiles_new(void);
void              mt_invalid_tiles_free(mt_invalid_tiles *invalid);
/* Tiles in ascending order. */
void    mt_invalid_tiles_add(mt_invalid_tiles *invalid, int64_t tile, const char *reason);
int64_t mt_invalid_tiles_count(const mt_invalid_tiles *invalid);
/* The commonest reason, the first of equals; NULL when every tile was read. */
const char *mt_invalid_tiles_reason(const mt_invalid_tiles *invalid);
/* /invalid/tile and /invalid/reason; nothing when every tile was read. */
bool mt_invalid_tiles_store(const mt_invalid_tiles *invalid, mt_store *store, GError **error);

/* What a tile reader's error says of the pixels alone: no number of a tile, no place, no path, no name of a file (they may hold
 * names of people); one line of at most 200 bytes of UTF-8.  Free with g_free. */
char *mt_invalid_reason(const char *message, const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_invalid_tiles, mt_invalid_tiles_free)

#endif
