/* Percentiles of plain values, as numpy.percentile(..., method="linear") gives them. */
#ifndef MT_PERCENTILE_H
#define MT_PERCENTILE_H

#include <microtome/api.h>

/* values: n >= 1 finite numbers, reordered; percent in [0, 100]. */
double mt_percentile(double *values, int64_t n, double percent);

#endif
