/* Sums of rows weighted by a softmax over the rows, of K branches, in parts: a part sums a block of rows relative to the block's own
 * largest logit, and parts are merged in the order of the blocks.  In double. */
#ifndef MT_SOFTMAX_SUMS_H
#define MT_SOFTMAX_SUMS_H

#include <microtome/error.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct mt_softmax_sums {
    int64_t branches, width, parts;
    double *values; /* of each part: K largest logits, K sums of weights, K x width weighted sums */
} mt_softmax_sums;

/* `parts` of them, all empty. */
bool mt_softmax_sums_new(mt_softmax_sums *sums, int64_t branches, int64_t width, int64_t parts, GError **error);
void mt_softmax_sums_clear(mt_softmax_sums *sums);
void mt_softmax_sums_empty(mt_softmax_sums *sums, int64_t part);
/* One more row for one branch; rows with the same part and branch come in their order. */
void mt_softmax_sums_add(mt_softmax_sums *sums, int64_t part, int64_t branch, double logit, const float *row);
/* Rows logits[i * stride], row i of `rows` x width, into an empty part. */
void mt_softmax_sums_add_block(mt_softmax_sums *sums, int64_t part, int64_t branch, const float *logits, int64_t stride,
                               const float *values, int64_t rows);
/* `into` becomes the sum of both, `part` stays. */
void mt_softmax_sums_merge(mt_softmax_sums *sums, int64_t into, int64_t part);

/* Largest logit, sum of weights relative to it (0: no row yet), and the mean of one branch: `width` values into out. */
double mt_softmax_sums_top(const mt_softmax_sums *sums, int64_t part, int64_t branch);
double mt_softmax_sums_total(const mt_softmax_sums *sums, int64_t part, int64_t branch);
void   mt_softmax_sums_mean(const mt_softmax_sums *sums, int64_t part, int64_t branch, double *out);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_softmax_sums, mt_softmax_sums_clear)

#endif
