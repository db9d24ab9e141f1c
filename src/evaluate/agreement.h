/* Do readers, or a reader and the model, say the same: kappas and the consensus of readers. */
#ifndef MT_AGREEMENT_H
#define MT_AGREEMENT_H

#include "src/evaluate/estimate.h"

typedef enum mt_kappa_weights {
    MT_KAPPA_PLAIN,     /* every disagreement counts the same (Cohen 1960) */
    MT_KAPPA_LINEAR,    /* by the distance of the classes */
    MT_KAPPA_QUADRATIC, /* by its square: the usual one for grades */
} mt_kappa_weights;

/* Of two readers, from their matrix [classes][classes] (mt_confusion_matrix), with the large-sample interval of Fleiss, Cohen and Everitt (1969).
 * Not defined for no cases, or when chance alone would agree always (one class).  MT_ERROR_RANGE: classes < 2, negative counts, level. */
bool mt_kappa(const int64_t *matrix, int classes, mt_kappa_weights weights, double level, mt_estimate *kappa, GError **error);

#define MT_READING_MISSING (-1)

/* Several readers: `readings` [n][readers], classes 0 .. classes - 1 or MT_READING_MISSING.  MT_ERROR_INPUT: other classes.
 * MT_ERROR_RANGE: classes or readers < 2. */

/* Fleiss's kappa (1971), over cases that all readers read; `cases` (or NULL) gets how many those are. */
bool mt_fleiss_kappa(const int *readings, int64_t n, int readers, int classes, mt_estimate *kappa, int64_t *cases, GError **error);
/* Mean over pairs of readers of mt_kappa on the cases both read; pairs whose kappa is not defined are left out.  `pairs` [readers][readers]
 * or NULL gets each, with its interval (both halves; the diagonal is not defined). */
bool mt_pairwise_kappa(const int *readings, int64_t n, int readers, int classes, mt_kappa_weights weights, double level, mt_estimate *mean,
                       mt_estimate *pairs, GError **error);
/* The class most readers name; a tie for the most, or no reading, is MT_READING_MISSING. */
bool mt_consensus(const int *readings, int64_t n, int readers, int classes, int *consensus, GError **error);

#endif
