/* Derivatives of operators over pictures: what class activation maps ask for. */
#include "kernels/graph/gradient_private.h"

#include <string.h>

/* The mean over all positions. */
static bool global_average_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *x = mt_node_input(node, 0);
    double          count = 1;

    for (int i = 2; i < x->rank; i++)
        count *= (double)x->shape[i];
    mt_value *share = mt_reverse_two(r, "Mul", slope, mt_reverse_scalar(r, 1 / count));
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Expand", share, mt_reverse_list(r, x->shape, x->rank)));
}

/* A vector along the channels of x. */
static mt_value *along_channels(mt_reverse *r, mt_value *vector, const mt_value *x)
{
    mt_value shape = {.rank = x->rank, .shape = {1, x->shape[1], 1, 1, 1, 1, 1, 1}};

    return mt_reverse_reshape(r, vector, &shape);
}

static bool add_channel_sum(mt_reverse *r, const mt_node *node, int i, mt_value *part)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         axes[MT_MAX_RANK] = {0};

    for (int a = 2; a < x->rank; a++)
        axes[a - 1] = a;
    return mt_reverse_add(r, node, i, mt_reverse_reshape(r, mt_reverse_sum(r, part, axes, x->rank - 1, true), mt_node_input(node, i)));
}

/* With the stored mean and variance: y = (x - mean) scale / sqrt(variance + epsilon) + bias. */
static bool batch_norm_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *x = mt_node_input(node, 0);
    mt_value       *variance = mt_reverse_mirror(r, mt_node_input(node, 4)), *scale = mt_reverse_mirror(r, mt_node_input(node, 1));
    mt_value       *floor = mt_reverse_scalar(r, mt_node_float(node, "epsilon", 1e-5));
    mt_value       *deviation = mt_reverse_op(r, "Sqrt", mt_reverse_two(r, "Add", variance, floor), NULL);

    if (mt_node_int(node, "training_mode", 0) != 0 || mt_reverse_wants(r, node, 3) || mt_reverse_wants(r, node, 4)) {
        g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (BatchNormalization): the gradient of its statistics is not known",
                    node->name);
        return false;
    }
    if (mt_reverse_wants(r, node, 0)) {
        mt_value *factor = along_channels(r, mt_reverse_two(r, "Div", scale, deviation), x);
        if (!mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, factor)))
            return false;
    }
    if (mt_reverse_wants(r, node, 1)) {
        mt_value *mean = along_channels(r, mt_reverse_mirror(r, mt_node_input(node, 3)), x);
        mt_value *centred = mt_reverse_two(r, "Sub", mt_reverse_mirror(r, mt_node_input(node, 0)), mean);
        mt_value *normal = mt_reverse_two(r, "Div", centred, along_channels(r, deviation, x));
        if (!add_channel_sum(r, node, 1, mt_reverse_two(r, "Mul", slope, normal)))
            return false;
    }
    return !mt_reverse_wants(r, node, 2) || add_channel_sum(r, node, 2, slope);
}

static const struct {
    const char      *op;
    mt_gradient_rule rule;
} rules[] = {{"BatchNormalization", batch_norm_rule}, {"GlobalAveragePool", global_average_rule}};

mt_gradient_rule mt_gradient_find_picture_rule(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].op, name) == 0)
            return rules[i].rule;
    return mt_gradient_find_window_rule(name);
}
