/* The SHA-256 of a model's files, computed by a thread of its own while the model is imported and packed. */
#ifndef MT_MODEL_HASH_H
#define MT_MODEL_HASH_H

#include <glib.h>
#include <stdbool.h>

typedef struct mt_model_hash mt_model_hash;

/* The bytes of `files` (GBytes), one after another; `mapped`: they are read-only mappings of files. */
mt_model_hash *mt_model_hash_new(const GPtrArray *files, bool mapped);
/* 64 hex digits; waits until they are known.  From any thread. */
const char *mt_model_hash_text(mt_model_hash *hash);
/* Gives up what is not finished. */
void mt_model_hash_free(mt_model_hash *hash);

#endif
