/* ScatterElements (Scatter before opset 11) and ScatterND: a copy of the data with some elements set or joined. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"

#include <string.h>

typedef enum { SCATTER_SET, SCATTER_ADD, SCATTER_MUL, SCATTER_MAX, SCATTER_MIN } scatter_kind;

static bool read_kind(const mt_node *node, scatter_kind *kind, GError **error)
{
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    const char              *name = mt_node_string(node, "reduction", "none");

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(names[i], name) == 0) {
            *kind = (scatter_kind)i;
            return true;
        }
    mt_node_error(node, error, "reduction '%s' is not supported", name);
    return false;
}

static double join_doubles(double a, double b, scatter_kind kind)
{
    switch (kind) {
    case SCATTER_ADD:
        return a + b;
    case SCATTER_MUL:
        return a * b;
    case SCATTER_MAX:
        return MAX(a, b);
    case SCATTER_MIN:
        return MIN(a, b);
    default:
        return b;
    }
}

static int64_t join_ints(int64_t a, int64_t b, scatter_kind kind)
{
    switch (kind) {
    case SCATTER_ADD:
        return (int64_t)((uint64_t)a + (uint64_t)b);
    case SCATTER_MUL:
        return (int64_t)((uint64_t)a * (uint64_t)b);
    case SCATTER_MAX:
        return MAX(a, b);
    case SCATTER_MIN:
        return MIN(a, b);
    default:
        return b;
    }
}

static void put_element(mt_tensor *y, int64_t to, const mt_tensor *updates, int64_t from, scatter_kind kind)
{
    if (mt_dtype_is_float(y->dtype)) {
        double value = join_doubles(mt_element_double(y, to), mt_element_double(updates, from), kind);
        mt_store_doubles(y, to, 1, &value);
    } else {
        int64_t value = join_ints(mt_element_int(y, to), mt_element_int(updates, from), kind);
        mt_store_ints(y, to, 1, &value);
    }
}

static bool refuse_updates(const mt_node *node, GError **error)
{
    mt_node_error(node, error, "data, indices and updates do not have shapes that fit");
    return false;
}

static bool infer_scatter_elements(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *indices = mt_node_input(node, 1), *updates = mt_node_input(node, 2);
    scatter_kind    kind;
    int             axis;

    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 1, MT_TYPES_INDEX, error) || !mt_want_same_type(node, 0, 2, error) ||
        !mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error) || !read_kind(node, &kind, error))
        return false;
    if (indices->rank != x->rank || updates->rank != x->rank)
        return refuse_updates(node, error);
    for (int i = 0; i < x->rank; i++)
        if ((indices->shape[i] >= 0 && updates->shape[i] >= 0 && indices->shape[i] != updates->shape[i]) ||
            (i != axis && x->shape[i] >= 0 && indices->shape[i] > x->shape[i]))
            return refuse_updates(node, error);
    mt_set_like_input(node);
    return true;
}

static bool run_scatter_elements(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *indices = inputs[1];
    int64_t          stride[MT_MAX_RANK], count = mt_tensor_count(indices);
    scatter_kind     kind;
    int              axis;

    if (!mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error) || !read_kind(node, &kind, error))
        return false;
    memcpy(outputs[0]->data, x->data, mt_tensor_bytes(x));
    mt_contiguous_strides(x->rank, x->shape, stride);
    for (int64_t i = 0; i < count; i++) {
        int64_t index = mt_pick_index(node, indices, i, x->shape[axis], error), at = index * stride[axis], rest = i;

        if (index < 0)
            return false;
        for (int k = x->rank - 1; k >= 0; rest /= indices->shape[k], k--)
            at += k == axis ? 0 : rest % indices->shape[k] * stride[k];
        put_element(outputs[0], at, inputs[2], i, kind);
    }
    return true;
}

static bool infer_scatter_nd(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *indices = mt_node_input(node, 1), *updates = mt_node_input(node, 2);
    scatter_kind    kind;

    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 1, MT_TYPE_BIT(MT_I64), error) || !mt_want_same_type(node, 0, 2, error) ||
        !mt_want_rank(node, 0, 1, MT_MAX_RANK, error) || !mt_want_rank(node, 1, 1, MT_MAX_RANK, error) || !read_kind(node, &kind, error))
        return false;
    int64_t depth = indices->shape[indices->rank - 1];
    if (depth > x->rank || (depth >= 0 && updates->rank != indices->rank - 1 + x->rank - depth))
        return refuse_updates(node, error);
    for (int i = 0; depth >= 0 && i < updates->rank; i++) {
        int64_t wanted = i < indices->rank - 1 ? indices->shape[i] : x->shape[i - (indices->rank - 1) + depth];
        if (wanted >= 0 && updates->shape[i] >= 0 && wanted != updates->shape[i])
            return refuse_updates(node, error);
    }
    mt_set_like_input(node);
    return true;
}

static bool run_scatter_nd(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *indices = inputs[1];
    int              depth = (int)indices->shape[indices->rank - 1];
    int64_t stride[MT_MAX_RANK], n = mt_product_of(indices->shape, 0, indices->rank - 1), inner = mt_product_of(x->shape, depth, x->rank);
    scatter_kind kind;

    if (!read_kind(node, &kind, error))
        return false;
    memcpy(outputs[0]->data, x->data, mt_tensor_bytes(x));
    mt_contiguous_strides(x->rank, x->shape, stride);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;

        for (int k = 0; k < depth; k++) {
            int64_t index = mt_pick_index(node, indices, i * depth + k, x->shape[k], error);
            if (index < 0)
                return false;
            at += index * stride[k];
        }
        for (int64_t k = 0; k < inner; k++)
            put_element(outputs[0], at + k, inputs[2], i * inner + k, kind);
    }
    return true;
}

const mt_operator mt_family_scatter[] = {
    {"Scatter", 9, 10, infer_scatter_elements, run_scatter_elements},
    {"ScatterElements", 11, 21, infer_scatter_elements, run_scatter_elements},
    {"ScatterND", 11, 21, infer_scatter_nd, run_scatter_nd},
    {NULL, 0, 0, NULL, NULL},
};
