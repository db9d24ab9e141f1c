/* Packed weights in a memory file that several processes map: one fills and seals it, the others find their bytes by name.
 * Nothing is read from a file that could still change: without all its seals, or with another key, there is no store.
 * Immutable once open: share between threads freely. */
#ifndef MT_WEIGHT_STORE_H
#define MT_WEIGHT_STORE_H

#include <microtome/error.h>

typedef struct mt_weight_store mt_weight_store;

typedef struct mt_weight_entry {
    const char *name;
    const void *data;
    size_t      bytes;
} mt_weight_entry;

/* An empty memory file that can be sealed; -1 where the system has none.  close() it. */
int mt_weight_store_file(void);
/* Nothing was written to `fd` yet, and it can be sealed. */
bool mt_weight_store_is_empty(int fd);
/* Write all entries and seal the file.  False: it is not sealed, and nobody will read it. */
bool mt_weight_store_fill(int fd, const char *key, const mt_weight_entry *entries, guint n);
/* The content of the sealed `fd`, which stays the caller's.  NULL: not sealed, not ours, or not of `key`. */
mt_weight_store *mt_weight_store_open(int fd, const char *key);
mt_weight_store *mt_weight_store_ref(mt_weight_store *store);
void             mt_weight_store_unref(mt_weight_store *store);
/* 64-byte aligned, read-only, as long as the store lives.  NULL: no entry of this name and size. */
const void *mt_weight_store_find(const mt_weight_store *store, const char *name, size_t bytes);
/* `data` lies in its mapping. */
bool mt_weight_store_holds(const mt_weight_store *store, const void *data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_weight_store, mt_weight_store_unref)

#endif
