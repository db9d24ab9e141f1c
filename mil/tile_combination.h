/* One answer from what a network says of every tile: how the rows of logits of a case become one row (docs/tasks.md).  In double, in
 * serial order. */
#ifndef MT_TILE_COMBINATION_H
#define MT_TILE_COMBINATION_H

#include <microtome/head.h>

typedef enum mt_combine { MT_COMBINE_MAX, MT_COMBINE_MEAN, MT_COMBINE_NOISY_OR, MT_COMBINE_TOP_K } mt_combine;

typedef struct mt_combination {
    mt_combine    rule;
    mt_activation activation;
    int64_t       k;        /* of top-k */
    int           positive; /* label that decides the largest tile of a softmax; -1: the largest of any */
} mt_combination;

/* max, mean, noisy-or, top-k. */
bool        mt_combine_parse(const char *word, mt_combine *rule);
const char *mt_combine_name(mt_combine rule);
/* Findings (sigmoid) and grades (ordinal): the worst tile counts, max.  Else: the mean of the logits. */
mt_combine mt_combine_default(mt_activation activation);
/* NULL, or why the rule is none for this activation. */
const char *mt_combine_refusal(mt_combine rule, mt_activation activation);
/* n x c logits to c.
 *   max      softmax: the logits of the tile with the highest p of the positive label (of any); else the largest of each logit
 *   mean     the mean of each logit
 *   noisy-or sigmoid: 1 - product of (1 - p)
 *   top-k    softmax: the mean of the k largest of each logit (MI-Zero); else the log-odds of the mean of the k largest p */
bool mt_combine_logits(const mt_combination *combination, const float *tiles, int64_t n, int64_t c, float *logits, GError **error);

#endif
