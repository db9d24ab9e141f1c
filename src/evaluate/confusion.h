/* Decisions against truth: counts, and what they say.  Scores become decisions here (score >= threshold) or before. */
#ifndef MT_CONFUSION_H
#define MT_CONFUSION_H

#include "src/evaluate/estimate.h"

typedef struct mt_confusion {
    int64_t tp, fp, fn, tn;
} mt_confusion;

/* Positive where score >= threshold, in double precision: a threshold and scores stored as float32 are widened first, both alike.
 * MT_ERROR_INPUT; MT_ERROR_RANGE: a threshold that is not finite. */
bool mt_confusion_at(const double *scores, const int *truth, int64_t n, double threshold, mt_confusion *counts, GError **error);
/* From decisions of 0 and 1. */
bool mt_confusion_of(const int *called, const int *truth, int64_t n, mt_confusion *counts, GError **error);

/* At level 0.95 by Wilson unless `level` says another; each is undefined when its denominator is 0.  Counts must be >= 0, level in (0, 1): what
 * is not gives MT_ERROR_RANGE. */
typedef struct mt_confusion_rates {
    mt_estimate sensitivity, specificity, ppv, npv, accuracy, prevalence; /* shares, with Wilson intervals */
    mt_estimate balanced_accuracy;                                        /* (sensitivity + specificity) / 2 */
    mt_estimate f1;                                                       /* 2 tp / (2 tp + fp + fn) */
    mt_estimate mcc; /* Matthews's correlation; undefined when a row or column is empty */
} mt_confusion_rates;

bool mt_confusion_measure(const mt_confusion *counts, double level, mt_confusion_rates *rates, GError **error);
/* PPV and NPV where `prevalence` in (0, 1) of all patients are positive, whatever the share in these data was.  Their intervals put the
 * Clopper-Pearson bounds of sensitivity and specificity together, each at (1 + level) / 2: they never cover less than the level (Bonferroni). */
bool mt_confusion_at_prevalence(const mt_confusion *counts, double prevalence, double level, mt_estimate *ppv, mt_estimate *npv,
                                GError **error);

/* More than two classes.  matrix [classes][classes], row = truth, column = called; it is set, not added to.
 * MT_ERROR_RANGE: classes < 2; MT_ERROR_INPUT: a class outside 0 .. classes - 1. */
bool mt_confusion_matrix(const int *called, const int *truth, int64_t n, int classes, int64_t *matrix, GError **error);

typedef struct mt_matrix_rates {
    mt_estimate accuracy;          /* Wilson */
    mt_estimate balanced_accuracy; /* mean recall of the classes that have cases */
    mt_estimate macro_f1;          /* mean F1 of the classes that occur in truth or calls */
    mt_estimate weighted_f1;       /* weighted with the cases of each class */
    mt_estimate mcc;               /* Gorodkin's R_K */
} mt_matrix_rates;

bool mt_matrix_measure(const int64_t *matrix, int classes, double level, mt_matrix_rates *rates, GError **error);

#endif
