/* Gather, GatherElements, GatherND: elements picked by indices, which may be negative and are checked. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"

#include <string.h>

static bool infer_gather(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *indices = mt_node_input(node, 1);
    int             axis, rank = 0;
    int64_t         shape[2 * MT_MAX_RANK];

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 1, MT_TYPES_INDEX, error) ||
        !mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error))
        return false;
    for (int i = 0; i < axis; i++)
        shape[rank++] = x->shape[i];
    for (int i = 0; i < indices->rank; i++)
        shape[rank++] = indices->shape[i];
    for (int i = axis + 1; i < x->rank; i++)
        shape[rank++] = x->shape[i];
    if (rank > MT_MAX_RANK) {
        mt_node_error(node, error, "its output would have %d dimensions, at most %d are supported", rank, MT_MAX_RANK);
        return false;
    }
    mt_set_output(node, 0, x->dtype, rank, shape);
    return true;
}

static bool run_gather(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *indices = inputs[1];
    int              axis;

    if (!mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error))
        return false;
    int64_t outer = mt_product_of(x->shape, 0, axis), n = mt_tensor_count(indices), size = x->shape[axis];
    size_t  bytes = (size_t)mt_product_of(x->shape, axis + 1, x->rank) * mt_dtype_size(x->dtype);
    for (int64_t i = 0; i < n; i++) {
        int64_t index = mt_pick_index(node, indices, i, size, error);

        if (index < 0)
            return false;
        for (int64_t o = 0; o < outer && bytes > 0; o++)
            memcpy((char *)outputs[0]->data + (size_t)(o * n + i) * bytes, (const char *)x->data + (size_t)(o * size + index) * bytes,
                   bytes);
    }
    return true;
}

static bool infer_gather_elements(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *indices = mt_node_input(node, 1);
    int             axis;

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 1, MT_TYPES_INDEX, error) ||
        !mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error) || !mt_want_rank(node, 1, x->rank, x->rank, error))
        return false;
    for (int i = 0; i < x->rank; i++)
        if (i != axis && x->shape[i] >= 0 && indices->shape[i] > x->shape[i]) {
            mt_node_error(node, error, "the indices are larger than the data along axis %d", i);
            return false;
        }
    mt_set_output(node, 0, x->dtype, x->rank, indices->shape);
    return true;
}

static bool run_gather_elements(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *indices = inputs[1];
    int64_t          stride[MT_MAX_RANK], count = mt_tensor_count(indices);
    size_t           size = mt_dtype_size(x->dtype);
    int              axis;

    if (!mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error))
        return false;
    mt_contiguous_strides(x->rank, x->shape, stride);
    for (int64_t i = 0; i < count; i++) {
        int64_t index = mt_pick_index(node, indices, i, x->shape[axis], error), at = index * stride[axis], rest = i;

        if (index < 0)
            return false;
        for (int k = x->rank - 1; k >= 0; rest /= indices->shape[k], k--)
            at += k == axis ? 0 : rest % indices->shape[k] * stride[k];
        memcpy((char *)outputs[0]->data + (size_t)i * size, (const char *)x->data + (size_t)at * size, size);
    }
    return true;
}

static bool infer_gather_nd(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *indices = mt_node_input(node, 1);
    int64_t         batch = mt_node_int(node, "batch_dims", 0), shape[2 * MT_MAX_RANK];
    int             rank = 0;

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 1, MT_TYPE_BIT(MT_I64), error) ||
        !mt_want_rank(node, 0, 1, MT_MAX_RANK, error) || !mt_want_rank(node, 1, 1, MT_MAX_RANK, error))
        return false;
    int64_t depth = indices->shape[indices->rank - 1];
    if (depth < 0) {
        mt_set_output(node, 0, x->dtype, -1, NULL);
        return true;
    }
    if (batch < 0 || batch >= MIN(x->rank, indices->rank) || batch + depth > x->rank || depth == 0) {
        mt_node_error(node, error,
                      "indices of %" G_GINT64_FORMAT " entries behind %" G_GINT64_FORMAT " batch dimensions do not fit the data", depth,
                      batch);
        return false;
    }
    for (int i = 0; i < indices->rank - 1; i++) {
        if (i < batch && x->shape[i] >= 0 && indices->shape[i] >= 0 && x->shape[i] != indices->shape[i]) {
            mt_node_error(node, error, "batch dimension %d differs between data and indices", i);
            return false;
        }
        shape[rank++] = indices->shape[i];
    }
    for (int i = (int)(batch + depth); i < x->rank; i++)
        shape[rank++] = x->shape[i];
    if (rank > MT_MAX_RANK) {
        mt_node_error(node, error, "its output would have %d dimensions, at most %d are supported", rank, MT_MAX_RANK);
        return false;
    }
    mt_set_output(node, 0, x->dtype, rank, shape);
    return true;
}

static bool run_gather_nd(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *indices = inputs[1];
    int              batch = (int)mt_node_int(node, "batch_dims", 0), depth = (int)indices->shape[indices->rank - 1];
    int64_t          stride[MT_MAX_RANK], n = mt_product_of(indices->shape, 0, indices->rank - 1);
    int64_t          per_batch = mt_product_of(indices->shape, batch, indices->rank - 1);
    int64_t          inner = mt_product_of(x->shape, batch + depth, x->rank), plane = mt_product_of(x->shape, batch, x->rank);
    size_t           size = mt_dtype_size(x->dtype);

    mt_contiguous_strides(x->rank, x->shape, stride);
    for (int64_t i = 0; i < n && inner > 0; i++) {
        int64_t at = i / per_batch * plane;

        for (int k = 0; k < depth; k++) {
            int64_t index = mt_pick_index(node, indices, i * depth + k, x->shape[batch + k], error);
            if (index < 0)
                return false;
            at += index * stride[batch + k];
        }
        memcpy((char *)outputs[0]->data + (size_t)(i * inner) * size, (const char *)x->data + (size_t)at * size, (size_t)inner * size);
    }
    return true;
}

const mt_operator mt_family_gather[] = {
    {"Gather", 1, 21, infer_gather, run_gather},
    {"GatherElements", 11, 21, infer_gather_elements, run_gather_elements},
    {"GatherND", 11, 21, infer_gather_nd, run_gather_nd},
    {NULL, 0, 0, NULL, NULL},
};
