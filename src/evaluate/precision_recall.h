/* Precision against recall, and the average precision: what to look at where positives are rare. */
#ifndef MT_PRECISION_RECALL_H
#define MT_PRECISION_RECALL_H

#include "src/evaluate/curve.h"
#include "src/evaluate/estimate.h"

/* Sum over different scores, from the highest, of (recall - recall before) x precision: steps, no trapezoids (scikit-learn's AP, "AUPRC").
 * Not defined without positives. */
bool mt_average_precision(const double *scores, const int *truth, int64_t n, mt_estimate *area, GError **error);
/* x = recall, y = precision, first (0, 1), then one point for each different score; n = 0 without positives. */
bool mt_precision_recall_curve(const double *scores, const int *truth, int64_t n, mt_curve *curve, GError **error);

#endif
