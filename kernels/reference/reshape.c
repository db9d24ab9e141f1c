/* Operators that give the same elements another shape, and those that speak of shapes. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"

#include <string.h>

static bool run_same_bytes(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    (void)node, (void)error;
    memcpy(outputs[0]->data, inputs[0]->data, mt_tensor_bytes(outputs[0]));
    return true;
}

static bool refuse_reshape(const mt_node *node, const mt_value *input, int n, const int64_t *shape, GError **error)
{
    g_autofree char *from = mt_shape_to_string(input->rank, input->shape), *to = mt_shape_to_string(n, shape);

    mt_node_error(node, error, "%s cannot be reshaped to %s", from, to);
    return false;
}

/* Product of the known entries; -1 past what any tensor may have. */
static int64_t known_product(const int64_t *shape, int n)
{
    int64_t product = 1;

    for (int i = 0; i < n; i++)
        if (shape[i] >= 0 && __builtin_mul_overflow(product, shape[i], &product))
            return -1;
    return product;
}

static bool resolve_reshape(mt_node *node, const mt_value *input, int n, int64_t *shape, GError **error)
{
    bool zero_is_zero = mt_node_int(node, "allowzero", 0) != 0, copies_open = false;
    int  wild = -1;

    for (int i = 0; i < n; i++) {
        if (shape[i] < -1 || (shape[i] == -1 && wild >= 0) || (shape[i] == 0 && !zero_is_zero && i >= input->rank))
            return refuse_reshape(node, input, n, shape, error);
        if (shape[i] == -1)
            wild = i;
        if (shape[i] == 0 && !zero_is_zero) {
            shape[i] = input->shape[i];
            copies_open = copies_open || shape[i] < 0;
        }
    }
    int64_t count = mt_value_count(input), rest = known_product(shape, n);
    if (rest < 0)
        return refuse_reshape(node, input, n, shape, error);
    if (count < 0 || copies_open)
        return true; /* what is open stays open */
    if (wild >= 0) {
        if (rest == 0 ? count != 0 : count % rest != 0)
            return refuse_reshape(node, input, n, shape, error);
        shape[wild] = rest == 0 ? 0 : count / rest;
    } else if (rest != count) {
        return refuse_reshape(node, input, n, shape, error);
    }
    return true;
}

static bool infer_reshape(mt_node *node, GError **error)
{
    int64_t shape[MT_MAX_RANK];
    int     n;

    if (!mt_want_inputs(node, 2, 2, error))
        return false;
    mt_list_state   state = mt_node_list(node, NULL, 1, NULL, shape, MT_MAX_RANK, &n, error);
    const mt_value *input = mt_node_input(node, 0);
    if (state == MT_LIST_BAD)
        return false;
    if (state == MT_LIST_OPEN)
        for (int i = 0; i < n; i++)
            shape[i] = -1;
    else if (!resolve_reshape(node, input, n, shape, error))
        return false;
    mt_set_output(node, 0, input->dtype, n, shape);
    return true;
}

static bool infer_flatten(mt_node *node, GError **error)
{
    const mt_value *input = mt_node_input(node, 0);
    int64_t         axis = mt_node_int(node, "axis", 1), shape[2] = {1, 1};

    if (!mt_want_inputs(node, 1, 1, error))
        return false;
    if (axis < -input->rank || axis > input->rank) {
        mt_node_error(node, error, "axis %" G_GINT64_FORMAT " is outside [-%d, %d]", axis, input->rank, input->rank);
        return false;
    }
    axis += axis < 0 ? input->rank : 0;
    for (int i = 0; i < input->rank; i++) {
        int64_t *side = &shape[i >= axis];
        *side = *side < 0 || input->shape[i] < 0 ? -1 : *side * input->shape[i];
    }
    mt_set_output(node, 0, input->dtype, 2, shape);
    return true;
}

/* Which axes go: the list's, or without one all of size 1.  -1 when that is not known yet. */
static int squeezed_axes(mt_node *node, const mt_value *input, bool *goes, GError **error)
{
    int64_t       axes[MT_MAX_RANK];
    int           n;
    mt_list_state state = mt_node_axes(node, NULL, 1, input->rank, axes, &n, error);

    for (int i = 0; i < input->rank; i++) {
        if (state == MT_LIST_ABSENT && input->shape[i] < 0)
            return -1;
        goes[i] = state == MT_LIST_ABSENT && input->shape[i] == 1;
    }
    if (state == MT_LIST_BAD || state == MT_LIST_OPEN)
        return state == MT_LIST_BAD ? -2 : -1;
    for (int i = 0; state == MT_LIST_KNOWN && i < n; i++) {
        goes[axes[i]] = true;
        if (input->shape[axes[i]] > 1 || input->shape[axes[i]] == 0) {
            mt_node_error(node, error, "axis %d has %" G_GINT64_FORMAT " elements and cannot be squeezed", (int)axes[i],
                          input->shape[axes[i]]);
            return -2;
        }
    }
    return 0;
}

static bool infer_squeeze(mt_node *node, GError **error)
{
    const mt_value *input = mt_node_input(node, 0);
    bool            goes[MT_MAX_RANK];
    int64_t         shape[MT_MAX_RANK];
    int             rank = 0, state;

    if (!mt_want_inputs(node, 1, 2, error))
        return false;
    state = squeezed_axes(node, input, goes, error);
    if (state == -2)
        return false;
    for (int i = 0; state == 0 && i < input->rank; i++)
        if (!goes[i])
            shape[rank++] = input->shape[i];
    mt_set_output(node, 0, input->dtype, state == 0 ? rank : -1, shape);
    return true;
}

static bool infer_unsqueeze(mt_node *node, GError **error)
{
    const mt_value *input = mt_node_input(node, 0);
    int64_t         axes[MT_MAX_RANK], shape[MT_MAX_RANK];
    bool            fresh[MT_MAX_RANK] = {false};
    int             n, rank;

    if (!mt_want_inputs(node, 1, 2, error))
        return false;
    mt_list_state state = mt_node_list(node, NULL, 1, "axes", axes, MT_MAX_RANK, &n, error);
    if (state == MT_LIST_BAD)
        return false;
    rank = input->rank + n;
    if (state == MT_LIST_OPEN) {
        mt_set_output(node, 0, input->dtype, -1, NULL);
        return true;
    }
    if (state == MT_LIST_ABSENT || rank > MT_MAX_RANK) {
        mt_node_error(node, error, state == MT_LIST_ABSENT ? "axes are missing" : "more than 8 dimensions are not supported");
        return false;
    }
    if (mt_node_axes(node, NULL, 1, rank, axes, &n, error) == MT_LIST_BAD)
        return false;
    for (int i = 0; i < n; i++)
        fresh[axes[i]] = true;
    for (int i = 0, k = 0; i < rank; i++)
        shape[i] = fresh[i] ? 1 : input->shape[k++];
    mt_set_output(node, 0, input->dtype, rank, shape);
    return true;
}

/* The part [start, end) of the dimensions, from opset 15 on. */
static void shape_range(const mt_node *node, int rank, int *start, int *end)
{
    int64_t from = mt_node_int(node, "start", 0), to = mt_node_int(node, "end", rank);

    from += from < 0 ? rank : 0;
    to += to < 0 ? rank : 0;
    *start = (int)CLAMP(from, 0, rank);
    *end = (int)CLAMP(to, *start, rank);
}

static bool infer_shape(mt_node *node, GError **error)
{
    int     start, end;
    int64_t n;

    if (!mt_want_inputs(node, 1, 1, error))
        return false;
    shape_range(node, mt_node_input(node, 0)->rank, &start, &end);
    n = end - start;
    mt_set_output(node, 0, MT_I64, 1, &n);
    return true;
}

static bool run_shape(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int start, end;

    (void)error;
    shape_range(node, inputs[0]->rank, &start, &end);
    mt_store_ints(outputs[0], 0, end - start, inputs[0]->shape + start);
    return true;
}

static bool infer_size(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 1, 1, error))
        return false;
    mt_set_output(node, 0, MT_I64, 0, NULL);
    return true;
}

static bool run_size(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int64_t count = mt_tensor_count(inputs[0]);

    (void)node, (void)error;
    mt_store_ints(outputs[0], 0, 1, &count);
    return true;
}

const mt_operator mt_family_reshape[] = {
    {"Reshape", 5, 21, infer_reshape, run_same_bytes},
    {"Flatten", 1, 21, infer_flatten, run_same_bytes},
    {"Squeeze", 1, 21, infer_squeeze, run_same_bytes},
    {"Unsqueeze", 1, 21, infer_unsqueeze, run_same_bytes},
    {"Shape", 1, 21, infer_shape, run_shape},
    {"Size", 1, 21, infer_size, run_size},
    {NULL, 0, 0, NULL, NULL},
};
