/* Decoded tiles, least recently used out first, bounded by bytes.  Threads share it, and no two of them decode the same tile at
 * once; a tile lives as long as it is used. */
#ifndef MT_TILE_CACHE_H
#define MT_TILE_CACHE_H

#include <microtome/error.h>

typedef struct mt_tile_cache mt_tile_cache;

typedef struct mt_cached_tile {
    gint    ref_count;
    size_t  bytes;
    uint8_t data[];
} mt_cached_tile;

mt_tile_cache *mt_tile_cache_new(size_t budget_bytes);
void           mt_tile_cache_free(mt_tile_cache *cache);
/* A reference on the tile, NULL when it is not there. */
mt_cached_tile *mt_tile_cache_find(mt_tile_cache *cache, uint64_t key);
bool            mt_tile_cache_has(mt_tile_cache *cache, uint64_t key);
/* The same, waiting for a thread that is decoding it; NULL: this thread is to decode it now, and then to call keep or give_up. */
mt_cached_tile *mt_tile_cache_claim(mt_tile_cache *cache, uint64_t key);
/* Room for a tile: where it can, that of a tile which is no longer used.  Its content is anything. */
mt_cached_tile *mt_tile_cache_room(mt_tile_cache *cache, size_t bytes, GError **error);
/* Keeps a reference of its own; a tile larger than the budget is not kept. */
void mt_tile_cache_keep(mt_tile_cache *cache, uint64_t key, mt_cached_tile *tile);
void mt_tile_cache_give_up(mt_tile_cache *cache, uint64_t key);
void mt_cached_tile_unref(mt_cached_tile *tile);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_cached_tile, mt_cached_tile_unref)

#endif
