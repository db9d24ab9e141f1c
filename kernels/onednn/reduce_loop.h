/* Sums, means and extremes along one dimension of (outer, n, inner) memory, added up in double in the order of n. */
#ifndef MT_REDUCE_LOOP_H
#define MT_REDUCE_LOOP_H

#include <stdint.h>

typedef enum mt_reduction { MT_REDUCE_SUM, MT_REDUCE_MEAN, MT_REDUCE_MAX, MT_REDUCE_MIN } mt_reduction;

/* Results do not depend on the number of threads. */
void mt_reduce(mt_reduction how, int64_t outer, int64_t n, int64_t inner, const float *x, float *y, int threads);

#endif
