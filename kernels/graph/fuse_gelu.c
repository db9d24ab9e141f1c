/* GELU as exporters write it out becomes one mt.Activation:
 *
 *   x ------------------------------> Mul -> Mul 1/2 -> y           x -> mt.Activation(gelu) -> y
 *    \-> Div sqrt 2 -> Erf -> Add 1 -/
 *
 * with the halving before, between or after the products, and Mul by 1/sqrt 2 for Div.  The tanh form has
 * tanh(sqrt(2/pi) (x + 0.044715 x^3)) in place of erf, its products in any order, x perhaps in front of the sum. */
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

/* A product of a number, a power of x and perhaps one other value. */
typedef struct factors {
    double    number;
    int       power;
    mt_value *other;
} factors;

/* Multiplies `value` into `f`; false when it is no such product. */
static bool factorise(mt_value *value, const mt_value *x, int depth, factors *f)
{
    mt_node *mul = mt_made_by(value, "Mul"), *div = mt_made_by(value, "Div"), *pow = mt_made_by(value, "Pow");
    double   c;

    if (value == x) {
        f->power++;
        return true;
    }
    if (mt_value_scalar(value, &c)) {
        f->number *= c;
        return true;
    }
    if (mul != NULL && depth > 0)
        return factorise(mt_node_input(mul, 0), x, depth - 1, f) && factorise(mt_node_input(mul, 1), x, depth - 1, f);
    if (div != NULL && mt_value_scalar(mt_node_input(div, 1), &c) && c != 0) {
        f->number /= c;
        return factorise(mt_node_input(div, 0), x, depth - 1, f);
    }
    if (pow != NULL && mt_node_input(pow, 0) == x && mt_value_scalar(mt_node_input(pow, 1), &c) && (c == 2 || c == 3)) {
        f->power += (int)c;
        return true;
    }
    if (f->other != NULL || value == NULL)
        return false;
    f->other = value;
    return true;
}

#define DEPTH 4

static bool is_power(mt_value *value, const mt_value *x, double number, int power)
{
    factors f = {1, 0, NULL};

    return factorise(value, x, DEPTH, &f) && f.other == NULL && f.power == power && fabs(f.number - number) <= 1e-4 * number;
}

/* Is `value` sqrt(2/pi) (x + 0.044715 x^3), or sqrt(2/pi) x (1 + 0.044715 x^2)? */
static bool is_cubic(mt_value *value, const mt_value *x)
{
    factors  f = {1, 0, NULL};
    mt_node *add;

    if (!factorise(value, x, DEPTH, &f) || fabs(f.number - sqrt(2 / M_PI)) > 1e-4 || f.power > 1)
        return false;
    add = mt_made_by(f.other, "Add");
    for (int i = 0; add != NULL && i < 2; i++) {
        mt_value *side = mt_node_input(add, i);

        if ((f.power == 0 ? side == x : mt_is_number(side, 1)) && is_power(mt_node_input(add, 1 - i), x, 0.044715, 3 - f.power))
            return true;
    }
    return false;
}

/* The x for which `value`, made of products and sums, is that; it is looked for among their operands. */
static mt_value *find_argument(mt_value *value, mt_value *whole, int depth)
{
    mt_node *node = value == NULL || value->constant != NULL ? NULL : value->producer;

    if (node == NULL || depth == 0 || (!mt_is(node, "Mul") && !mt_is(node, "Add") && !mt_is(node, "Div")))
        return NULL;
    for (int i = 0; i < 2; i++) {
        mt_value *x = mt_node_input(node, i);

        if (x != NULL && x->constant == NULL && is_cubic(whole, x))
            return x;
        x = find_argument(x, whole, depth - 1);
        if (x != NULL)
            return x;
    }
    return NULL;
}

static mt_value *cubic_argument(mt_value *value)
{
    return find_argument(value, value, DEPTH);
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
