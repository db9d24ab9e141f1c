/* Attention that knows distances, as STAMP spells and computes it (use_alibi):
 *   head k: weights = softmax(q k' / sqrt(width)) - |place - place| bias_scale_k / running_mean_k
 * The distances come after the softmax and are not small: rows of weights fall below 0, and STAMP leaves it so. */
#ifndef MT_DISTANCE_ATTENTION_H
#define MT_DISTANCE_ATTENTION_H

#include "mil/state_dict.h"

/* How many heads ATTENTION.query_encoders has; 0: it is attention without distances. */
int64_t mt_distance_attention_heads(const mt_state_dict *dict, const char *attention);
/* ATTENTION.{query,key,value}_encoders.K side by side: weights (dim, dim) and biases (dim) of q, k, v, those of q times 1/sqrt(width).
 * `slope` (dim): of each column its head's bias_scale / running_mean.  What is set at a failure is the caller's too. */
bool mt_distance_attention_take(mt_state_dict *dict, const char *attention, int64_t dim, int64_t heads, mt_tensor *weights[3],
                                mt_tensor *biases[3], mt_tensor **slope, GError **error);

#endif
