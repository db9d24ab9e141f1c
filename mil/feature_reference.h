/* What the bags that a head learnt from look like, and how far a bag lies from them (docs/triage.md).  Everything is computed in double,
 * serially. */
#ifndef MT_FEATURE_REFERENCE_H
#define MT_FEATURE_REFERENCE_H

#include <microtome/bag.h>

/* Fewer bags say too little of their spread. */
#define MT_REFERENCE_BAGS 20
/* Of the training bags, left out one at a time, this share lies within the unit of distance. */
#define MT_REFERENCE_SHARE 0.99

typedef struct mt_feature_reference mt_feature_reference;

/* The mean feature of a bag, n > 0, into dim doubles. */
bool mt_bag_mean(const mt_bag *bag, double *mean, GError **error);
/* From n x dim mean features.  MT_ERROR_INPUT: fewer than MT_REFERENCE_BAGS, or all alike. */
mt_feature_reference *mt_feature_reference_fit(const double *means, int64_t n, int64_t dim, GError **error);
bool                  mt_feature_reference_write(const mt_feature_reference *reference, const char *path, GError **error);
/* `dim` -1: any.  MT_ERROR_MODEL names what does not fit. */
mt_feature_reference *mt_feature_reference_load(const char *path, int64_t dim, GError **error);
void                  mt_feature_reference_free(mt_feature_reference *reference);
/* In units of the quantile: above 1 it is unlike the training bags. */
double mt_feature_reference_distance(const mt_feature_reference *reference, const double *mean);
/* Where a distance stands among those of the n bags that the reference was made of: the i-th of them is at i / (n + 1), linear between,
 * 1 - d_n / (d (n + 1)) beyond the last, so that it always rises.  NAN: the file does not hold them. */
double                mt_feature_reference_percentile(const mt_feature_reference *reference, double distance);
mt_feature_reference *mt_feature_reference_copy(const mt_feature_reference *reference);
/* SHA-256 of its numbers, and their width; free with g_free. */
char   *mt_feature_reference_hash(const mt_feature_reference *reference);
int64_t mt_feature_reference_dim(const mt_feature_reference *reference);
/* HEAD.reference.safetensors for HEAD.card or HEAD.safetensors; free with g_free. */
char *mt_feature_reference_path(const char *head_path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_feature_reference, mt_feature_reference_free)

#endif
