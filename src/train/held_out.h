/* What the heads of the folds say of the cases they have not seen, and how good that is. */
#ifndef MT_HELD_OUT_H
#define MT_HELD_OUT_H

#include "src/train/cohort.h"

#include <microtome/head.h>

typedef struct mt_held_out_row {
    guint at; /* in the cohort */
    int   fold;
} mt_held_out_row;

typedef struct mt_held_out {
    const mt_cohort  *cohort;
    const mt_targets *targets;
    int               n_labels;
    GArray           *rows;            /* mt_held_out_row */
    GArray           *scores, *logits; /* float, n_labels a row */
} mt_held_out;

mt_held_out *mt_held_out_new(const mt_cohort *cohort, const mt_targets *targets);
void         mt_held_out_free(mt_held_out *held_out);
/* Score one case with the head of a fold. */
bool mt_held_out_add(mt_held_out *held_out, const mt_head *head, guint at, int fold, int threads, GError **error);

/* The same with scores and logits that are known, n_labels each. */
void mt_held_out_put(mt_held_out *held_out, guint at, int fold, const float *scores, const float *logits);

/* A figure of merit, higher is better: binary AUROC, multiclass the mean of one-against-rest AUROCs, multilabel the mean AUROC of the
 * findings, ordinal quadratic kappa of the likeliest grade, survival the C-index.  NAN where the rows do not say (one class only). */
const char *mt_held_out_metric_name(mt_task task);
double      mt_held_out_metric(const mt_held_out *held_out, int fold); /* of its rows; -1: of all */
/* DeLong's 95 % interval of a binary AUROC over all rows; NAN: none. */
void mt_held_out_interval(const mt_held_out *held_out, double *low, double *high);
/* Whether each case stands there once: then all rows may be taken together. */
bool mt_held_out_once(const mt_held_out *held_out);

/* id, patient, fold, label (findings joined by '|', and a column each; survival: time, event), score_<label>.., logit_<label>.. */
bool mt_held_out_write(const mt_held_out *held_out, const char *const *fold_names, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_held_out, mt_held_out_free)

#endif
