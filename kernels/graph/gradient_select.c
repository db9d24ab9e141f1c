/* Derivatives of what takes some elements and leaves others. */
#include "kernels/graph/gradient_private.h"

#include <string.h>

static mt_value *input(mt_reverse *r, const mt_node *node, int i)
{
    return mt_reverse_mirror(r, mt_node_input(node, i));
}

static mt_value *output(mt_reverse *r, const mt_node *node)
{
    return mt_reverse_mirror(r, mt_node_output(node, 0));
}

/* 1 where two are equal, else 0. */
static mt_value *equal(mt_reverse *r, mt_value *a, mt_value *b)
{
    mt_value *same = mt_reverse_op(r, "Cast", mt_reverse_two(r, "Equal", a, b), NULL);

    if (same != NULL)
        mt_node_set_int(same->producer, "to", 1); /* ONNX's float32 */
    return same;
}

static bool abs_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, mt_reverse_op(r, "Sign", input(r, node, 0), NULL)));
}

/* slope (positive + alpha negative), from the sign of x: (1 + alpha) / 2 + sign (1 - alpha) / 2; at 0 the mean of both */
static bool leaky_relu_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    double    alpha = mt_node_float(node, "alpha", 0.01);
    mt_value *sign = mt_reverse_op(r, "Sign", input(r, node, 0), NULL);
    mt_value *half = mt_reverse_two(r, "Mul", sign, mt_reverse_scalar(r, (1 - alpha) / 2));

    return mt_reverse_add(r, node, 0,
                          mt_reverse_two(r, "Mul", slope, mt_reverse_two(r, "Add", half, mt_reverse_scalar(r, (1 + alpha) / 2))));
}

/* -slope y y */
static bool reciprocal_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *y = output(r, node), *part = mt_reverse_two(r, "Mul", mt_reverse_two(r, "Mul", slope, y), y);

    return mt_reverse_add(r, node, 0, mt_reverse_op(r, "Neg", part, NULL));
}

/* Within the bounds and on them. */
static bool clip_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, equal(r, input(r, node, 0), output(r, node))));
}

static bool known_axes(mt_reverse *r, const mt_node *node, const int64_t **axes, int *n)
{
    const mt_value *list = mt_node_input(node, 1);

    *axes = mt_node_ints(node, "axes", n);
    if (list == NULL)
        return true;
    if (list->constant != NULL) {
        *axes = list->constant->data;
        *n = (int)mt_tensor_count(list->constant);
        return true;
    }
    g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (%s): the gradient with computed axes is not known", node->name, node->op);
    return false;
}

/* Equal shares for all that reach the extreme. */
static bool extreme_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *from = mt_node_input(node, 0);
    mt_value        kept = {.rank = from->rank};
    const int64_t  *axes;
    int64_t         reduced[MT_MAX_RANK];
    int             n_axes, n = 0;

    if (!known_axes(r, node, &axes, &n_axes))
        return false;
    for (int a = 0; a < from->rank; a++) {
        bool is = n_axes == 0;
        for (int i = 0; i < n_axes; i++)
            is |= (axes[i] + from->rank) % from->rank == a;
        kept.shape[a] = is ? 1 : from->shape[a];
        if (is)
            reduced[n++] = a;
    }
    mt_value *mask = equal(r, input(r, node, 0), mt_reverse_reshape(r, output(r, node), &kept));
    mt_value *share = mt_reverse_two(r, "Div", mt_reverse_reshape(r, slope, &kept), mt_reverse_sum(r, mask, reduced, n, true));
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", mask, share));
}

/* What was repeated is added up. */
static bool expand_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *from = mt_node_input(node, 0), *to = mt_node_output(node, 0);
    int64_t         axes[MT_MAX_RANK];
    int             n = 0, lead = to->rank - from->rank;

    for (int a = 0; a < to->rank; a++)
        if (a < lead || (from->shape[a - lead] == 1 && to->shape[a] != 1))
            axes[n++] = a;
    if (n > 0)
        slope = mt_reverse_sum(r, slope, axes, n, true);
    return mt_reverse_add(r, node, 0, mt_reverse_reshape(r, slope, from));
}

static int64_t count_of(const int64_t *shape, int n)
{
    int64_t count = 1;

    for (int i = 0; i < n; i++)
        count *= shape[i];
    return count;
}

/* Column i of the matrix (depth, taken) has its 1 where element i was taken from: a product with it adds what was taken twice, in a
 * fixed order. */
static mt_value *selection(mt_reverse *r, mt_value *indices, int64_t taken, int64_t depth)
{
    g_autoptr(mt_tensor) range = mt_tensor_new(MT_F32, 1, (int64_t[]){2}, r->error);
    mt_value  flat = {.rank = 1, .shape = {taken}};
    mt_value *inputs[3];

    if (range == NULL)
        return NULL;
    ((float *)range->data)[1] = 1;
    inputs[0] = mt_reverse_reshape(r, indices, &flat);
    inputs[1] = mt_reverse_list(r, &depth, 1);
    inputs[2] = mt_graph_add_constant(r->gradient->graph, NULL, range);
    mt_node *node =
        inputs[0] != NULL && inputs[1] != NULL ? mt_graph_add_node(r->gradient->graph, "OneHot", NULL, inputs, 3, 1, NULL, r->error) : NULL;
    if (node == NULL)
        return NULL;
    mt_node_set_int(node, "axis", 0);
    return mt_node_output(node, 0);
}

static bool gather_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *from = mt_node_input(node, 0), *indices = mt_node_input(node, 1);
    int64_t         axis = mt_node_int(node, "axis", 0), taken = count_of(indices->shape, indices->rank);
    mt_value        stack = {.rank = 3};

    axis += axis < 0 ? from->rank : 0;
    stack.shape[0] = count_of(from->shape, (int)axis);
    stack.shape[1] = taken;
    stack.shape[2] = count_of(from->shape + axis + 1, from->rank - (int)axis - 1);
    mt_value *places = selection(r, input(r, node, 1), taken, from->shape[axis]);
    mt_value *sums = mt_reverse_two(r, "MatMul", places, mt_reverse_reshape(r, slope, &stack));
    return mt_reverse_add(r, node, 0, mt_reverse_reshape(r, sums, from));
}

/* The slope where `begin` to `begin` + its length on each axis were taken from, 0 elsewhere. */
static mt_value *put_back(mt_reverse *r, const mt_value *from, const mt_value *taken, const int64_t *begin, mt_value *slope)
{
    int64_t pads[2 * MT_MAX_RANK];

    for (int a = 0; a < from->rank; a++) {
        pads[a] = begin[a];
        pads[from->rank + a] = from->shape[a] - begin[a] - taken->shape[a];
    }
    return mt_reverse_two(r, "Pad", slope, mt_reverse_list(r, pads, 2 * from->rank));
}

static const int64_t *constant_list(const mt_node *node, int i)
{
    const mt_value *list = mt_node_input(node, i);

    return list != NULL && list->constant != NULL && list->constant->dtype == MT_I64 ? list->constant->data : NULL;
}

static bool slice_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *from = mt_node_input(node, 0), *list = mt_node_input(node, 1);
    const int64_t  *starts = constant_list(node, 1), *axes = constant_list(node, 3), *steps = constant_list(node, 4);
    int64_t         begin[MT_MAX_RANK] = {0};
    bool known = starts != NULL && (mt_node_input(node, 3) == NULL || axes != NULL) && (mt_node_input(node, 4) == NULL || steps != NULL);

    for (int64_t i = 0; known && i < mt_tensor_count(list->constant); i++) {
        int64_t axis = axes != NULL ? axes[i] : i;
        axis += axis < 0 ? from->rank : 0;
        begin[axis] = CLAMP(starts[i] < 0 ? starts[i] + from->shape[axis] : starts[i], 0, from->shape[axis]);
        known = steps == NULL || steps[i] == 1;
    }
    if (!known) {
        g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (Slice): the gradient is known for constant bounds and steps of 1 alone",
                    node->name);
        return false;
    }
    return mt_reverse_add(r, node, 0, put_back(r, from, mt_node_output(node, 0), begin, slope));
}

bool mt_gradient_reverse_split(mt_reverse *r, const mt_node *node, int i, mt_value *slope)
{
    const mt_value *from = mt_node_input(node, 0);
    int64_t         begin[MT_MAX_RANK] = {0}, axis = mt_node_int(node, "axis", 0);

    axis += axis < 0 ? from->rank : 0;
    for (int k = 0; k < i; k++)
        begin[axis] += mt_node_output(node, k)->shape[axis];
    return mt_reverse_add(r, node, 0, put_back(r, from, mt_node_output(node, i), begin, slope));
}

static const struct {
    const char      *op;
    mt_gradient_rule rule;
} rules[] = {
    {"Abs", abs_rule},
    {"Clip", clip_rule},
    {"Expand", expand_rule},
    {"Gather", gather_rule},
    {"LeakyRelu", leaky_relu_rule},
    {"ReduceMax", extreme_rule},
    {"ReduceMin", extreme_rule},
    {"Reciprocal", reciprocal_rule},
    {"Slice", slice_rule},
};

mt_gradient_rule mt_gradient_find_select_rule(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].op, name) == 0)
            return rules[i].rule;
    return mt_gradient_find_picture_rule(name);
}
