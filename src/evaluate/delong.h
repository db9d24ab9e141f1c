/* Intervals of the area under the ROC curve, and the test of two scores on the same cases (DeLong, DeLong and Clarke-Pearson, Biometrics 1988). */
#ifndef MT_DELONG_H
#define MT_DELONG_H

#include "src/evaluate/estimate.h"

typedef enum mt_roc_interval {
    MT_ROC_WALD,     /* area +- z s, cut to 0..1; the default */
    MT_ROC_LOGIT,    /* the same on log(area / (1 - area)): covers better for areas near 1 */
    MT_ROC_NEWCOMBE, /* solves |area - A| = z s(A) with Newcombe's s (Statist. Med. 2006, method 5); has an answer at an area of 1 */
} mt_roc_interval;

/* The area as mt_roc_area and its interval.  An area of 0 or 1 has no spread in the data: the interval is then Newcombe's whatever is asked for,
 * never [1, 1].  A class of one case has no variance: no interval (but for Newcombe's). */
bool mt_roc_delong(const double *scores, const int *truth, int64_t n, double level, mt_roc_interval interval, mt_estimate *area,
                   GError **error);

/* The same where a patient has several rows, which are not independent: the variance is over patients (Obuchowski, Biometrics 1997); with a row a
 * patient it is DeLong's.  `patient` >= 0 of each row (MT_ERROR_INPUT).  No interval for the Wald and logit forms when just one patient has
 * positives or negatives.  An area of 0 or 1: Newcombe's with patients for rows. */
bool mt_roc_delong_patients(const double *scores, const int *truth, const int64_t *patient, int64_t n, double level,
                            mt_roc_interval interval, mt_estimate *area, GError **error);

typedef struct mt_roc_comparison {
    mt_estimate a, b;       /* the two areas, Wald */
    mt_estimate difference; /* a - b, Wald, not cut */
    bool        tested;     /* false: not defined, or the difference has no variance */
    double      z, p;       /* two-sided */
} mt_roc_comparison;

/* Two scores of the same n cases. */
bool mt_roc_compare(const double *scores_a, const double *scores_b, const int *truth, int64_t n, double level,
                    mt_roc_comparison *comparison, GError **error);
/* The same where a patient has several rows: the difference's variance is over patients, as mt_roc_delong_patients' is. */
bool mt_roc_compare_patients(const double *scores_a, const double *scores_b, const int *truth, const int64_t *patient, int64_t n,
                             double level, mt_roc_comparison *comparison, GError **error);

#endif
