/* Gradients of operators over pictures: what class activation maps and fine-tuning need. */
#include "kernels/graph/gradient_rules.h"

#include <string.h>

#define X mt_node_input(node, 0)
#define Y mt_node_output(node, 0)

/* The mean over all positions. */
static void of_global_average(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    double count = 1;

    for (int i = 2; i < X->rank; i++)
        count *= (double)X->shape[i];
    mt_reverse_give(r, X, mt_reverse_expand(r, REVERSE_OP(r, "Mul", dy[0], mt_reverse_number(r, X, 1 / count)), X));
}

static mt_value *per_channel(mt_reverse *r, mt_value *vector, const mt_value *like)
{
    int64_t shape[MT_MAX_RANK];

    for (int i = 0; i < MT_MAX_RANK; i++)
        shape[i] = 1;
    shape[1] = vector->shape[0];
    return mt_reverse_reshape(r, vector, like->rank, shape);
}

/* With the stored mean and variance: y = (x - mean) scale / sqrt(variance + epsilon) + bias. */
static void of_batch_norm(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *scale = mt_node_input(node, 1), *bias = mt_node_input(node, 2), *average = mt_node_input(node, 3);
    mt_value *floor = mt_reverse_number(r, X, mt_node_float(node, "epsilon", 1e-5));
    mt_value *deviation = REVERSE_OP(r, "Sqrt", REVERSE_OP(r, "Add", mt_node_input(node, 4), floor));
    mt_value  row = {.rank = X->rank, .shape = {1, scale->shape[0], 1, 1, 1, 1, 1, 1}};
    int64_t   axes[MT_MAX_RANK] = {0};
    int       n = 1;

    if (mt_node_int(node, "training_mode", 0) != 0 || mt_reverse_wants(r, average) || mt_reverse_wants(r, mt_node_input(node, 4))) {
        mt_reverse_refuse(r, node, "it is in training mode, or its statistics would be differentiated");
        return;
    }
    for (int i = 2; i < row.rank; i++)
        axes[n++] = i;
    mt_value *wide = deviation != NULL ? mt_reverse_reshape(r, deviation, row.rank, row.shape) : NULL;
    if (mt_reverse_wants(r, X))
        mt_reverse_give(r, X, REVERSE_OP(r, "Mul", dy[0], REVERSE_OP(r, "Div", per_channel(r, scale, X), wide)));
    if (mt_reverse_wants(r, bias))
        mt_reverse_give(r, bias, mt_reverse_reshape(r, mt_reverse_sum(r, dy[0], axes, n), 1, bias->shape));
    if (mt_reverse_wants(r, scale)) {
        mt_value *normal = REVERSE_OP(r, "Div", REVERSE_OP(r, "Sub", X, per_channel(r, average, X)), wide);
        mt_value *sum = mt_reverse_sum(r, REVERSE_OP(r, "Mul", dy[0], normal), axes, n);
        mt_reverse_give(r, scale, mt_reverse_reshape(r, sum, 1, scale->shape));
    }
}

typedef struct {
    int64_t pads[2 * MT_MAX_RANK], strides[MT_MAX_RANK], dilations[MT_MAX_RANK], kernel[MT_MAX_RANK];
    int     n; /* spatial dimensions */
} window;

static void fill(const mt_node *node, const char *name, int64_t fallback, int n, int64_t *out)
{
    int            given;
    const int64_t *list = mt_node_ints(node, name, &given);

    for (int i = 0; i < n; i++)
        out[i] = i < given ? list[i] : fallback;
}

static bool window_of(mt_reverse *r, const mt_node *node, window *w)
{
    const char *fit = mt_node_string(node, "auto_pad", "NOTSET");

    w->n = X->rank - 2;
    fill(node, "pads", 0, 2 * w->n, w->pads);
    fill(node, "strides", 1, w->n, w->strides);
    fill(node, "dilations", 1, w->n, w->dilations);
    if (strcmp(fit, "NOTSET") == 0 || strcmp(fit, "VALID") == 0)
        return true;
    mt_reverse_refuse(r, node, "auto_pad asks for padding that depends on the size");
    return false;
}

/* How far the picture goes beyond what the last window reached: it got no gradient there. */
static void left_over(const mt_node *node, const window *w, int64_t *out)
{
    for (int i = 0; i < w->n; i++)
        out[i] = X->shape[2 + i] + w->pads[i] + w->pads[w->n + i] - (w->kernel[i] - 1) * w->dilations[i] - 1 -
                 (Y->shape[2 + i] - 1) * w->strides[i];
}

static mt_value *spread_windows(mt_reverse *r, const mt_node *node, const window *w, mt_value *dy, mt_value *weight, int64_t groups)
{
    int64_t   extra[MT_MAX_RANK];
    mt_value *dx = REVERSE_OP(r, "ConvTranspose", dy, weight);

    left_over(node, w, extra);
    mt_reverse_ints(dx, "pads", w->pads, 2 * w->n);
    mt_reverse_ints(dx, "strides", w->strides, w->n);
    mt_reverse_ints(dx, "dilations", w->dilations, w->n);
    mt_reverse_ints(dx, "output_padding", extra, w->n);
    mt_reverse_int(dx, "group", groups);
    return dx;
}

/* The weight's gradient is a convolution too: channels take the place of pictures, dy that of the weight, strides and dilations
 * change roles.  What it computes beyond the kernel's size is cut off. */
static mt_value *weight_gradient(mt_reverse *r, const mt_node *node, const window *w, mt_value *dy, const mt_value *weight)
{
    int64_t   swap[MT_MAX_RANK] = {1, 0, 2, 3, 4, 5, 6, 7}, zeros[MT_MAX_RANK] = {0}, axes[MT_MAX_RANK];
    mt_value *full = REVERSE_OP(r, "Conv", mt_reverse_permute(r, X, X->rank, swap), mt_reverse_permute(r, dy, X->rank, swap));

    mt_reverse_ints(full, "pads", w->pads, 2 * w->n);
    mt_reverse_ints(full, "strides", w->dilations, w->n);
    mt_reverse_ints(full, "dilations", w->strides, w->n);
    for (int i = 0; i < w->n; i++)
        axes[i] = 2 + i;
    mt_value *cut = REVERSE_OP(r, "Slice", full, mt_reverse_list(r, zeros, w->n), mt_reverse_list(r, weight->shape + 2, w->n),
                               mt_reverse_list(r, axes, w->n));
    return mt_reverse_permute(r, cut, X->rank, swap);
}

static void of_conv(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *weight = mt_node_input(node, 1), *bias = mt_node_input(node, 2);
    int64_t   groups = mt_node_int(node, "group", 1), axes[MT_MAX_RANK] = {0};
    window    w;

    if (!window_of(r, node, &w))
        return;
    memcpy(w.kernel, weight->shape + 2, (size_t)w.n * sizeof *w.kernel);
    if (mt_reverse_wants(r, X))
        mt_reverse_give(r, X, spread_windows(r, node, &w, dy[0], weight, groups));
    if (mt_reverse_wants(r, weight) && groups != 1)
        mt_reverse_refuse(r, node, "the weight of a convolution in groups");
    if (mt_reverse_wants(r, weight))
        mt_reverse_give(r, weight, weight_gradient(r, node, &w, dy[0], weight));
    if (!mt_reverse_wants(r, bias))
        return;
    for (int i = 0; i < w.n; i++)
        axes[1 + i] = 2 + i;
    mt_reverse_give(r, bias, mt_reverse_reshape(r, mt_reverse_sum(r, dy[0], axes, 1 + w.n), 1, bias->shape));
}

static void of_average_pool(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    int64_t shape[MT_MAX_RANK];
    double  count = 1;
    bool    padded = false;
    window  w;

    if (!window_of(r, node, &w))
        return;
    fill(node, "kernel_shape", 1, w.n, w.kernel);
    for (int i = 0; i < 2 * w.n; i++)
        padded = padded || w.pads[i] != 0;
    if (mt_node_int(node, "ceil_mode", 0) != 0 || (padded && mt_node_int(node, "count_include_pad", 0) == 0)) {
        mt_reverse_refuse(r, node, "its windows do not all count the same number of elements");
        return;
    }
    shape[0] = X->shape[1];
    shape[1] = 1;
    for (int i = 0; i < w.n; i++) {
        shape[2 + i] = w.kernel[i];
        count *= (double)w.kernel[i];
    }
    mt_value like = {.rank = X->rank, .dtype = X->dtype};
    memcpy(like.shape, shape, sizeof shape);
    mt_value *weight = mt_reverse_expand(r, mt_reverse_number(r, X, 1 / count), &like);
    mt_reverse_give(r, X, spread_windows(r, node, &w, dy[0], weight, X->shape[1]));
}

const mt_gradient_rule mt_gradients_spatial[] = {
    {"AveragePool", of_average_pool},
    {"BatchNormalization", of_batch_norm},
    {"Conv", of_conv},
    {"GlobalAveragePool", of_global_average},
    {0},
};
