#include "src/case/tile_cache.h"

#include "src/base/alloc.h"

#include <pthread.h>

typedef struct entry {
    uint64_t        key;
    mt_cached_tile *tile;
    GList           link; /* in `recent`, without an allocation of its own */
} entry;

struct mt_tile_cache {
    pthread_mutex_t lock;    /* pthread's: ThreadSanitizer knows it */
    GHashTable     *entries; /* key -> entry */
    GQueue          recent;  /* entries, most recent first */
    size_t          bytes, budget_bytes;
};

mt_cached_tile *mt_cached_tile_new(size_t bytes, GError **error)
{
    mt_cached_tile *tile = mt_alloc((int64_t)(sizeof *tile + bytes), 1, error);

    if (tile != NULL) {
        tile->ref_count = 1;
        tile->bytes = bytes;
    }
    return tile;
}

void mt_cached_tile_unref(mt_cached_tile *tile)
{
    if (tile != NULL && g_atomic_int_dec_and_test(&tile->ref_count))
        mt_free(tile);
}

static void entry_free(void *data)
{
    entry *e = data;

    mt_cached_tile_unref(e->tile);
    g_free(e);
}

mt_tile_cache *mt_tile_cache_new(size_t budget_bytes)
{
    mt_tile_cache *cache = g_new0(mt_tile_cache, 1);

    pthread_mutex_init(&cache->lock, NULL);
    g_queue_init(&cache->recent);
    cache->entries = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, entry_free);
    cache->budget_bytes = budget_bytes;
    return cache;
}

void mt_tile_cache_free(mt_tile_cache *cache)
{
    if (cache == NULL)
        return;
    g_hash_table_unref(cache->entries);
    pthread_mutex_destroy(&cache->lock);
    g_free(cache);
}

mt_cached_tile *mt_tile_cache_find(mt_tile_cache *cache, uint64_t key)
{
    mt_cached_tile *tile = NULL;

    pthread_mutex_lock(&cache->lock);
    entry *e = g_hash_table_lookup(cache->entries, &key);
    if (e != NULL) {
        g_queue_unlink(&cache->recent, &e->link);
        g_queue_push_head_link(&cache->recent, &e->link);
        tile = e->tile;
        g_atomic_int_inc(&tile->ref_count);
    }
    pthread_mutex_unlock(&cache->lock);
    return tile;
}

static void make_room(mt_tile_cache *cache, size_t bytes)
{
    while (cache->bytes + bytes > cache->budget_bytes) {
        entry *oldest = g_queue_pop_tail_link(&cache->recent)->data;

        cache->bytes -= oldest->tile->bytes;
        g_hash_table_remove(cache->entries, &oldest->key);
    }
}

void mt_tile_cache_add(mt_tile_cache *cache, uint64_t key, mt_cached_tile *tile)
{
    pthread_mutex_lock(&cache->lock);
    /* Two threads may have decoded the same tile: the first one stays. */
    if (tile->bytes <= cache->budget_bytes && !g_hash_table_contains(cache->entries, &key)) {
        entry *e = g_new0(entry, 1);

        make_room(cache, tile->bytes);
        g_atomic_int_inc(&tile->ref_count);
        e->key = key;
        e->tile = tile;
        e->link.data = e;
        g_hash_table_insert(cache->entries, &e->key, e);
        g_queue_push_head_link(&cache->recent, &e->link);
        cache->bytes += tile->bytes;
    }
    pthread_mutex_unlock(&cache->lock);
}
