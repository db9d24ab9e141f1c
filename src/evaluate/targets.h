/* What is to be predicted of each case: a labels file read under a task.
 * Rows are those of the labels file.  A row whose label is blank is not known: it is counted and takes no part.  A label that is
 * neither blank nor among the known ones is an error that names line, value and the known ones.  Immutable once made. */
#ifndef MT_TARGETS_H
#define MT_TARGETS_H

#include "src/evaluate/labels.h"

#include <microtome/head.h>

/* BINARY: two labels, the positive one last.  MULTICLASS: labels that exclude each other.  MULTILABEL: findings, each by itself.
 * ORDINAL: grades from low to high.  HAZARD: survival in intervals of time.  COX: survival as a relative risk. */
typedef enum mt_task { MT_TASK_BINARY, MT_TASK_MULTICLASS, MT_TASK_MULTILABEL, MT_TASK_ORDINAL, MT_TASK_HAZARD, MT_TASK_COX } mt_task;

/* What -1 of a finding means, as CheXpert names it: masked (U-ignore), absent (U-zeros), present (U-ones). */
typedef enum mt_uncertain { MT_UNCERTAIN_IGNORE, MT_UNCERTAIN_ZEROS, MT_UNCERTAIN_ONES } mt_uncertain;

typedef struct mt_targets_params {
    mt_task     task;
    const char *column; /* of the label; NULL: "label", for findings also "Finding Labels" */
    /* NULL-terminated, in order; NULL: those of the file, sorted (integers by value; an ordinal task takes every grade between the
     * lowest and the highest, and wants integers or this list).  Of findings: columns of the file with 1, 0, -1 or blank each, or
     * what stands in the one column between '|' (then "No Finding" alone means none).  For hazard: its length is the number of
     * intervals, and the names are read back as bounds ("365" or "survive_365"). */
    const char *const *labels;
    const char        *positive; /* binary: NULL: the last of `labels`, or 1, yes, true or positive where the file says so */
    mt_uncertain       uncertain;
    const char        *time, *event; /* columns; NULL: "time", "event" (1: it happened, 0: censored) */
    int                intervals;    /* of hazard, bounded by quantiles of the times of events; 0: 4 */
} mt_targets_params;

typedef struct mt_targets mt_targets;

/* NULL and MT_ERROR_INPUT: a column that is not there, a value that is not understood (with its line), fewer than two labels, ...
 * MT_ERROR_USAGE: a binary task where nothing says which label is the positive one. */
mt_targets *mt_targets_new(const mt_labels *labels, const mt_targets_params *params, GError **error);
void        mt_targets_free(mt_targets *targets);

mt_task mt_targets_task(const mt_targets *targets);
/* Names of the head's classes, NULL-terminated; for COX the one name "risk", for HAZARD survive_<bound>. */
const char *const *mt_targets_labels(const mt_targets *targets);
int                mt_targets_n_labels(const mt_targets *targets);
/* Binary: the positive label, which is the last.  Others: as given, NULL when it was not. */
const char *mt_targets_positive(const mt_targets *targets);
/* Rows, as the labels file has them, and how many of them say nothing. */
guint mt_targets_n(const mt_targets *targets);
guint mt_targets_n_unknown(const mt_targets *targets);
bool  mt_targets_known(const mt_targets *targets, guint row);
/* Index of the label; of the interval for HAZARD; -1 for MULTILABEL, COX and rows that are not known. */
int mt_targets_class(const mt_targets *targets, guint row);
/* Whether the label holds of the row: 1, 0, or NAN where nothing is known (an uncertain or blank finding, an unknown row).
 * HAZARD and COX: whether the event happened (in that interval). */
float mt_targets_holds(const mt_targets *targets, guint row, int label);
/* Survival only; NAN and false else. */
double mt_targets_time(const mt_targets *targets, guint row);
bool   mt_targets_event(const mt_targets *targets, guint row);
/* What folds are balanced by: the class; of findings the rarest that holds; of survival the interval and whether it ended in an event.
 * 0 .. ; -1 for rows that are not known. */
int mt_targets_stratum(const mt_targets *targets, guint row);

/* "binary", "multiclass", "multilabel", "ordinal", "hazard" (also "survival"), "cox". */
bool        mt_task_from_name(const char *name, mt_task *task);
const char *mt_task_name(mt_task task);
/* How a head of this task turns logits into scores, and the task of a head with `n` labels. */
mt_activation mt_task_activation(mt_task task);
mt_task       mt_task_of_activation(mt_activation activation, guint n_labels);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_targets, mt_targets_free)

#endif
