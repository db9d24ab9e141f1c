/* Group and instance normalisation become one operator that has a fast loop:
 *
 *   x -> InstanceNormalization(scale, shift) -> y
 *   x -> GroupNormalization(scale, shift; num_groups) -> y
 *   x -> Reshape (N, groups, -1) -> InstanceNormalization(1, 0) -> Reshape like x -> Mul scale -> Add shift -> y
 *
 *   x -> mt.GroupNorm(scale, shift; groups) -> y
 *
 * The last is how PyTorch exports GroupNorm; its scale and shift, (C, 1, 1), may be missing. */
#include "kernels/graph/insert.h"
#include "kernels/graph/norm_pattern.h"
#include "kernels/graph/passes.h"

typedef struct group_norm {
    mt_value *x, *scale, *shift, *end;
    int64_t   groups;
} group_norm;

static bool is_filled_with(const mt_value *value, float number)
{
    if (value == NULL || value->constant == NULL || value->constant->dtype != MT_F32)
        return false;
    for (int64_t i = 0; i < mt_tensor_count(value->constant); i++) {
        float f;

        memcpy(&f, (const char *)value->constant->data + (size_t)i * sizeof f, sizeof f);
        if (f != number)
            return false;
    }
    return true;
}

/* Reshapes around `norm` that make groups of channels look like channels; the first of scale and shift behind. */
static bool match_reshaped(const mt_uses *uses, const mt_node *norm, group_norm *n)
{
    const mt_value *inner = mt_node_input(norm, 0);
    mt_node        *before = mt_made_by(inner, "Reshape"), *after = mt_followed_by(uses, norm, "Reshape"), *mul, *add;

    if (before == NULL || after == NULL || !is_filled_with(mt_node_input(norm, 1), 1) || !is_filled_with(mt_node_input(norm, 2), 0))
        return false;
    n->x = mt_node_input(before, 0);
    n->end = mt_node_output(after, 0);
    n->groups = inner->shape[1];
    if (!mt_same_shape(n->x, n->end) || n->x->rank < 3 || n->x->shape[0] != inner->shape[0] || n->groups < 1 ||
        n->x->shape[1] % n->groups != 0)
        return false;
    mul = mt_followed_by(uses, after, "Mul");
    n->scale = mt_operand_along(mul, n->end, 2u);
    if (n->scale == NULL || !mt_same_shape(n->x, mt_node_output(mul, 0)))
        return n->scale == NULL;
    n->end = mt_node_output(mul, 0);
    add = mt_followed_by(uses, mul, "Add");
    n->shift = mt_operand_along(add, n->end, 2u);
    if (n->shift != NULL && mt_same_shape(n->x, mt_node_output(add, 0)))
        n->end = mt_node_output(add, 0);
    else
        n->shift = NULL;
    return true;
}

/* The node itself; its vectors may be one number a group. */
static bool match_plain(mt_node *node, group_norm *n)
{
    bool instance = mt_is(node, "InstanceNormalization");

    *n = (group_norm){.x = mt_node_input(node, 0), .scale = mt_node_input(node, 1), .shift = mt_node_input(node, 2)};
    n->end = mt_node_output(node, 0);
    n->groups = instance ? n->x->shape[1] : mt_node_int(node, "num_groups", 0);
    return n->groups >= 1 && mt_is_vector(n->scale, n->x->shape[1]) && mt_is_vector(n->shift, n->x->shape[1]);
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *node, GError **error)
{
    double      epsilon = mt_node_float(node, "epsilon", 1e-5);
    group_norm  n = {0};
    mt_inserter at = {graph, uses, node};
    mt_value   *inputs[3] = {NULL}, *y;

    if (mt_node_input(node, 0) == NULL || mt_node_input(node, 0)->dtype != MT_F32 || mt_node_input(node, 0)->rank < 3)
        return false;
    if (!match_reshaped(uses, node, &n) && !match_plain(node, &n))
        return false;
    at.before = n.end->producer;
    inputs[0] = n.x;
    inputs[1] = n.scale == NULL ? mt_constant_vector(graph, n.x->shape[1], 1, error) : mt_as_vector(graph, n.scale, error);
    inputs[2] = n.shift == NULL ? mt_constant_vector(graph, n.x->shape[1], 0, error) : mt_as_vector(graph, n.shift, error);
    node = inputs[1] == NULL || inputs[2] == NULL ? NULL : mt_insert_node(&at, "mt.GroupNorm", inputs, 3, error);
    if (node == NULL)
        return false;
    mt_node_set_int(node, "groups", n.groups);
    mt_node_set_float(node, "epsilon", epsilon);
    y = mt_insert_finish(&at, node, error);
    if (y == NULL)
        return false;
    mt_insert_replace(&at, n.end, y);
    return true;
}

int mt_pass_fuse_group_norm(mt_graph *graph, GError **error)
{
    int instances = mt_rewrite_each(graph, "InstanceNormalization", rewrite, error), groups;

    groups = instances < 0 ? -1 : mt_rewrite_each(graph, "GroupNormalization", rewrite, error);
    return groups < 0 ? -1 : instances + groups;
}
