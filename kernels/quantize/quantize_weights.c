#include "kernels/quantize/quantize_weights.h"

#include <math.h>
#include <string.h>

#define BIAS_MAX 1073741824.0 /* 2^30: sums of products still fit beside it */

/* How the channels of an axis lie in memory: index / inner % channels. */
typedef struct {
    int64_t channels, inner, count;
} layout;

static layout layout_of(const mt_tensor *tensor, int axis)
{
    layout l = {.channels = tensor->shape[axis], .inner = 1, .count = mt_tensor_count(tensor)};

    for (int i = axis + 1; i < tensor->rank; i++)
        l.inner *= tensor->shape[i];
    return l;
}

/* Weights may be a view into a file, at any address. */
static float load(const mt_tensor *tensor, int64_t i)
{
    float f;

    memcpy(&f, (const char *)tensor->data + i * (int64_t)sizeof f, sizeof f);
    return f;
}

static void largest_of_channels(const mt_tensor *weights, layout l, float *largest)
{
    for (int64_t i = 0; i < l.count; i += l.inner) {
        float *most = &largest[i / l.inner % l.channels];

        for (int64_t k = i; k < i + l.inner; k++)
            *most = MAX(*most, fabsf(load(weights, k)));
    }
}

/* A channel of zeros takes the smallest scale of the others: its bias still needs fine steps. */
static void fill_scales(mt_tensor *scale, layout l, const mt_tensor *bias, float x_scale)
{
    float *scales = scale->data, smallest = INFINITY;

    for (int64_t c = 0; c < l.channels; c++)
        if (scales[c] > 0)
            smallest = MIN(smallest, scales[c]);
    for (int64_t c = 0; c < l.channels; c++) {
        scales[c] = scales[c] > 0 ? scales[c] / 127 : isfinite(smallest) ? smallest / 127 : 1;
        double fit = bias == NULL ? 0 : fabs((double)load(bias, c)) / x_scale / BIAS_MAX;
        scales[c] = MAX(MAX(scales[c], (float)fit), FLT_MIN);
    }
}

static void fill_weights(mt_tensor *integers, const mt_tensor *weights, layout l, const float *scales)
{
    int8_t *out = integers->data;

    for (int64_t i = 0; i < l.count; i += l.inner) {
        float step = scales[i / l.inner % l.channels];

        for (int64_t k = i; k < i + l.inner; k++)
            out[k] = (int8_t)CLAMP(rintf(load(weights, k) / step), -127, 127);
    }
}

static bool make_bias(mt_int_weights *made, const mt_tensor *bias, float x_scale, GError **error)
{
    int64_t n = mt_tensor_count(bias);

    made->bias = mt_tensor_new(MT_I32, 1, &n, error);
    made->bias_scale = made->bias == NULL ? NULL : mt_tensor_new(MT_F32, 1, &n, error);
    if (made->bias_scale == NULL)
        return false;
    for (int64_t c = 0; c < n; c++) {
        float step = x_scale * ((const float *)made->scale->data)[c];

        step = MAX(step, FLT_MIN);
        ((float *)made->bias_scale->data)[c] = step;
        ((int32_t *)made->bias->data)[c] = (int32_t)CLAMP(nearbyint((double)load(bias, c) / step), -BIAS_MAX, BIAS_MAX);
    }
    return true;
}

bool mt_int_weights_init(mt_int_weights *made, const mt_tensor *weights, int axis, const mt_tensor *bias, float x_scale, GError **error)
{
    layout l = layout_of(weights, axis);

    *made = (mt_int_weights){0};
    made->scale = mt_tensor_new(MT_F32, 1, &l.channels, error);
    made->weights = made->scale == NULL ? NULL : mt_tensor_new(MT_I8, weights->rank, weights->shape, error);
    if (made->weights == NULL) {
        mt_int_weights_clear(made);
        return false;
    }
    largest_of_channels(weights, l, made->scale->data);
    fill_scales(made->scale, l, bias, x_scale);
    fill_weights(made->weights, weights, l, made->scale->data);
    if (bias == NULL || make_bias(made, bias, x_scale, error))
        return true;
    mt_int_weights_clear(made);
    return false;
}

void mt_int_weights_clear(mt_int_weights *made)
{
    g_clear_pointer(&made->weights, mt_tensor_unref);
    g_clear_pointer(&made->scale, mt_tensor_unref);
    g_clear_pointer(&made->bias, mt_tensor_unref);
    g_clear_pointer(&made->bias_scale, mt_tensor_unref);
}

mt_tensor *mt_int_weights_widen(const mt_tensor *integers, const mt_tensor *scale, int axis, GError **error)
{
    layout       l = layout_of(integers, axis);
    mt_tensor   *wide = mt_tensor_new(MT_F32, integers->rank, integers->shape, error);
    const float *scales = scale->data;

    for (int64_t i = 0; wide != NULL && i < l.count; i++) {
        int32_t integer = integers->dtype == MT_I8 ? ((const int8_t *)integers->data)[i] : ((const int32_t *)integers->data)[i];
        ((float *)wide->data)[i] = (float)((double)integer * scales[i / l.inner % l.channels]);
    }
    return wide;
}
