#include "kernels/quantize/observed.h"

#include <math.h>
#include <string.h>

/* Ends of the range that are tried: multiples of 1 / STEPS of what was seen. */
#define STEPS 100

void mt_observed_init(mt_observed *seen, int64_t channels)
{
    *seen = (mt_observed){.min = INFINITY, .max = -INFINITY, .channels = channels};
    if (channels == 0)
        return;
    seen->low = g_new(float, channels);
    seen->high = g_new(float, channels);
    seen->square = g_new0(double, channels);
    for (int64_t i = 0; i < channels; i++) {
        seen->low[i] = INFINITY;
        seen->high[i] = -INFINITY;
    }
}

void mt_observed_clear(mt_observed *seen)
{
    g_clear_pointer(&seen->bins, g_free);
    g_clear_pointer(&seen->low, g_free);
    g_clear_pointer(&seen->high, g_free);
    g_clear_pointer(&seen->square, g_free);
}

static void see_channels(mt_observed *seen, const float *row)
{
    for (int64_t i = 0; i < seen->channels; i++) {
        seen->low[i] = MIN(seen->low[i], row[i]);
        seen->high[i] = MAX(seen->high[i], row[i]);
        seen->square[i] += (double)row[i] * row[i];
    }
}

bool mt_observed_extremes(mt_observed *seen, const float *data, int64_t n)
{
    float   low = seen->min, high = seen->max;
    int64_t zeros = 0, wrong = 0;

    for (int64_t i = 0; i < n; i++) {
        low = data[i] < low ? data[i] : low;
        high = data[i] > high ? data[i] : high;
        zeros += data[i] == 0;
        wrong += !(fabsf(data[i]) <= FLT_MAX);
    }
    seen->min = low;
    seen->max = high;
    seen->n += n;
    seen->n_zero += zeros;
    for (int64_t i = 0; seen->channels > 0 && wrong == 0 && i + seen->channels <= n; i += seen->channels)
        see_channels(seen, data + i);
    return wrong == 0;
}

void mt_observed_count(mt_observed *seen, const float *data, int64_t n)
{
    double scale = seen->max > seen->min ? MT_OBSERVED_BINS / ((double)seen->max - seen->min) : 0;

    if (seen->bins == NULL)
        seen->bins = g_new0(double, MT_OBSERVED_BINS);
    for (int64_t i = 0; i < n; i++) {
        int bin = (int)(((double)data[i] - seen->min) * scale);

        seen->bins[CLAMP(bin, 0, MT_OBSERVED_BINS - 1)]++;
    }
}

mt_affine mt_affine_of_range(double low, double high)
{
    low = MIN(low, 0);
    high = MAX(high, 0);
    float scale = (float)((high - low) / 255);
    if (!(scale >= FLT_MIN)) /* nothing but zeros */
        return (mt_affine){.scale = 1, .zero = 0};
    return (mt_affine){.scale = scale, .zero = (uint8_t)CLAMP(nearbyint(-low / scale), 0, 255)};
}

static double bin_value(const mt_observed *seen, int bin)
{
    return seen->min + (bin + 0.5) * ((double)seen->max - seen->min) / MT_OBSERVED_BINS;
}

/* Where the given number of elements lie outside, counted from one end inwards. */
static double percentile_end(const mt_observed *seen, double outside, int from, int step)
{
    double passed = 0;
    int    bin = from;

    for (; bin >= 0 && bin < MT_OBSERVED_BINS; bin += step) {
        passed += seen->bins[bin];
        if (passed > outside)
            break;
    }
    return bin == from ? (step > 0 ? seen->min : seen->max) : bin_value(seen, bin);
}

/* For each candidate end: the squared distance of what lies beyond it, and how many those are.  `sign` -1 looks at the lower end. */
static void clip_costs(const mt_observed *seen, double end, double sign, double cost[STEPS + 1], double beyond[STEPS + 1])
{
    for (int k = 1; k <= STEPS; k++) {
        double edge = end * k / STEPS;

        cost[k] = beyond[k] = 0;
        for (int bin = 0; bin < MT_OBSERVED_BINS && seen->bins != NULL; bin++) {
            double over = sign * (bin_value(seen, bin) - edge);
            if (over > 0 && seen->bins[bin] > 0) {
                cost[k] += seen->bins[bin] * over * over;
                beyond[k] += seen->bins[bin];
            }
        }
    }
}

/* Rounding costs a twelfth of the squared step for each element inside but exact zeros, clipping the squared distance outside. */
static mt_affine choose_by_error(const mt_observed *seen)
{
    double low = MIN(seen->min, 0), high = MAX(seen->max, 0), best = INFINITY, best_low = low, best_high = high;
    double cost_low[STEPS + 1], cost_high[STEPS + 1], under[STEPS + 1], over[STEPS + 1];

    clip_costs(seen, low, -1, cost_low, under);
    clip_costs(seen, high, 1, cost_high, over);
    for (int i = low < 0 ? 1 : STEPS; i <= STEPS; i++)
        for (int k = high > 0 ? 1 : STEPS; k <= STEPS; k++) {
            double step = (high * k - low * i) / STEPS / 255;
            double inside = (double)(seen->n - seen->n_zero) - under[i] - over[k];
            double cost = cost_low[i] + cost_high[k] + MAX(inside, 0) * step * step / 12;

            if (cost <= best) {
                best = cost;
                best_low = low * i / STEPS;
                best_high = high * k / STEPS;
            }
        }
    return mt_affine_of_range(best_low, best_high);
}

mt_affine mt_observed_choose(const mt_observed *seen, mt_range_method method, double percentile)
{
    double outside = (double)seen->n * (1 - percentile / 100);

    if (method == MT_RANGE_MINMAX || seen->bins == NULL)
        return mt_affine_of_range(seen->min, seen->max);
    if (method == MT_RANGE_MSE)
        return choose_by_error(seen);
    return mt_affine_of_range(seen->min < 0 ? percentile_end(seen, outside, 0, 1) : 0,
                              seen->max > 0 ? percentile_end(seen, outside, MT_OBSERVED_BINS - 1, -1) : 0);
}
