/* Do probabilities mean what they say: Brier score, log loss, calibration error, reliability curve, calibration slope and intercept. */
#ifndef MT_RELIABILITY_H
#define MT_RELIABILITY_H

#include "src/evaluate/estimate.h"

/* `scores` are probabilities of the positive class in [0, 1]; others are MT_ERROR_INPUT.  Not defined for n = 0. */

/* Mean squared difference of score and truth. */
bool mt_brier(const double *scores, const int *truth, int64_t n, mt_estimate *brier, GError **error);
/* Mean of -ln of the probability given to the truth, which is kept 2^-52 away from 0. */
bool mt_log_loss(const double *scores, const int *truth, int64_t n, mt_estimate *loss, GError **error);
/* The same over classes: `scores` [n][classes], each row summing to 1 within 1e-6 (MT_ERROR_INPUT). */
bool mt_log_loss_classes(const double *scores, const int *truth, int64_t n, int classes, mt_estimate *loss, GError **error);

typedef enum mt_binning {
    MT_BINS_EQUAL_WIDTH, /* (i / bins, (i + 1) / bins]; the first holds 0 too */
    MT_BINS_EQUAL_MASS,  /* edges at the scores' quantiles (linear between neighbours), so that equal scores never part */
} mt_binning;

typedef struct mt_reliability_bin {
    double  low, high; /* (low, high] */
    int64_t n;         /* may be 0: nothing else is then defined */
    double  mean_score, positive_share;
} mt_reliability_bin;

#define MT_RELIABILITY_BINS_MAX 1000

/* `curve` has room for `bins`, 1 .. MT_RELIABILITY_BINS_MAX (MT_ERROR_RANGE). */
bool mt_reliability_curve(const double *scores, const int *truth, int64_t n, int bins, mt_binning binning, mt_reliability_bin *curve,
                          GError **error);
/* Of such a curve: the mean over cases, and the largest of any bin, of |mean score - share of positives|. */
mt_estimate mt_calibration_error(const mt_reliability_bin *curve, int bins);
mt_estimate mt_calibration_error_max(const mt_reliability_bin *curve, int bins);

/* The truth regressed on the log odds of the score (Cox 1958): 1 and 0 are perfect; a slope below 1 is overconfidence.  Scores are kept
 * 1e-12 away from 0 and 1.  Not defined when the fit has no finite answer (one class, classes that do not overlap, equal scores).  Wald intervals. */
typedef struct mt_calibration_fit {
    mt_estimate slope, intercept; /* fitted together */
    mt_estimate in_the_large;     /* the intercept at a slope of 1 */
} mt_calibration_fit;

bool mt_calibration_regression(const double *scores, const int *truth, int64_t n, double level, mt_calibration_fit *fit, GError **error);

#endif
