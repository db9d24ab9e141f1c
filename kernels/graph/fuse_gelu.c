/* GELU as exporters write it out becomes one mt.Activation:
 *
 *   x ------------------------------> Mul -> Mul 1/2 -> y           x -> mt.Activation(gelu) -> y
 *    \-> Div sqrt 2 -> Erf -> Add 1 -/
 *
 * with the halving before, between or after the products, and Mul by 1/sqrt 2 for Div.  The tanh form has
 * tanh(sqrt(2/pi) (x + 0.044715 x^3)) in place of erf. */
#include "kernels/graph/activation.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

#include <math.h>

static mt_value *variable_of(const mt_node *node)
{
    mt_value *a = mt_node_input(node, 0);

    return a != NULL && a->constant != NULL ? mt_node_input(node, 1) : a;
}

/* `value` is c times something: that something. */
static mt_value *scaled_by(const mt_value *value, double c)
{
    mt_node *mul = mt_made_by(value, "Mul"), *div = mt_made_by(value, "Div");

    if (mul != NULL && (mt_is_number(mt_node_input(mul, 1), c) || mt_is_number(mt_node_input(mul, 0), c)))
        return variable_of(mul);
    if (div != NULL && mt_is_number(mt_node_input(div, 1), 1 / c))
        return mt_node_input(div, 0);
    return NULL;
}

static bool is_cube(const mt_value *value, const mt_value *x)
{
    mt_node *pow = mt_made_by(value, "Pow"), *mul = mt_made_by(value, "Mul");

    if (pow != NULL)
        return mt_node_input(pow, 0) == x && mt_is_number(mt_node_input(pow, 1), 3);
    if (mul == NULL || (mt_node_input(mul, 0) != x && mt_node_input(mul, 1) != x))
        return false;
    mul = mt_made_by(mt_other_input(mul, x), "Mul");
    return mul != NULL && mt_node_input(mul, 0) == x && mt_node_input(mul, 1) == x;
}

/* x of sqrt(2/pi) (x + 0.044715 x^3) */
static mt_value *cubic_argument(const mt_value *value)
{
    mt_node *add = mt_made_by(scaled_by(value, sqrt(2 / M_PI)), "Add");

    for (int i = 0; add != NULL && i < 2; i++) {
        mt_value *x = mt_node_input(add, i);
        if (is_cube(scaled_by(mt_node_input(add, 1 - i), 0.044715), x))
            return x;
    }
    return NULL;
}

/* The node that completes x/2 (1 + f): `sum` is 1 + f. */
static mt_node *find_end(const mt_uses *uses, const mt_node *sum, const mt_value *x)
{
    mt_node  *product = mt_followed_by(uses, sum, "Mul"), *end;
    mt_value *other = product == NULL ? NULL : mt_other_input(product, mt_node_output(sum, 0));

    if (other == NULL)
        return NULL;
    if (scaled_by(other, 0.5) == x) /* (x/2) (1 + f) */
        return product;
    end = mt_followed_by(uses, product, "Mul");
    if (end == NULL)
        return NULL;
    if (other == x) /* (x (1 + f)) / 2 */
        return mt_is_number(mt_other_input(end, mt_node_output(product, 0)), 0.5) ? end : NULL;
    return mt_is_number(other, 0.5) && mt_other_input(end, mt_node_output(product, 0)) == x ? end : NULL; /* x ((1 + f) / 2) */
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *f, mt_value *x, mt_function function, GError **error)
{
    mt_node *sum = mt_followed_by(uses, f, "Add");
    mt_node *end, *node;

    if (sum == NULL || !mt_is_number(mt_other_input(sum, mt_node_output(f, 0)), 1))
        return false;
    end = find_end(uses, sum, x);
    if (end == NULL || !mt_same_shape(x, mt_node_output(end, 0)))
        return false;
    node = mt_graph_add_node(graph, "mt.Activation", end->name, &x, 1, 1, end, error);
    if (node == NULL)
        return false;
    mt_node_set_activation(node, function, 0, 0);
    mt_copy_type(mt_node_output(node, 0), x);
    mt_uses_add_node(uses, node);
    mt_uses_replace(uses, mt_node_output(end, 0), mt_node_output(node, 0));
    return true;
}

int mt_pass_fuse_gelu(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    g_autoptr(GPtrArray) nodes = mt_list_nodes(graph);
    int rewrites = 0;

    for (guint i = 0; i < nodes->len; i++) {
        mt_node  *node = nodes->pdata[i];
        bool      erf = mt_is(node, "Erf");
        mt_value *x = erf                   ? scaled_by(mt_node_input(node, 0), M_SQRT1_2)
                      : mt_is(node, "Tanh") ? cubic_argument(mt_node_input(node, 0))
                                            : NULL;
        GError   *local = NULL;

        if (x == NULL || x->constant != NULL)
            continue;
        rewrites += rewrite(graph, uses, node, x, erf ? MT_FN_GELU_ERF : MT_FN_GELU_TANH, &local);
        if (local != NULL) {
            g_propagate_error(error, local);
            return -1;
        }
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}
