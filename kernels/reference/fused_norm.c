/* Normalisations that ONNX lacks or that exporters write out in pieces; the graph passes make them.
 *   mt.GroupNorm  inputs x (N, C, ..), scale (C), shift (C), the last two or the last may be missing; attributes groups, epsilon:
 *                 each of N x groups blocks of C / groups channels gets mean 0 and variance 1, then scale and shift a channel
 *   mt.RmsNorm    inputs x (.., D), scale (D) or none; attribute epsilon: x / sqrt(mean(x^2) + epsilon) scale
 * Float32.  Sums in double over eight running lanes, so that it is vector code and always the same order. */
#include "kernels/pixel/clones.h"
#include "kernels/reference/families.h"

#include <math.h>
#include <string.h>

#define LANES 8

static double sum_lanes(const double *lanes)
{
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

MT_CLONES static double sum_of(const float *x, int64_t n)
{
    double lanes[LANES] = {0}, rest = 0;

    for (int64_t i = 0; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += x[i + k];
    for (int64_t i = n / LANES * LANES; i < n; i++)
        rest += x[i];
    return sum_lanes(lanes) + rest;
}

/* Of (x - mean)^2. */
MT_CLONES static double squares_of(const float *x, int64_t n, float mean)
{
    double lanes[LANES] = {0}, rest = 0;

    for (int64_t i = 0; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            double d = x[i + k] - mean;
            lanes[k] += d * d;
        }
    for (int64_t i = n / LANES * LANES; i < n; i++)
        rest += (double)(x[i] - mean) * (x[i] - mean);
    return sum_lanes(lanes) + rest;
}

MT_CLONES static void shift_and_scale(const float *x, int64_t n, float mean, float factor, float shift, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * factor + shift;
}

MT_CLONES static void scale_row(const float *x, int64_t n, float factor, const float *scale, float *y)
{
    if (scale == NULL)
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * factor;
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * factor * scale[i];
}

static bool is_vector(const mt_value *value, int64_t n)
{
    return value == NULL || (value->dtype == MT_F32 && value->rank == 1 && (n < 0 || value->shape[0] < 0 || value->shape[0] == n));
}

static bool set_like(mt_node *node, int64_t width, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    mt_value       *y = mt_node_output(node, 0);

    if (x->dtype != MT_F32 || y == NULL || !is_vector(mt_node_input(node, 1), width) || !is_vector(mt_node_input(node, 2), width)) {
        mt_node_error(node, error, "it needs a float32 input and vectors as wide");
        return false;
    }
    y->dtype = x->dtype;
    y->rank = x->rank;
    memcpy(y->shape, x->shape, sizeof y->shape);
    return true;
}

static bool infer_group_norm(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         groups = mt_node_int(node, "groups", 0);

    if (x == NULL || x->rank < 2 || groups < 1 || (x->shape[1] >= 0 && x->shape[1] % groups != 0)) {
        mt_node_error(node, error, "its channels do not divide into %" G_GINT64_FORMAT " groups", groups);
        return false;
    }
    return set_like(node, x->shape[1], error);
}

static const float *vector_of(const mt_node *node, const mt_tensor *const *inputs, guint i)
{
    return i < node->inputs->len && inputs[i] != NULL ? inputs[i]->data : NULL;
}

static bool run_group_norm(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    const float     *scale = vector_of(node, inputs, 1), *shift = vector_of(node, inputs, 2);
    int64_t          channels = x->shape[1], groups = mt_node_int(node, "groups", 1), each = channels / groups;
    int64_t          inner = mt_tensor_count(x) / MAX(1, x->shape[0] * channels), n = each * inner;
    double           epsilon = mt_node_float(node, "epsilon", 1e-5);

    (void)error;
    for (int64_t g = 0; n > 0 && g < x->shape[0] * groups; g++) {
        const float *from = (const float *)x->data + g * n;
        float       *to = (float *)outputs[0]->data + g * n, mean = (float)(sum_of(from, n) / (double)n);
        double       inverse = 1 / sqrt(squares_of(from, n, mean) / (double)n + epsilon);

        for (int64_t c = 0; c < each; c++) {
            int64_t at = g % groups * each + c;

            shift_and_scale(from + c * inner, inner, mean, (float)(scale == NULL ? inverse : inverse * scale[at]),
                            shift == NULL ? 0 : shift[at], to + c * inner);
        }
    }
    return true;
}

static bool infer_rms_norm(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);

    if (x == NULL || x->rank < 1) {
        mt_node_error(node, error, "it needs an input with dimensions");
        return false;
    }
    return set_like(node, x->shape[x->rank - 1], error);
}

static bool run_rms_norm(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    const float     *scale = vector_of(node, inputs, 1);
    int64_t          n = x->shape[x->rank - 1], rows = mt_tensor_count(x) / MAX(1, n);
    double           epsilon = mt_node_float(node, "epsilon", 1e-5);

    (void)error;
    for (int64_t r = 0; n > 0 && r < rows; r++) {
        const float *from = (const float *)x->data + r * n;

        scale_row(from, n, (float)(1 / sqrt(squares_of(from, n, 0) / (double)n + epsilon)), scale, (float *)outputs[0]->data + r * n);
    }
    return true;
}

const mt_operator mt_family_fused_norm[] = {
    {"mt.GroupNorm", 0, 0, infer_group_norm, run_group_norm},
    {"mt.RmsNorm", 0, 0, infer_rms_norm, run_rms_norm},
    {NULL, 0, 0, NULL, NULL},
};
