#include "src/serve/byte_cache.h"

#include <pthread.h>

typedef struct kept {
    char   *name;
    GBytes *bytes;
} kept;

struct mt_byte_cache {
    GHashTable     *by_name; /* name -> link of `order` */
    GQueue          order;   /* kept, the last used first */
    int64_t         bytes, most;
    pthread_mutex_t lock;
};

mt_byte_cache *mt_byte_cache_new(int64_t most)
{
    mt_byte_cache *c = g_new0(mt_byte_cache, 1);

    c->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    c->most = most;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void drop(mt_byte_cache *c, GList *link)
{
    kept *k = link->data;

    g_queue_unlink(&c->order, link);
    g_list_free_1(link);
    g_hash_table_remove(c->by_name, k->name);
    c->bytes -= (int64_t)g_bytes_get_size(k->bytes);
    g_bytes_unref(k->bytes);
    g_free(k->name);
    g_free(k);
}

void mt_byte_cache_free(mt_byte_cache *c)
{
    if (c == NULL)
        return;
    while (c->order.head != NULL)
        drop(c, c->order.head);
    g_hash_table_unref(c->by_name);
    pthread_mutex_destroy(&c->lock);
    g_free(c);
}

GBytes *mt_byte_cache_get(mt_byte_cache *c, const char *name)
{
    GBytes *bytes = NULL;

    pthread_mutex_lock(&c->lock);
    GList *link = g_hash_table_lookup(c->by_name, name);
    if (link != NULL) {
        g_queue_unlink(&c->order, link);
        g_queue_push_head_link(&c->order, link);
        bytes = g_bytes_ref(((kept *)link->data)->bytes);
    }
    pthread_mutex_unlock(&c->lock);
    return bytes;
}

void mt_byte_cache_put(mt_byte_cache *c, const char *name, GBytes *bytes)
{
    int64_t size = (int64_t)g_bytes_get_size(bytes);

    if (size > c->most / 4)
        return;
    pthread_mutex_lock(&c->lock);
    GList *old = g_hash_table_lookup(c->by_name, name);
    if (old != NULL)
        drop(c, old);
    while (c->bytes + size > c->most)
        drop(c, c->order.tail);
    kept *k = g_new(kept, 1);
    *k = (kept){g_strdup(name), g_bytes_ref(bytes)};
    g_queue_push_head(&c->order, k);
    g_hash_table_insert(c->by_name, k->name, c->order.head);
    c->bytes += size;
    pthread_mutex_unlock(&c->lock);
}
