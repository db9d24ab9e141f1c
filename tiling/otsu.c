#include "tiling/otsu.h"

#include <float.h>
#include <math.h>

/* 1 / count and the mean of the bins from `first` on. */
static double scale_of(const int64_t *histogram, int first, int bins, double *mean)
{
    double n = 0, sum = 0;

    for (int i = first; i < bins; i++) {
        n += (double)histogram[i];
        sum += i * (double)histogram[i];
    }
    *mean = sum * (1 / n);
    return 1 / n;
}

double mt_otsu_mean(const int64_t *histogram, int bins)
{
    double mean;

    scale_of(histogram, 0, bins, &mean);
    return mean;
}

/* OpenCV's recurrence step by step, in its order: ties and rounding fall as they do there. */
mt_otsu mt_otsu_split(const int64_t *histogram, int bins, int above)
{
    mt_otsu best = {.threshold = -1};
    double  mean, scale = scale_of(histogram, above + 1, bins, &mean);
    double  q1 = 0, mu1 = 0, most = 0;

    for (int i = above + 1; i < bins; i++) {
        double p = (double)histogram[i] * scale;
        mu1 *= q1;
        q1 += p;
        double q2 = 1 - q1;
        if (!(MIN(q1, q2) >= FLT_EPSILON && MAX(q1, q2) <= 1 - FLT_EPSILON))
            continue;
        mu1 = (mu1 + i * p) / q1;
        double mu2 = (mean - q1 * mu1) / q2;
        double between = q1 * q2 * (mu1 - mu2) * (mu1 - mu2);
        if (between > most) {
            most = between;
            best = (mt_otsu){i, mu1, mu2};
        }
    }
    return best;
}
