/* Derivatives of activations and norms that are one operator: HardSwish, Gelu, LayerNormalization and their like. */
#include "kernels/graph/activation.h"
#include "kernels/graph/gradient_private.h"

#include <math.h>
#include <string.h>

static mt_value *input(mt_reverse *r, const mt_node *node, int i)
{
    return mt_reverse_mirror(r, mt_node_input(node, i));
}

static mt_value *scaled(mt_reverse *r, mt_value *x, double factor)
{
    return mt_reverse_two(r, "Mul", x, mt_reverse_scalar(r, factor));
}

static mt_value *shifted(mt_reverse *r, mt_value *x, double by)
{
    return mt_reverse_two(r, "Add", x, mt_reverse_scalar(r, by));
}

/* 1 where low < x < high, else 0. */
static mt_value *between(mt_reverse *r, mt_value *x, double low, double high)
{
    mt_value *above = mt_reverse_op(r, "Relu", mt_reverse_op(r, "Sign", shifted(r, x, -low), NULL), NULL);
    mt_value *below = mt_reverse_op(r, "Relu", mt_reverse_op(r, "Sign", shifted(r, mt_reverse_op(r, "Neg", x, NULL), high), NULL), NULL);

    return mt_reverse_two(r, "Mul", above, below);
}

/* y = max(0, min(1, alpha x + beta)) */
static bool hard_sigmoid_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    double    alpha = mt_node_float(node, "alpha", 0.2), beta = mt_node_float(node, "beta", 0.5);
    mt_value *line = shifted(r, scaled(r, input(r, node, 0), alpha), beta);

    return mt_reverse_add(r, node, 0, scaled(r, mt_reverse_two(r, "Mul", slope, between(r, line, 0, 1)), alpha));
}

/* y = x max(0, min(1, x / 6 + 1 / 2)): its slope is that of the clipped line plus x / 6 inside */
static bool hard_swish_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *x = input(r, node, 0), *inside = between(r, x, -3, 3);
    mt_value *gate = mt_reverse_op(r, "HardSigmoid", x, NULL);

    if (gate == NULL)
        return false;
    mt_node_set_float(gate->producer, "alpha", 1.0 / 6);
    mt_node_set_float(gate->producer, "beta", 0.5);
    mt_value *part = mt_reverse_two(r, "Add", gate, scaled(r, mt_reverse_two(r, "Mul", x, inside), 1.0 / 6));
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, part));
}

/* x > 0: 1, else y + alpha */
static bool elu_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *x = input(r, node, 0), *y = mt_reverse_mirror(r, mt_node_output(node, 0));
    mt_value *positive = mt_reverse_op(r, "Sign", mt_reverse_op(r, "Relu", x, NULL), NULL);
    mt_value *rest = shifted(r, mt_reverse_op(r, "Neg", positive, NULL), 1);
    mt_value *low = mt_reverse_two(r, "Mul", rest, shifted(r, y, mt_node_float(node, "alpha", 1)));

    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, mt_reverse_two(r, "Add", positive, low)));
}

/* x > 0: 1, else the slope of its channel */
static bool prelu_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *x = input(r, node, 0), *positive = mt_reverse_op(r, "Sign", mt_reverse_op(r, "Relu", x, NULL), NULL);
    mt_value *rest = shifted(r, mt_reverse_op(r, "Neg", positive, NULL), 1);
    mt_value *low = mt_reverse_two(r, "Mul", rest, input(r, node, 1));

    if (mt_reverse_wants(r, node, 1)) {
        g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (PRelu): the gradient of its slopes is not known", node->name);
        return false;
    }
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, mt_reverse_two(r, "Add", positive, low)));
}

/* y = x P(x), P the normal distribution's: P(x) + x p(x); by tanh where the node says so */
static bool gelu_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *x = input(r, node, 0), *whole;

    if (strcmp(mt_node_string(node, "approximate", "none"), "tanh") == 0) {
        mt_value *cube = mt_reverse_two(r, "Mul", mt_reverse_two(r, "Mul", x, x), x);
        mt_value *inner = scaled(r, mt_reverse_two(r, "Add", x, scaled(r, cube, 0.044715)), sqrt(M_2_PI));
        mt_value *t = mt_reverse_op(r, "Tanh", inner, NULL);
        mt_value *bell = shifted(r, mt_reverse_op(r, "Neg", mt_reverse_two(r, "Mul", t, t), NULL), 1);
        mt_value *line = shifted(r, scaled(r, mt_reverse_two(r, "Mul", x, x), 3 * 0.044715), 1);
        mt_value *steep = scaled(r, mt_reverse_two(r, "Mul", mt_reverse_two(r, "Mul", bell, line), x), 0.5 * sqrt(M_2_PI));
        whole = mt_reverse_two(r, "Add", scaled(r, shifted(r, t, 1), 0.5), steep);
    } else {
        mt_value *below = scaled(r, shifted(r, mt_reverse_op(r, "Erf", scaled(r, x, M_SQRT1_2), NULL), 1), 0.5);
        mt_value *bell = mt_reverse_op(r, "Exp", scaled(r, mt_reverse_two(r, "Mul", x, x), -0.5), NULL);
        whole = mt_reverse_two(r, "Add", below, scaled(r, mt_reverse_two(r, "Mul", x, bell), 0.5 * M_2_SQRTPI * M_SQRT1_2));
    }
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, whole));
}

/* Over the axes of `like` from `axis` on, which it keeps as 1. */
static mt_value *mean(mt_reverse *r, mt_value *x, const mt_value *like, int axis)
{
    int64_t axes[MT_MAX_RANK];
    double  count = 1;

    for (int a = axis; a < like->rank; a++) {
        axes[a - axis] = a;
        count *= (double)like->shape[a];
    }
    return scaled(r, mt_reverse_sum(r, x, axes, like->rank - axis, true), 1 / count);
}

/* With g = slope scale, n the normalised x, d the deviation: (g - mean(g) - n mean(g n)) / d over the normalised axes. */
static bool layer_norm_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *from = mt_node_input(node, 0);
    int             axis = (int)mt_node_int(node, "axis", -1);

    if (mt_reverse_wants(r, node, 1) || mt_reverse_wants(r, node, 2)) {
        g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (%s): the gradient of its weights is not known", node->name, node->op);
        return false;
    }
    axis += axis < 0 ? from->rank : 0;
    mt_value *x = input(r, node, 0), *g = mt_reverse_two(r, "Mul", slope, input(r, node, 1));
    mt_value *centred = mt_reverse_two(r, "Sub", x, mean(r, x, from, axis));
    mt_value *variance = mean(r, mt_reverse_two(r, "Mul", centred, centred), from, axis);
    mt_value *deviation = mt_reverse_op(r, "Sqrt", shifted(r, variance, mt_node_float(node, "epsilon", 1e-5)), NULL);
    mt_value *normal = mt_reverse_two(r, "Div", centred, deviation);
    mt_value *along = mt_reverse_two(r, "Mul", normal, mean(r, mt_reverse_two(r, "Mul", g, normal), from, axis));
    mt_value *rest = mt_reverse_two(r, "Sub", mt_reverse_two(r, "Sub", g, mean(r, g, from, axis)), along);
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Div", rest, deviation));
}

/* y = x to a constant power p: slope p x^(p - 1) */
static bool pow_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    double p;

    if (!mt_value_scalar(mt_node_input(node, 1), &p)) {
        g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (Pow): the gradient is known for one constant power alone", node->name);
        return false;
    }
    mt_value *less = p == 2 ? input(r, node, 0) : mt_reverse_two(r, "Pow", input(r, node, 0), mt_reverse_scalar(r, p - 1));
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, scaled(r, less, p)));
}

/* Of a cast between floats, of dropout outside training: as it is. */
static bool same_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    if (mt_node_input(node, 0)->dtype == MT_F32 && mt_node_output(node, 0)->dtype == MT_F32)
        return mt_reverse_add(r, node, 0, slope);
    g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (%s): its gradient is known for float32 alone", node->name, node->op);
    return false;
}

static const struct {
    const char      *op;
    mt_gradient_rule rule;
} rules[] = {{"Cast", same_rule},
             {"Dropout", same_rule},
             {"Elu", elu_rule},
             {"Gelu", gelu_rule},
             {"HardSigmoid", hard_sigmoid_rule},
             {"HardSwish", hard_swish_rule},
             {"LayerNormalization", layer_norm_rule},
             {"PRelu", prelu_rule},
             {"Pow", pow_rule}};

mt_gradient_rule mt_gradient_find_smooth_rule(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].op, name) == 0)
            return rules[i].rule;
    return NULL;
}
