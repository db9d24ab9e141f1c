/* Layer normalisation over the last dimension as exporters before opset 17 write it out:
 *
 *   x -> ReduceMean -> Sub d = x - mean -> Div -> Mul scale -> Add shift -> y
 *                       \-> Pow 2 (or d d) -> ReduceMean -> Add epsilon -> Sqrt -/ (divisor)
 *
 *   x -> LayerNormalization(scale, shift; axis -1, epsilon) -> y
 *
 * Some exports compute d twice; the shift may be missing. */
#include "kernels/graph/activation.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

/* The value whose mean over the last dimension, kept, `value` is. */
static mt_value *mean_of(const mt_value *value)
{
    const mt_node *mean = mt_made_by(value, "ReduceMean");
    const mt_attr *attr = mean == NULL ? NULL : mt_node_attr(mean, "axes");
    mt_value      *x = mean == NULL ? NULL : mt_node_input(mean, 0), *axes = mean == NULL ? NULL : mt_node_input(mean, 1);
    int64_t        axis;

    if (x == NULL || mt_node_int(mean, "keepdims", 1) != 1)
        return NULL;
    if (attr != NULL && attr->type == MT_ATTR_INTS && attr->n == 1)
        axis = attr->ints[0];
    else if (axes != NULL && axes->constant != NULL && axes->dtype == MT_I64 && mt_tensor_count(axes->constant) == 1)
        axis = *(const int64_t *)axes->constant->data;
    else
        return NULL;
    return axis == -1 || axis == x->rank - 1 ? x : NULL;
}

/* x, when `value` = x - mean(x). */
static mt_value *centred(const mt_value *value)
{
    const mt_node *sub = mt_made_by(value, "Sub");
    mt_value      *x = sub == NULL ? NULL : mt_node_input(sub, 0);

    return x != NULL && mean_of(mt_node_input(sub, 1)) == x ? x : NULL;
}

/* x, when `value` = (x - mean(x))^2. */
static mt_value *centred_square(const mt_value *value)
{
    const mt_node *pow = mt_made_by(value, "Pow"), *mul = mt_made_by(value, "Mul");

    if (pow != NULL)
        return mt_is_number(mt_node_input(pow, 1), 2) ? centred(mt_node_input(pow, 0)) : NULL;
    return mul != NULL && mt_node_input(mul, 0) == mt_node_input(mul, 1) ? centred(mt_node_input(mul, 0)) : NULL;
}

/* x, when `div` = (x - mean(x)) / sqrt(variance(x) + epsilon). */
static mt_value *normalised(const mt_node *div, double *epsilon)
{
    mt_value      *x = centred(mt_node_input(div, 0));
    const mt_node *root = mt_made_by(mt_node_input(div, 1), "Sqrt");
    const mt_node *sum = root == NULL ? NULL : mt_made_by(mt_node_input(root, 0), "Add");

    for (int i = 0; x != NULL && sum != NULL && i < 2; i++)
        if (mt_value_scalar(mt_node_input(sum, i), epsilon) && centred_square(mean_of(mt_node_input(sum, 1 - i))) == x)
            return x;
    return NULL;
}

/* A vector over the last dimension. */
static bool is_row(const mt_value *value, const mt_value *x)
{
    int64_t width = x->shape[x->rank - 1];

    return mt_is_vector(value, width) && (value->rank == 0 || value->shape[value->rank - 1] == width);
}

static mt_value *as_vector(mt_graph *graph, mt_value *value)
{
    mt_tensor *t = value->constant;
    int64_t    count = mt_tensor_count(t);

    if (t->rank == 1)
        return value;
    g_autoptr(mt_tensor) flat = mt_tensor_new(MT_F32, 1, &count, NULL);
    if (flat == NULL)
        return NULL;
    memcpy(flat->data, t->data, mt_tensor_bytes(t));
    return mt_graph_add_constant(graph, NULL, flat);
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *div, GError **error)
{
    double    epsilon = 0;
    mt_value *x = normalised(div, &epsilon), *inputs[3] = {x, NULL, NULL};
    mt_node  *mul = mt_followed_by(uses, div, "Mul"), *add, *end, *node;

    if (x == NULL || x->rank < 1 || x->dtype != MT_F32 || mul == NULL)
        return false;
    inputs[1] = mt_other_input(mul, mt_node_output(div, 0));
    if (!is_row(inputs[1], x) || (inputs[1] = as_vector(graph, inputs[1])) == NULL)
        return false;
    add = mt_followed_by(uses, mul, "Add");
    inputs[2] = add == NULL ? NULL : mt_other_input(add, mt_node_output(mul, 0));
    if (!is_row(inputs[2], x) || (inputs[2] = as_vector(graph, inputs[2])) == NULL)
        inputs[2] = NULL;
    end = inputs[2] == NULL ? mul : add;
    if (!mt_same_shape(x, mt_node_output(end, 0)))
        return false;
    node = mt_graph_add_node(graph, "LayerNormalization", end->name, inputs, inputs[2] == NULL ? 2 : 3, 1, end, error);
    if (node == NULL)
        return false;
    mt_node_set_int(node, "axis", -1);
    mt_node_set_float(node, "epsilon", epsilon);
    mt_copy_type(mt_node_output(node, 0), x);
    mt_uses_add_node(uses, node);
    mt_uses_replace(uses, mt_node_output(end, 0), mt_node_output(node, 0));
    return true;
}

int mt_pass_fuse_layer_norm(mt_graph *graph, GError **error)
{
    return mt_rewrite_each(graph, "Div", rewrite, error);
}
