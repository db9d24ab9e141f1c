/* A histogram of intensities of any type, over a range found first. */
#ifndef MT_INTENSITY_HISTOGRAM_H
#define MT_INTENSITY_HISTOGRAM_H

#include <microtome/api.h>

#define MT_INTENSITY_BINS 4096

typedef struct mt_intensity_histogram {
    float   low, high; /* of the finite values seen by _range; low > high: none */
    int64_t bins[MT_INTENSITY_BINS];
} mt_intensity_histogram;

void mt_intensity_histogram_init(mt_intensity_histogram *h);
/* First widen the range over all values, then add them; NaN and infinity count in neither. */
void mt_intensity_histogram_range(mt_intensity_histogram *h, const float *values, int64_t n);
void mt_intensity_histogram_add(mt_intensity_histogram *h, const float *values, int64_t n);
/* Value at the upper edge of bin `bin`: a value is above it exactly when its bin is. */
double mt_intensity_histogram_edge(const mt_intensity_histogram *h, int bin);
int    mt_intensity_histogram_bin(const mt_intensity_histogram *h, float value);
/* Values at shares p and q of the sorted values, to within a bin; 0 and 0 when there are none. */
void mt_intensity_histogram_percentiles(const mt_intensity_histogram *h, double p, double q, float *at_p, float *at_q);

/* Luminance of `count` pixels: u8 with 1 or 3 channels (Rec. 601), float with 1 channel (or the mean of several). */
void mt_luminance_row(const void *samples, bool is_u8, int channels, int64_t count, float *luminance);

#endif
