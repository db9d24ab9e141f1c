#include "kernels/pixel/resample_private.h"
#include "src/base/alloc.h"

#include <math.h>

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x *= G_PI;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

typedef struct filter_shape {
    double (*value)(double x);
    double support;
} filter_shape;

static const filter_shape shapes[] = {
    [MT_FILTER_BILINEAR] = {bilinear, 1.0},
    [MT_FILTER_BICUBIC] = {bicubic, 2.0},
    [MT_FILTER_LANCZOS] = {lanczos, 3.0},
};

/* Taps 2j and 2j + 1 share a word of 32 bits, once with their low and once with their high halves. */
static void pack_output(mt_axis *axis, int64_t i)
{
    const uint32_t mask = (1 << MT_RESAMPLE_SPLIT) - 1;
    const int32_t *fixed = axis->fixed + i * axis->taps;
    int32_t       *packed = axis->packed + i * (axis->taps + 1);

    for (int64_t k = 0; k < axis->taps; k += 2) {
        int32_t even = fixed[k], odd = k + 1 < axis->taps ? fixed[k + 1] : 0;
        packed[k] = (int32_t)(((uint32_t)even & mask) | ((uint32_t)odd & mask) << 16);
        packed[k + 1] = (int32_t)(((uint32_t)(even >> MT_RESAMPLE_SPLIT) & 0xffff) | (uint32_t)(odd >> MT_RESAMPLE_SPLIT) << 16);
    }
}

/* Weights of output i; what they were before is of no matter. */
static void fill_output(mt_axis *axis, int64_t i, const filter_shape *shape, double scale, double widening)
{
    double  centre = axis->low + (i + 0.5) * scale, support = shape->support * widening;
    double  sum = 0.0, step = 1.0 / widening;
    int64_t first = MAX(0, (int64_t)(centre - support + 0.5));
    int64_t count = MIN(axis->src, (int64_t)(centre + support + 0.5)) - first;
    double *weight = axis->weight + i * axis->taps;

    for (int64_t k = 0; k < count; k++) {
        weight[k] = shape->value((k + first - centre + 0.5) * step);
        sum += weight[k];
    }
    for (int64_t k = 0; k < count; k++)
        if (sum != 0.0)
            weight[k] /= sum;
    for (int64_t k = 0; k < axis->taps; k++) {
        double scaled = weight[k] * (1 << MT_RESAMPLE_BITS);
        axis->fixed[i * axis->taps + k] = (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
    axis->first[i] = first;
    axis->count[i] = count;
    pack_output(axis, i);
}

/* Positions are summed, not multiplied, as Pillow's affine transform does. */
static void fill_nearest(mt_axis *axis)
{
    double step = (double)(axis->high - axis->low) / axis->dst;
    double at = axis->low + step * 0.5;

    for (int64_t i = 0; i < axis->dst; i++, at += step) {
        int64_t index = at < 0.0 ? -1 : (int64_t)at;
        axis->first[i] = index < axis->src ? index : -1;
    }
}

static bool allocate(mt_axis *axis, GError **error)
{
    axis->first = mt_alloc(axis->dst, sizeof *axis->first, error);
    axis->count = axis->first == NULL ? NULL : mt_alloc(axis->dst, sizeof *axis->count, error);
    axis->weight = axis->count == NULL ? NULL : mt_alloc(axis->dst, sizeof *axis->weight * (size_t)axis->taps, error);
    axis->fixed = axis->weight == NULL ? NULL : mt_alloc(axis->dst, sizeof *axis->fixed * (size_t)axis->taps, error);
    axis->packed = axis->fixed == NULL ? NULL : mt_alloc(axis->dst, sizeof *axis->packed * (size_t)(axis->taps + 1), error);
    return axis->packed != NULL;
}

bool mt_axis_init(mt_axis *axis, int64_t src, int64_t dst, float low, float high, mt_filter filter, GError **error)
{
    double scale = (double)(high - low) / dst, widening = MAX(scale, 1.0);

    *axis = (mt_axis){.src = src, .dst = dst, .low = low, .high = high};
    axis->needed = dst != src || low != 0 || high != (float)dst;
    axis->taps = filter == MT_FILTER_NEAREST ? 1 : (int64_t)ceil(shapes[filter].support * widening) * 2 + 1;
    if (!allocate(axis, error))
        return false;
    if (filter == MT_FILTER_NEAREST) {
        fill_nearest(axis);
        return true;
    }
    axis->begin = src;
    for (int64_t i = 0; i < dst; i++) {
        fill_output(axis, i, &shapes[filter], scale, widening);
        axis->begin = MIN(axis->begin, axis->first[i]);
        axis->end = MAX(axis->end, axis->first[i] + axis->count[i]);
    }
    return true;
}

void mt_axis_clear(mt_axis *axis)
{
    mt_free(axis->first);
    mt_free(axis->count);
    mt_free(axis->weight);
    mt_free(axis->fixed);
    mt_free(axis->packed);
    *axis = (mt_axis){0};
}
