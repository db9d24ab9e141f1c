/* Decoded tiles, least recently used out first, bounded by bytes.  Threads share it; a tile lives as long as it is used. */
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
/* Keeps a reference of its own; a tile larger than the budget is not kept. */
void mt_tile_cache_add(mt_tile_cache *cache, uint64_t key, mt_cached_tile *tile);

mt_cached_tile *mt_cached_tile_new(size_t bytes, GError **error);
void            mt_cached_tile_unref(mt_cached_tile *tile);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_cached_tile, mt_cached_tile_unref)

#endif
