/* Activations that multiply their argument with a gate become one mt.Activation:
 *
 *   x ------------------> Mul -> y          x -> mt.Activation(f) -> y
 *    \-> gate of x -----/
 *
 * gate of x                            f
 *   Sigmoid(x), Sigmoid(x c)           swish (SiLU), alpha c
 *   HardSigmoid(x; 1/6, 1/2)           hardswish
 *   Tanh(Softplus(x))                  mish; also Tanh(Log(1 + Exp(x)))
 *   Clip(x + 3; 0, 6)                  hardswish, when a division by 6 follows or stands within the gate */
#include "kernels/graph/activation.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

#include <math.h>

/* value = x c, or x itself with c = 1 */
static bool is_multiple(const mt_value *value, const mt_value *x, double *c)
{
    mt_node *mul = mt_made_by(value, "Mul");

    *c = 1;
    if (value == x)
        return true;
    return mul != NULL && mt_other_input(mul, x) != NULL && mt_value_scalar(mt_other_input(mul, x), c);
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-4;
}

/* value = Clip(x + 3, 0, 6) */
static bool is_clip6(const mt_value *value, const mt_value *x)
{
    mt_node      *clip = mt_made_by(value, "Clip"), *add;
    mt_activation f[MT_ACTIVATIONS_MAX];
    int           input;

    if (clip == NULL || mt_node_activations(clip, f, &input) != 1 || f[0].alpha != 0 || !near(f[0].beta, 6))
        return false;
    add = mt_made_by(mt_node_input(clip, 0), "Add");
    return add != NULL && mt_is_number(mt_other_input(add, x), 3);
}

/* value = g / 6: g */
static mt_value *sixfold(const mt_value *value)
{
    mt_node *div = mt_made_by(value, "Div"), *mul = mt_made_by(value, "Mul");

    if (div != NULL && mt_is_number(mt_node_input(div, 1), 6))
        return mt_node_input(div, 0);
    if (mul != NULL && mt_is_number(mt_node_input(mul, 1), 1.0 / 6))
        return mt_node_input(mul, 0);
    return mul != NULL && mt_is_number(mt_node_input(mul, 0), 1.0 / 6) ? mt_node_input(mul, 1) : NULL;
}

/* value = log(1 + e^g), as Softplus or written out: g */
static mt_value *softplus_argument(const mt_value *value)
{
    mt_node *softplus = mt_made_by(value, "Softplus"), *log = mt_made_by(value, "Log");
    mt_node *sum = log == NULL ? NULL : mt_made_by(mt_node_input(log, 0), "Add");

    if (softplus != NULL)
        return mt_node_input(softplus, 0);
    for (int i = 0; sum != NULL && i < 2; i++) {
        mt_node *exp = mt_is_number(mt_node_input(sum, i), 1) ? mt_made_by(mt_node_input(sum, 1 - i), "Exp") : NULL;

        if (exp != NULL)
            return mt_node_input(exp, 0);
    }
    return NULL;
}

static bool is_gate(const mt_value *value, const mt_value *x, mt_activation *f)
{
    mt_node      *sigmoid = mt_made_by(value, "Sigmoid"), *tanh = mt_made_by(value, "Tanh"), *hard = mt_made_by(value, "HardSigmoid");
    mt_value     *softplus = tanh == NULL ? NULL : softplus_argument(mt_node_input(tanh, 0));
    mt_activation h[MT_ACTIVATIONS_MAX];
    int           input;

    *f = (mt_activation){MT_FN_SWISH, 1, 0};
    if (sigmoid != NULL)
        return is_multiple(mt_node_input(sigmoid, 0), x, &f->alpha);
    f->function = MT_FN_MISH;
    if (softplus != NULL)
        return softplus == x;
    f->function = MT_FN_HARDSWISH;
    if (hard != NULL && mt_node_input(hard, 0) == x)
        return mt_node_activations(hard, h, &input) == 2 && near(h[0].alpha, 1.0 / 6) && near(h[0].beta, 0.5);
    return is_clip6(sixfold(value), x);
}

/* The node that completes x Clip(x + 3, 0, 6) / 6, where `product` lacks the division; NULL else. */
static mt_node *divided_product(const mt_uses *uses, const mt_node *product)
{
    mt_node *user = mt_uses_only(uses, mt_node_output(product, 0));

    return user != NULL && sixfold(mt_node_output(user, 0)) == mt_node_output(product, 0) ? user : NULL;
}

/* The last node of a gated activation that `mul` belongs to; its argument and function. */
static mt_node *match(const mt_uses *uses, mt_node *mul, mt_value **x, mt_activation *f)
{
    for (int i = 0; i < 2; i++) {
        mt_value *gate = mt_node_input(mul, 1 - i);

        *x = mt_node_input(mul, i);
        if (*x == NULL || (*x)->constant != NULL)
            continue;
        if (is_gate(gate, *x, f))
            return mul;
        if (is_clip6(gate, *x)) {
            *f = (mt_activation){MT_FN_HARDSWISH, 0, 0};
            return divided_product(uses, mul);
        }
    }
    return NULL;
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *mul, GError **error)
{
    mt_activation f;
    mt_value     *x = NULL;
    mt_node      *end = match(uses, mul, &x, &f), *node;

    if (end == NULL || !mt_same_shape(x, mt_node_output(end, 0)))
        return false;
    node = mt_graph_add_node(graph, "mt.Activation", end->name, &x, 1, 1, end, error);
    if (node == NULL)
        return false;
    mt_node_set_activation(node, f.function, f.alpha, f.beta);
    mt_copy_type(mt_node_output(node, 0), x);
    mt_uses_add_node(uses, node);
    mt_uses_replace(uses, mt_node_output(end, 0), mt_node_output(node, 0));
    return true;
}

int mt_pass_fuse_gate(mt_graph *graph, GError **error)
{
    return mt_rewrite_each(graph, "Mul", rewrite, error);
}
