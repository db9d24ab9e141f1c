/* The readers of a desk: processes that open what is not ours to trust.  One question each at a time; one that dies or does not answer is
 * replaced, and its question asked once more.  Any thread. */
#ifndef MT_READER_POOL_H
#define MT_READER_POOL_H

#include <microtome/error.h>

#include <jansson.h>

typedef struct mt_reader_pool mt_reader_pool;

typedef struct mt_reader_counts {
    int64_t asked, failed, died, refused; /* refused: too many were waiting */
} mt_reader_counts;

/* `program`: what is started, with the verb "reader"; `n` processes, started when they are wanted. */
mt_reader_pool *mt_reader_pool_new(const char *program, int n);
void            mt_reader_pool_free(mt_reader_pool *pool);

/* The answer's bytes, and its MIME type in *type (g_free).  `ask` is taken.  A question goes to the reader that had its result last, where that
 * one is free.  MT_ERROR_STOPPED: too many wait, ask later; MT_ERROR_INTERNAL: two readers died of it; else what the reader says. */
GBytes *mt_reader_pool_ask(mt_reader_pool *pool, json_t *ask, char **type, GError **error);
void    mt_reader_pool_count(mt_reader_pool *pool, mt_reader_counts *counts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_reader_pool, mt_reader_pool_free)

#endif
