/* Net benefit over thresholds (Vickers and Elkin, Med. Decis. Making 2006): is deciding by the score better than treating all or none? */
#ifndef MT_DECISION_CURVE_H
#define MT_DECISION_CURVE_H

#include "src/evaluate/estimate.h"

typedef struct mt_net_benefit {
    double threshold;   /* probability at which a patient is treated */
    double model;       /* tp / n - fp / n x threshold / (1 - threshold), positive where score >= threshold */
    double all;         /* of treating everybody; of treating nobody it is 0 */
    double per_hundred; /* unneeded treatments saved in 100 patients against treating all; 0 at a threshold of 0 */
} mt_net_benefit;

/* `curve` gets one entry for each of `n_thresholds`, each in [0, 1) (MT_ERROR_RANGE).  Scores are probabilities.  MT_ERROR_INPUT also for n = 0. */
bool mt_decision_curve(const double *scores, const int *truth, int64_t n, const double *thresholds, int n_thresholds, mt_net_benefit *curve,
                       GError **error);

#endif
