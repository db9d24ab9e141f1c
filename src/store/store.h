/* Writing one HDF5 file: a temporary beside the target, then published whole.
 * Everything goes through our own file driver (store/file_driver.c): the first errno is latched, HDF5 is told success,
 * and the error is raised here before publishing.  One thread. */
#ifndef MT_STORE_H
#define MT_STORE_H

#include "src/base/fence.h"

#include <microtome/result.h>

typedef struct mt_store mt_store;

/* `.tmp-<16 random hex>` beside `target` (O_EXCL), with a user block of MT_RESULT_HEADLINE_BYTES. */
mt_store *mt_store_create(const char *target, GError **error);
/* The same where others may take the case over: the temporary is mt_fence_temporary's, and publishing fails with MT_ERROR_USAGE when
 * `fence` (NULL or epoch 0: none) does not hold any more. */
mt_store *mt_store_create_fenced(const char *target, const mt_fence *fence, GError **error);
/* An HDF5 file of another tool's layout: no user block, no headline (mt_store_publish and mt_store_replace take NULL). */
mt_store *mt_store_create_plain(const char *target, GError **error);
/* Abandon: the temporary is removed.  After publish only frees. */
void mt_store_free(mt_store *store);

/* A whole dataset; parent groups are made. */
bool mt_store_write(mt_store *store, const char *object, const mt_tensor *tensor, GError **error);
bool mt_store_write_string(mt_store *store, const char *object, const char *text, GError **error);
/* A group of no datasets yet, to carry attributes. */
bool mt_store_write_group(mt_store *store, const char *object, GError **error);
/* n strings, rank 1. */
bool mt_store_write_strings(mt_store *store, const char *object, const char *const *texts, int64_t n, GError **error);
/* A whole dataset in deflated chunks of a plane: maps, which are mostly one value. */
bool mt_store_write_packed(mt_store *store, const char *object, const mt_tensor *tensor, GError **error);
/* A compound dataset, rank 1, of rows in memory: a column is a double or a string (const char *, never NULL) at an offset of the row. */
typedef struct mt_store_column {
    const char *name;
    size_t      offset;
    bool        text;
} mt_store_column;

bool mt_store_write_table(mt_store *store, const char *object, const mt_store_column *columns, int n_columns, size_t row_bytes,
                          const void *rows, int64_t n, GError **error);
/* A 2-D dataset that grows by rows (rank 1 when width is 0), chunked. */
bool mt_store_grow(mt_store *store, const char *object, mt_dtype dtype, int64_t width, GError **error);
/* The same where the caller knows how many rows to expect (-1: not), so that a small case does not carry a large chunk. */
bool mt_store_grow_expecting(mt_store *store, const char *object, mt_dtype dtype, int64_t width, int64_t rows, GError **error);
bool mt_store_append(mt_store *store, const char *object, const void *rows, int64_t n, GError **error);
/* Read back rows of a growing or written 2-D float dataset as float32. */
bool mt_store_read_rows(mt_store *store, const char *object, int64_t first, int64_t count, float *out, GError **error);

/* The same dataset or group of `result`, attributes and all, under the same name.  Links are copied as links: nobody follows them. */
bool mt_store_copy(mt_store *store, const mt_result *result, const char *object, GError **error);

bool mt_store_attr_string(mt_store *store, const char *object, const char *name, const char *value, GError **error);
bool mt_store_attr_strings(mt_store *store, const char *object, const char *name, const char *const *values, GError **error);
bool mt_store_attr_double(mt_store *store, const char *object, const char *name, const double *values, int n,
                          GError **error); /* n = 1: scalar */
bool mt_store_attr_int(mt_store *store, const char *object, const char *name, const int64_t *values, int n, GError **error);

/* Close HDF5, write `headline` (one JSON line) into the user block, fsync, rename without replace, fsync the folder.
 * MT_ERROR_IO with path and free bytes; MT_ERROR_USAGE when the target exists. */
bool mt_store_publish(mt_store *store, const char *headline, GError **error);
/* The same in the place of what has the name. */
bool mt_store_replace(mt_store *store, const char *headline, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_store, mt_store_free)

#endif
