/* The loss of logits against targets, and its gradient: what a linear probe minimises.
 *   binary, multiclass  cross-entropy over the classes
 *   multilabel          binary cross-entropy of each finding that is known, mean over the known ones
 *   ordinal             binary cross-entropy of the C-1 questions "more than grade k"
 *   hazard              -log of the chance to live through the intervals before, and of the event in its own (or to outlive it)
 *   cox                 -log partial likelihood (Breslow), over the number of events
 * Mean over the cases, weighted by class where asked.  Double, serial, in the order of the cases. */
#ifndef MT_TARGET_LOSS_H
#define MT_TARGET_LOSS_H

#include "src/evaluate/targets.h"

typedef struct mt_target_loss mt_target_loss;

/* For rows[0 .. n-1] of `targets`; with `class_weights` each class counts alike (n / (C n_c)), for findings the present and the absent. */
mt_target_loss *mt_target_loss_new(const mt_targets *targets, const guint *rows, guint n, bool class_weights, GError **error);
void            mt_target_loss_free(mt_target_loss *loss);
/* Logits of one case: C, C-1 for ordinal, 1 for Cox. */
int mt_target_loss_n_logits(const mt_target_loss *loss);
/* logits and gradient: n x n_logits; gradient may be NULL. */
double mt_target_loss_value(const mt_target_loss *loss, const double *logits, double *gradient);
/* The part of one case, times the cases, so that their mean is the loss; logits: of that case alone.  NAN of Cox, where a case has none. */
double mt_target_loss_case(const mt_target_loss *loss, guint i, const double *logits);
/* Logits that a head of this task has. */
int mt_task_n_logits(mt_task task, int n_labels);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_target_loss, mt_target_loss_free)

#endif
