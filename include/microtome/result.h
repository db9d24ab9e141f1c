/* <microtome/result.h>  One HDF5 file per case: coordinates, features, attention, prediction, provenance.
 * Reading only; results are published whole and never edited.  Single-threaded (HDF5). */
#ifndef MICROTOME_RESULT_H
#define MICROTOME_RESULT_H

#include <microtome/tensor.h>

G_BEGIN_DECLS

#define MT_RESULT_SCHEMA 1
#define MT_RESULT_HEADLINE_BYTES 4096 /* the user block: one JSON line, padded with zeros */

typedef struct mt_result mt_result;

/* The JSON line of the first 4,096 bytes, without HDF5.  MT_ERROR_INPUT when `path` is no result of ours or of a newer
 * schema.  Free with g_free. */
MT_PUBLIC char *mt_result_headline(const char *path, GError **error);

/* Hold every byte of the file against the hash in its headline, without HDF5; *hashed is false for one of an older version, which has none.
 * MT_ERROR_INPUT when they differ. */
MT_PUBLIC bool mt_result_check_content(const char *path, bool *hashed, GError **error);

MT_PUBLIC mt_result  *mt_result_open(const char *path, GError **error);
MT_PUBLIC void        mt_result_free(mt_result *result);
MT_PUBLIC const char *mt_result_path(const mt_result *result);
MT_PUBLIC bool        mt_result_has(const mt_result *result, const char *object);
/* What stands in the root, by name; links that lead elsewhere are left out.  Free with g_strfreev. */
MT_PUBLIC char **mt_result_names(const mt_result *result, GError **error);
/* Dimensions of a dataset: its rank, with `shape` filled; -1 with an error. */
MT_PUBLIC int mt_result_shape(const mt_result *result, const char *object, int64_t shape[MT_MAX_RANK], GError **error);
/* A whole dataset ("/coords") in its stored type. */
MT_PUBLIC mt_tensor *mt_result_read(const mt_result *result, const char *object, GError **error);
/* Rows first .. first+count-1 of a 2-D float dataset as float32. */
MT_PUBLIC bool mt_result_read_rows(const mt_result *result, const char *object, int64_t first, int64_t count, float *out, GError **error);
/* The block of `count` elements an axis from `first` on, in its stored type; start and count have the dataset's rank.  A dataset may claim more
 * than it stores (a map of a slide has no data off the tissue), for no more than the block is held. */
MT_PUBLIC mt_tensor *mt_result_read_block(const mt_result *result, const char *object, const int64_t *first, const int64_t *count,
                                          GError **error);
/* A string dataset ("/provenance"); free with g_free. */
MT_PUBLIC char *mt_result_read_string(const mt_result *result, const char *object, GError **error);
/* A dataset of strings ("/actions"), NULL-terminated; free with g_strfreev. */
MT_PUBLIC char **mt_result_read_strings(const mt_result *result, const char *object, GError **error);
/* Attributes of an object. Numbers: up to `n` values as double, false when absent. Strings: NULL when absent. */
MT_PUBLIC bool   mt_result_attr(const mt_result *result, const char *object, const char *name, double *values, int n);
MT_PUBLIC char  *mt_result_attr_string(const mt_result *result, const char *object, const char *name);
MT_PUBLIC char **mt_result_attr_strings(const mt_result *result, const char *object, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_result, mt_result_free)

G_END_DECLS

#endif
