/* Gradients of sums, means, extremes and of what normalises along axes. */
#include "kernels/graph/gradient_rules.h"

#include <string.h>

/* The axes of a reduction, counted from the front; false when they are computed. */
static bool axes_of(const mt_node *node, int64_t *axes, int *n)
{
    const mt_value *x = mt_node_input(node, 0), *list = mt_node_input(node, 1);
    const int64_t  *given = mt_node_ints(node, "axes", n);

    if (list != NULL && list->constant == NULL)
        return false;
    if (list != NULL) {
        given = list->constant->data;
        *n = (int)mt_tensor_count(list->constant);
    }
    if (*n > MT_MAX_RANK)
        return false;
    for (int i = 0; i < *n; i++)
        axes[i] = mt_reverse_axis(x, given[i]);
    if (*n == 0 && mt_node_int(node, "noop_with_empty_axes", 0) == 0)
        for (*n = 0; *n < x->rank; (*n)++)
            axes[*n] = *n;
    return true;
}

/* The shape with reduced axes of 1; returns how many elements were reduced to one. */
static double kept_shape(const mt_value *x, const int64_t *axes, int n, int64_t *shape)
{
    double count = 1;

    memcpy(shape, x->shape, sizeof x->shape);
    for (int i = 0; i < n; i++) {
        count *= (double)x->shape[axes[i]];
        shape[axes[i]] = 1;
    }
    return count;
}

static void of_reduction(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *x = mt_node_input(node, 0), *y = mt_node_output(node, 0), *spread, *share;
    int64_t   axes[MT_MAX_RANK], shape[MT_MAX_RANK];
    double    count;
    int       n;

    if (!axes_of(node, axes, &n)) {
        mt_reverse_refuse(r, node, "its axes are computed");
        return;
    }
    count = kept_shape(x, axes, n, shape);
    spread = mt_reverse_reshape(r, dy[0], x->rank, shape);
    if (strcmp(node->op, "ReduceSum") == 0 || strcmp(node->op, "ReduceMean") == 0) {
        if (node->op[6] == 'M')
            spread = REVERSE_OP(r, "Mul", spread, mt_reverse_number(r, x, 1 / count));
        mt_reverse_give(r, x, mt_reverse_expand(r, spread, x));
        return;
    }
    /* an extreme: equal shares for all that reach it */
    share = REVERSE_OP(r, "Cast", REVERSE_OP(r, "Equal", x, mt_reverse_reshape(r, y, x->rank, shape)));
    mt_reverse_int(share, "to", x->dtype == MT_F64 ? 11 : 1);
    mt_reverse_give(r, x, REVERSE_OP(r, "Mul", share, REVERSE_OP(r, "Div", spread, mt_reverse_sum(r, share, axes, n))));
}

/* Along one axis; before opset 13 all axes from it on were one, which is the same for the last. */
static bool softmax_axis(mt_reverse *r, const mt_node *node, int64_t *axis)
{
    const mt_value *x = mt_node_input(node, 0);

    *axis = mt_reverse_axis(x, mt_node_int(node, "axis", node->opset < 13 ? 1 : -1));
    if (node->opset >= 13 || *axis == x->rank - 1)
        return true;
    mt_reverse_refuse(r, node, "before opset 13, on an axis that is not the last");
    return false;
}

/* y (dy - sum(y dy)) */
static void of_softmax(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *y = mt_node_output(node, 0);
    int64_t   axis;

    if (!softmax_axis(r, node, &axis))
        return;
    mt_value *sum = mt_reverse_sum(r, REVERSE_OP(r, "Mul", y, dy[0]), &axis, 1);
    mt_reverse_give(r, mt_node_input(node, 0), REVERSE_OP(r, "Mul", y, REVERSE_OP(r, "Sub", dy[0], sum)));
}

/* dy - exp(y) sum(dy) */
static void of_log_softmax(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *y = mt_node_output(node, 0);
    int64_t   axis;

    if (!softmax_axis(r, node, &axis))
        return;
    mt_value *sum = mt_reverse_sum(r, dy[0], &axis, 1);
    mt_reverse_give(r, mt_node_input(node, 0), REVERSE_OP(r, "Sub", dy[0], REVERSE_OP(r, "Mul", REVERSE_OP(r, "Exp", y), sum)));
}

static mt_value *mean(mt_reverse *r, mt_value *value, const int64_t *axes, int n, double count)
{
    return REVERSE_OP(r, "Mul", mt_reverse_sum(r, value, axes, n), mt_reverse_number(r, value, 1 / count));
}

/* n = (x - mean) / deviation, y = scale n + bias:  dx = (g - mean(g) - n mean(g n)) / deviation with g = dy scale. */
static void of_layer_norm(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *x = mt_node_input(node, 0), *scale = mt_node_input(node, 1), *bias = mt_node_input(node, 2), *y = mt_node_output(node, 0);
    int64_t   axis = mt_reverse_axis(x, mt_node_int(node, "axis", -1)), axes[MT_MAX_RANK];
    double    count = 1;
    int       n = 0;

    for (int64_t i = axis; i < x->rank; i++) {
        axes[n++] = i;
        count *= (double)x->shape[i];
    }
    if (dy[0] == NULL) {
        mt_reverse_refuse(r, node, "the loss depends on its mean or deviation");
        return;
    }
    mt_value *centred = REVERSE_OP(r, "Sub", x, mean(r, x, axes, n, count));
    mt_value *variance = mean(r, REVERSE_OP(r, "Mul", centred, centred), axes, n, count);
    mt_value *floor = mt_reverse_number(r, x, mt_node_float(node, "epsilon", 1e-5));
    mt_value *deviation = REVERSE_OP(r, "Sqrt", REVERSE_OP(r, "Add", variance, floor));
    mt_value *normal = REVERSE_OP(r, "Div", centred, deviation);
    mt_value *g = REVERSE_OP(r, "Mul", dy[0], scale);

    mt_reverse_give_narrowed(r, bias, dy[0], y);
    if (mt_reverse_wants(r, scale))
        mt_reverse_give_narrowed(r, scale, REVERSE_OP(r, "Mul", dy[0], normal), y);
    if (!mt_reverse_wants(r, x))
        return;
    mt_value *along = REVERSE_OP(r, "Mul", normal, mean(r, REVERSE_OP(r, "Mul", g, normal), axes, n, count));
    mt_value *rest = REVERSE_OP(r, "Sub", REVERSE_OP(r, "Sub", g, mean(r, g, axes, n, count)), along);
    mt_reverse_give(r, x, REVERSE_OP(r, "Div", rest, deviation));
}

const mt_gradient_rule mt_gradients_reduce[] = {
    {"LayerNormalization", of_layer_norm}, {"LogSoftmax", of_log_softmax}, {"ReduceMax", of_reduction}, {"ReduceMean", of_reduction},
    {"ReduceMin", of_reduction},           {"ReduceSum", of_reduction},    {"Softmax", of_softmax},     {0},
};
