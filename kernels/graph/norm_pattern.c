#include "kernels/graph/norm_pattern.h"

#include "kernels/graph/activation.h"

static bool add_axis(unsigned *axes, int64_t axis, int rank)
{
    axis += axis < 0 ? rank : 0;
    if (axis < 0 || axis >= rank)
        return false;
    *axes |= 1u << axis;
    return true;
}

bool mt_reduced_axes(const mt_node *node, unsigned *axes)
{
    const mt_attr  *attr = mt_node_attr(node, "axes");
    const mt_value *x = mt_node_input(node, 0), *list = mt_node_input(node, 1);
    const int64_t  *given = NULL;
    int64_t         n = 0;

    *axes = 0;
    if (x == NULL || x->rank < 1)
        return false;
    if (attr != NULL && attr->type == MT_ATTR_INTS) {
        given = attr->ints;
        n = attr->n;
    } else if (list != NULL && list->constant != NULL && list->dtype == MT_I64) {
        given = list->constant->data;
        n = mt_tensor_count(list->constant);
    }
    for (int64_t i = 0; i < n; i++)
        if (!add_axis(axes, given[i], x->rank))
            return false;
    return n > 0;
}

mt_value *mt_mean_of(const mt_value *value, unsigned *axes)
{
    const mt_node *mean = mt_made_by(value, "ReduceMean");

    return mean != NULL && mt_node_int(mean, "keepdims", 1) == 1 && mt_reduced_axes(mean, axes) ? mt_node_input(mean, 0) : NULL;
}

mt_value *mt_square_of(const mt_value *value)
{
    const mt_node *pow = mt_made_by(value, "Pow"), *mul = mt_made_by(value, "Mul");

    if (pow != NULL)
        return mt_is_number(mt_node_input(pow, 1), 2) ? mt_node_input(pow, 0) : NULL;
    return mul != NULL && mt_node_input(mul, 0) == mt_node_input(mul, 1) ? mt_node_input(mul, 0) : NULL;
}

/* d, when `value` = mean(d^2) + epsilon. */
static mt_value *variance_of(const mt_value *value, unsigned *axes, double *epsilon)
{
    const mt_node *sum = mt_made_by(value, "Add");

    for (int i = 0; sum != NULL && i < 2; i++) {
        mt_value *mean = mt_value_scalar(mt_node_input(sum, i), epsilon) ? mt_mean_of(mt_node_input(sum, 1 - i), axes) : NULL;

        if (mean != NULL && *epsilon >= 0)
            return mt_square_of(mean);
    }
    return NULL;
}

/* d, when `value` is the root of mean(d^2) + epsilon. */
static mt_value *root_of(const mt_value *value, unsigned *axes, double *epsilon)
{
    const mt_node *root = mt_made_by(value, "Sqrt"), *pow = mt_made_by(value, "Pow");

    if (root != NULL)
        return variance_of(mt_node_input(root, 0), axes, epsilon);
    return pow != NULL && mt_is_number(mt_node_input(pow, 1), 0.5) ? variance_of(mt_node_input(pow, 0), axes, epsilon) : NULL;
}

/* The same for one over that root. */
static mt_value *inverse_root_of(const mt_value *value, unsigned *axes, double *epsilon)
{
    const mt_node *inverse = mt_made_by(value, "Reciprocal"), *div = mt_made_by(value, "Div"), *pow = mt_made_by(value, "Pow");

    if (inverse != NULL)
        return root_of(mt_node_input(inverse, 0), axes, epsilon);
    if (div != NULL && mt_is_number(mt_node_input(div, 0), 1))
        return root_of(mt_node_input(div, 1), axes, epsilon);
    return pow != NULL && mt_is_number(mt_node_input(pow, 1), -0.5) ? variance_of(mt_node_input(pow, 0), axes, epsilon) : NULL;
}

mt_value *mt_rms_divisor(const mt_node *div, unsigned *axes, double *epsilon)
{
    return root_of(mt_node_input(div, 1), axes, epsilon);
}

mt_value *mt_rms_normalised(const mt_node *node, unsigned *axes, double *epsilon)
{
    if (mt_is(node, "Div")) {
        mt_value *d = mt_node_input(node, 0);

        return d != NULL && mt_rms_divisor(node, axes, epsilon) == d ? d : NULL;
    }
    for (int i = 0; mt_is(node, "Mul") && i < 2; i++) {
        mt_value *d = mt_node_input(node, i);

        if (d != NULL && inverse_root_of(mt_node_input(node, 1 - i), axes, epsilon) == d)
            return d;
    }
    return NULL;
}

mt_value *mt_operand_along(const mt_node *node, const mt_value *value, unsigned axes)
{
    mt_value *operand = node == NULL ? NULL : mt_other_input(node, value);
    int       skipped = operand == NULL ? 0 : value->rank - operand->rank;

    if (operand == NULL || operand->constant == NULL || operand->dtype != MT_F32 || skipped < 0)
        return NULL;
    for (int i = 0; i < value->rank; i++) {
        int64_t wanted = axes >> i & 1 ? value->shape[i] : 1;

        if (i < skipped ? wanted != 1 : operand->shape[i - skipped] != wanted)
            return NULL;
    }
    return operand;
}

mt_value *mt_as_vector(mt_graph *graph, mt_value *constant, GError **error)
{
    int64_t count = mt_tensor_count(constant->constant);

    if (constant->rank == 1)
        return constant;
    g_autoptr(mt_tensor) flat = mt_tensor_new(MT_F32, 1, &count, error);
    if (flat == NULL)
        return NULL;
    memcpy(flat->data, constant->constant->data, mt_tensor_bytes(flat));
    return mt_graph_add_constant(graph, NULL, flat);
}

mt_value *mt_constant_vector(mt_graph *graph, int64_t count, float number, GError **error)
{
    g_autoptr(mt_tensor) vector = mt_tensor_new(MT_F32, 1, &count, error);

    for (int64_t i = 0; vector != NULL && i < count; i++)
        ((float *)vector->data)[i] = number;
    return vector == NULL ? NULL : mt_graph_add_constant(graph, NULL, vector);
}
