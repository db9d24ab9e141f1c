#include "src/case/tile_cache.h"

#include "src/base/alloc.h"

#include <pthread.h>

#define MAX_SPARES 4

typedef struct entry {
    uint64_t        key;
    mt_cached_tile *tile; /* NULL: a thread is decoding it */
    GList           link; /* in `recent`, without an allocation of its own */
} entry;

struct mt_tile_cache {
    pthread_mutex_t lock; /* pthread's: ThreadSanitizer knows it */
    pthread_cond_t  decoded;
    GHashTable     *entries; /* key -> entry */
    GQueue          recent;  /* entries with a tile, most recent first */
    mt_cached_tile *spares[MAX_SPARES];
    int             n_spares;
    size_t          bytes, budget_bytes;
};

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
    pthread_cond_init(&cache->decoded, NULL);
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
    for (int i = 0; i < cache->n_spares; i++)
        mt_cached_tile_unref(cache->spares[i]);
    pthread_cond_destroy(&cache->decoded);
    pthread_mutex_destroy(&cache->lock);
    g_free(cache);
}

static mt_cached_tile *use(mt_tile_cache *cache, entry *e)
{
    g_queue_unlink(&cache->recent, &e->link);
    g_queue_push_head_link(&cache->recent, &e->link);
    g_atomic_int_inc(&e->tile->ref_count);
    return e->tile;
}

mt_cached_tile *mt_tile_cache_find(mt_tile_cache *cache, uint64_t key)
{
    pthread_mutex_lock(&cache->lock);
    entry          *e = g_hash_table_lookup(cache->entries, &key);
    mt_cached_tile *tile = e != NULL && e->tile != NULL ? use(cache, e) : NULL;
    pthread_mutex_unlock(&cache->lock);
    return tile;
}

bool mt_tile_cache_has(mt_tile_cache *cache, uint64_t key)
{
    pthread_mutex_lock(&cache->lock);
    bool has = g_hash_table_contains(cache->entries, &key);
    pthread_mutex_unlock(&cache->lock);
    return has;
}

mt_cached_tile *mt_tile_cache_claim(mt_tile_cache *cache, uint64_t key)
{
    mt_cached_tile *tile = NULL;
    entry          *e;

    pthread_mutex_lock(&cache->lock);
    while ((e = g_hash_table_lookup(cache->entries, &key)) != NULL && e->tile == NULL)
        pthread_cond_wait(&cache->decoded, &cache->lock);
    if (e != NULL) {
        tile = use(cache, e);
    } else {
        e = g_new0(entry, 1);
        e->key = key;
        e->link.data = e;
        g_hash_table_insert(cache->entries, &e->key, e);
    }
    pthread_mutex_unlock(&cache->lock);
    return tile;
}

mt_cached_tile *mt_tile_cache_room(mt_tile_cache *cache, size_t bytes, GError **error)
{
    mt_cached_tile *tile = NULL;

    pthread_mutex_lock(&cache->lock);
    for (int i = 0; i < cache->n_spares && tile == NULL; i++) {
        if (cache->spares[i]->bytes != bytes)
            continue;
        tile = cache->spares[i];
        cache->spares[i] = cache->spares[--cache->n_spares];
    }
    pthread_mutex_unlock(&cache->lock);
    if (tile != NULL)
        return tile;
    tile = mt_alloc((int64_t)(sizeof *tile + bytes), 1, error);
    if (tile != NULL) {
        tile->ref_count = 1;
        tile->bytes = bytes;
    }
    return tile;
}

/* The memory of a tile that nobody uses any more serves the next one: fresh pages cost as much as a tenth of a decoding. */
static void let_go(mt_tile_cache *cache, entry *e)
{
    mt_cached_tile *tile = e->tile;

    cache->bytes -= tile->bytes;
    if (cache->n_spares < MAX_SPARES && g_atomic_int_get(&tile->ref_count) == 1) {
        cache->spares[cache->n_spares++] = tile;
        e->tile = NULL;
    }
    g_hash_table_remove(cache->entries, &e->key);
}

void mt_tile_cache_keep(mt_tile_cache *cache, uint64_t key, mt_cached_tile *tile)
{
    pthread_mutex_lock(&cache->lock);
    entry *e = g_hash_table_lookup(cache->entries, &key);
    if (tile->bytes > cache->budget_bytes) {
        g_hash_table_remove(cache->entries, &key);
    } else {
        while (cache->bytes + tile->bytes > cache->budget_bytes)
            let_go(cache, g_queue_pop_tail_link(&cache->recent)->data);
        g_atomic_int_inc(&tile->ref_count);
        e->tile = tile;
        cache->bytes += tile->bytes;
        g_queue_push_head_link(&cache->recent, &e->link);
    }
    pthread_cond_broadcast(&cache->decoded);
    pthread_mutex_unlock(&cache->lock);
}

void mt_tile_cache_give_up(mt_tile_cache *cache, uint64_t key)
{
    pthread_mutex_lock(&cache->lock);
    g_hash_table_remove(cache->entries, &key);
    pthread_cond_broadcast(&cache->decoded);
    pthread_mutex_unlock(&cache->lock);
}
