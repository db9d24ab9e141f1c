/* Points of a curve over all thresholds: ROC, precision against recall, FROC. */
#ifndef MT_CURVE_H
#define MT_CURVE_H

#include <microtome/error.h>

/* From the strictest threshold to the loosest; a case is positive where its score >= threshold.  The first threshold is +infinity: nothing is
 * called positive (JSON has no infinity: write null). */
typedef struct mt_curve {
    int64_t n; /* 0: the data do not define it */
    double *x, *y, *threshold;
} mt_curve;

/* Room for n points, all 0; MT_ERROR_MEMORY. */
bool mt_curve_init(mt_curve *curve, int64_t n, GError **error);
void mt_curve_clear(mt_curve *curve);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_curve, mt_curve_clear)

#endif
