/* SHA-256 of files and bytes (libcrypto), as 64 hex digits; free with g_free. */
#ifndef MT_HASH_H
#define MT_HASH_H

#include <microtome/error.h>

char *mt_hash_bytes(const void *data, size_t bytes);
/* HMAC-SHA256 */
char *mt_hash_keyed(const void *key, size_t key_bytes, const void *data, size_t bytes);
char *mt_hash_file(const char *path, GError **error);

typedef struct mt_hasher mt_hasher;
mt_hasher               *mt_hasher_new(void);
void                     mt_hasher_update(mt_hasher *hasher, const void *data, size_t bytes);
char                    *mt_hasher_finish(mt_hasher *hasher); /* frees the hasher */

#endif
