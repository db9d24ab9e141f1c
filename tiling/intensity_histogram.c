#include "tiling/intensity_histogram.h"

#include <math.h>
#include <string.h>

void mt_intensity_histogram_init(mt_intensity_histogram *h)
{
    memset(h, 0, sizeof *h);
    h->low = INFINITY;
    h->high = -INFINITY;
}

void mt_intensity_histogram_range(mt_intensity_histogram *h, const float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        h->low = MIN(h->low, values[i]);
        h->high = MAX(h->high, values[i]);
    }
}

int mt_intensity_histogram_bin(const mt_intensity_histogram *h, float value)
{
    double span = (double)h->high - h->low;

    if (!(span > 0))
        return 0;
    return (int)CLAMP(((double)value - h->low) / span * MT_INTENSITY_BINS, 0, MT_INTENSITY_BINS - 1);
}

double mt_intensity_histogram_edge(const mt_intensity_histogram *h, int bin)
{
    return h->low + ((double)h->high - h->low) * (bin + 1) / MT_INTENSITY_BINS;
}

void mt_intensity_histogram_add(mt_intensity_histogram *h, const float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (isfinite(values[i]))
            h->bins[mt_intensity_histogram_bin(h, values[i])]++;
}

static float value_at(const mt_intensity_histogram *h, double total, double share)
{
    double seen = 0;

    for (int i = 0; i < MT_INTENSITY_BINS; i++) {
        seen += (double)h->bins[i];
        if (seen > share * total)
            return (float)(h->low + ((double)h->high - h->low) * i / MT_INTENSITY_BINS);
    }
    return h->high;
}

void mt_intensity_histogram_percentiles(const mt_intensity_histogram *h, double p, double q, float *at_p, float *at_q)
{
    double total = 0;

    *at_p = *at_q = 0;
    for (int i = 0; i < MT_INTENSITY_BINS; i++)
        total += (double)h->bins[i];
    if (total == 0)
        return;
    *at_p = value_at(h, total, p);
    *at_q = value_at(h, total, q);
}

void mt_luminance_row(const void *samples, bool is_u8, int channels, int64_t count, float *luminance)
{
    const uint8_t *u = samples;
    const float   *f = samples;

    for (int64_t i = 0; i < count; i++) {
        if (is_u8 && channels == 3) {
            luminance[i] = 0.299f * u[3 * i] + 0.587f * u[3 * i + 1] + 0.114f * u[3 * i + 2];
        } else {
            float sum = 0;
            for (int c = 0; c < channels; c++)
                sum += is_u8 ? u[channels * i + c] : f[channels * i + c];
            luminance[i] = sum / (float)channels;
        }
    }
}
