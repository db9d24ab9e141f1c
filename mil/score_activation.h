/* From logits to scores.
 *   softmax  C logits, C classes that exclude each other
 *   sigmoid  C logits, C findings, each by itself
 *   ordinal  C-1 logits of "more than class k" (cumulative link, CORAL), C ordered classes; the cumulative
 *            probabilities are made to fall first, so no class gets a negative share
 *   hazard   C logits of "the event happens in interval t, having not happened before", C survival probabilities:
 *            S_t = product of (1 - sigmoid(logit_j)) for j <= t
 * All in double, in serial order.  Logits are divided by the temperature first. */
#ifndef MT_SCORE_ACTIVATION_H
#define MT_SCORE_ACTIVATION_H

#include <microtome/head.h>

/* Softmax, ... by the word of a card; false when unknown. */
bool        mt_activation_from_name(const char *name, mt_activation *activation);
const char *mt_activation_name(mt_activation activation);
/* Scores that n_logits give; and back. */
int64_t mt_activation_n_classes(mt_activation activation, int64_t n_logits);
void    mt_activation_scores(mt_activation activation, double temperature, const float *logits, int64_t n_logits, float *scores);
/* What an output names as the logits of its classes: the logits themselves; for ordinal, whose logits belong to thresholds,
 * the logarithms of the class probabilities at temperature 1.  n_classes values. */
void mt_activation_class_logits(mt_activation activation, const float *logits, int64_t n_logits, float *class_logits);
/* Logits that give back `probabilities` at temperature 1.  In place. */
void mt_activation_invert(mt_activation activation, float *probabilities, int64_t n);

#endif
