/* What calibration saw of one tensor, and the range that follows from it. */
#ifndef MT_OBSERVED_H
#define MT_OBSERVED_H

#include <microtome/quantize.h>

#define MT_OBSERVED_BINS 8192

typedef struct mt_observed {
    int64_t n, n_zero; /* elements, and those that are exactly 0 */
    float   min, max;
    double *bins;     /* MT_OBSERVED_BINS counts over [min, max]; NULL before the second pass */
    int64_t channels; /* of the last axis; 0: not wanted */
    float  *low, *high;
    double *square; /* sums, by channel */
} mt_observed;

/* uint8: real = scale x (integer - zero). */
typedef struct mt_affine {
    float   scale;
    uint8_t zero;
} mt_affine;

void mt_observed_init(mt_observed *seen, int64_t channels);
void mt_observed_clear(mt_observed *seen);
/* First pass: extremes.  False when an element is not finite; nothing is said about the rest then. */
bool mt_observed_extremes(mt_observed *seen, const float *data, int64_t n);
/* Second pass, over the same elements: the histogram. */
void mt_observed_count(mt_observed *seen, const float *data, int64_t n);

/* A range that holds 0, in which 0 is exact. */
mt_affine mt_affine_of_range(double low, double high);
mt_affine mt_observed_choose(const mt_observed *seen, mt_range_method method, double percentile);

#endif
