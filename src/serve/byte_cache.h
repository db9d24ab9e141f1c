/* Bytes by name, the last used ones up to a size.  Any thread. */
#ifndef MT_BYTE_CACHE_H
#define MT_BYTE_CACHE_H

#include <glib.h>
#include <stdint.h>

typedef struct mt_byte_cache mt_byte_cache;

mt_byte_cache *mt_byte_cache_new(int64_t most);
void           mt_byte_cache_free(mt_byte_cache *cache);
GBytes        *mt_byte_cache_get(mt_byte_cache *cache, const char *name); /* g_bytes_unref; NULL: not there */
void           mt_byte_cache_put(mt_byte_cache *cache, const char *name, GBytes *bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_byte_cache, mt_byte_cache_free)

#endif
