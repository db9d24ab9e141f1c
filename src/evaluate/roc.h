/* The area under the ROC curve, the curve itself, and areas over more than two classes.  Intervals: delong.h. */
#ifndef MT_ROC_H
#define MT_ROC_H

#include "src/evaluate/curve.h"
#include "src/evaluate/estimate.h"

/* P(score of a positive > score of a negative) + P(equal) / 2, exact under ties; not defined without both classes.
 * `truth` is 0 or 1; scores any finite numbers, higher = more positive.  MT_ERROR_INPUT, MT_ERROR_MEMORY. */
bool mt_roc_area(const double *scores, const int *truth, int64_t n, mt_estimate *area, GError **error);
/* x = false positive rate, y = sensitivity, one point for each different score after (0, 0); n = 0 without both classes. */
bool mt_roc_curve(const double *scores, const int *truth, int64_t n, mt_curve *curve, GError **error);

/* One class against the rest, class by class. */
typedef struct mt_roc_classes {
    mt_estimate macro;    /* mean over classes; not defined unless each class has cases and none has all */
    mt_estimate weighted; /* the same, weighted with the cases of each class */
    mt_estimate micro;    /* one area over all n x classes pairs of score and truth */
} mt_roc_classes;

/* `scores` [n][classes], `truth` 0 .. classes - 1.  `each` [classes] or NULL gets the area of each class.
 * MT_ERROR_RANGE: classes < 2; MT_ERROR_INPUT: a truth outside the classes. */
bool mt_roc_multiclass(const double *scores, const int *truth, int64_t n, int classes, mt_roc_classes *areas, mt_estimate *each,
                       GError **error);

#endif
