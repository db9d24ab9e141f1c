/* Operators that make or repeat values: Expand, Tile, ConstantOfShape, Range, OneHot, EyeLike, Trilu. */
#include "kernels/reference/broadcast.h"
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"
#include "src/base/limits.h"

#include <math.h>
#include <string.h>

/* A list that gives an output shape; its entries must not be negative. */
static mt_list_state read_shape(const mt_node *node, int input, int64_t *shape, int *n, GError **error)
{
    mt_list_state state = mt_node_list(node, NULL, input, NULL, shape, MT_MAX_RANK, n, error);

    for (int i = 0; i < *n && state == MT_LIST_OPEN; i++)
        shape[i] = -1;
    for (int i = 0; i < *n && state == MT_LIST_KNOWN; i++)
        if (shape[i] < 0 || shape[i] > MT_LIMIT_TENSOR_BYTES) {
            mt_node_error(node, error, "a dimension of %" G_GINT64_FORMAT " is out of range", shape[i]);
            return MT_LIST_BAD;
        }
    return state;
}

static bool infer_expand(mt_node *node, GError **error)
{
    mt_value        wanted = {0};
    const mt_value *x = mt_node_input(node, 0);
    int64_t         shape[MT_MAX_RANK];

    if (!mt_want_inputs(node, 2, 2, error))
        return false;
    mt_list_state state = read_shape(node, 1, wanted.shape, &wanted.rank, error);
    if (state == MT_LIST_BAD)
        return false;
    int rank = x->rank;
    memcpy(shape, x->shape, sizeof shape);
    if (wanted.rank >= 0 && !mt_broadcast_join(node, &wanted, &rank, shape, error))
        return false;
    mt_set_output(node, 0, x->dtype, wanted.rank < 0 ? -1 : rank, shape);
    return true;
}

static bool run_expand(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_broadcast b;

    (void)node, (void)error;
    mt_broadcast_begin(&b, outputs[0], inputs, 1);
    mt_copy_strided(outputs[0]->data, inputs[0]->data, mt_dtype_size(inputs[0]->dtype), b.rank, b.shape, 0, b.stride[0]);
    return true;
}

static bool infer_tile(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         shape[MT_MAX_RANK];
    int             n;

    if (!mt_want_inputs(node, 2, 2, error))
        return false;
    mt_list_state state = read_shape(node, 1, shape, &n, error);
    if (state == MT_LIST_BAD)
        return false;
    if (state == MT_LIST_KNOWN && n != x->rank) {
        mt_node_error(node, error, "%d repeats for %d dimensions", n, x->rank);
        return false;
    }
    for (int i = 0; i < x->rank; i++) {
        bool known = state == MT_LIST_KNOWN && x->shape[i] >= 0;
        if (known && shape[i] > 0 && x->shape[i] > MT_LIMIT_TENSOR_BYTES / shape[i]) {
            mt_node_error(node, error, "its output would be too large");
            return false;
        }
        shape[i] = known ? shape[i] * x->shape[i] : -1;
    }
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

/* Row by row of the output, each built of copies of a row of the input. */
static bool run_tile(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    mt_tensor       *y = outputs[0];
    size_t           size = mt_dtype_size(x->dtype);
    int              last = x->rank - 1;

    (void)node, (void)error;
    if (mt_tensor_count(y) == 0)
        return true;
    int64_t width = last >= 0 ? x->shape[last] : 1, target = last >= 0 ? y->shape[last] : 1, rows = mt_product_of(y->shape, 0, last);
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row, at = 0, stride = width;

        for (int i = last - 1; i >= 0; i--) {
            at += rest % y->shape[i] % x->shape[i] * stride;
            rest /= y->shape[i];
            stride *= x->shape[i];
        }
        for (int64_t k = 0; k < target; k += width)
            memcpy((char *)y->data + (size_t)(row * target + k) * size, (const char *)x->data + (size_t)at * size, (size_t)width * size);
    }
    return true;
}

static bool infer_constant_of_shape(mt_node *node, GError **error)
{
    const mt_attr *value = mt_node_attr(node, "value");
    int64_t        shape[MT_MAX_RANK];
    int            n;

    if (!mt_want_inputs(node, 1, 1, error) || read_shape(node, 0, shape, &n, error) == MT_LIST_BAD)
        return false;
    if (value != NULL && (value->type != MT_ATTR_TENSOR || mt_tensor_count(value->tensor) != 1)) {
        mt_node_error(node, error, "its value is not a tensor of one element");
        return false;
    }
    mt_set_output(node, 0, value != NULL ? value->tensor->dtype : MT_F32, n, shape);
    return true;
}

static bool run_constant_of_shape(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_attr *value = mt_node_attr(node, "value");
    mt_tensor     *y = outputs[0];
    int64_t        stride[MT_MAX_RANK] = {0};

    (void)inputs, (void)error;
    if (value != NULL)
        mt_copy_strided(y->data, value->tensor->data, mt_dtype_size(y->dtype), y->rank, y->shape, 0, stride);
    else
        memset(y->data, 0, mt_tensor_bytes(y));
    return true;
}

static bool infer_range(mt_node *node, GError **error)
{
    const mt_tensor *bound[3];
    int64_t          n = -1;

    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 0, MT_TYPES_NUMBER, error) || !mt_want_same_type(node, 0, 1, error) ||
        !mt_want_same_type(node, 0, 2, error))
        return false;
    for (int i = 0; i < 3; i++) {
        bound[i] = mt_node_input(node, i)->constant;
        if (mt_value_count(mt_node_input(node, i)) > 1 || mt_value_count(mt_node_input(node, i)) == 0) {
            mt_node_error(node, error, "start, limit and delta must be scalars");
            return false;
        }
    }
    if (bound[0] != NULL && bound[1] != NULL && bound[2] != NULL) {
        double start = mt_element_double(bound[0], 0), limit = mt_element_double(bound[1], 0), delta = mt_element_double(bound[2], 0);
        double steps = ceil((limit - start) / delta);

        if (delta == 0 || isnan(steps) || steps > (double)MT_LIMIT_TENSOR_BYTES) {
            mt_node_error(node, error, "a range from %g to %g in steps of %g is not possible", start, limit, delta);
            return false;
        }
        n = steps > 0 ? (int64_t)steps : 0;
    }
    mt_set_output(node, 0, mt_node_input(node, 0)->dtype, 1, &n);
    return true;
}

static bool run_range(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int64_t n = mt_tensor_count(outputs[0]);

    (void)node, (void)error;
    if (mt_dtype_is_float(outputs[0]->dtype)) {
        double start = mt_element_double(inputs[0], 0), delta = mt_element_double(inputs[2], 0);
        for (int64_t i = 0; i < n; i++) {
            double value = start + (double)i * delta;
            mt_store_doubles(outputs[0], i, 1, &value);
        }
        return true;
    }
    uint64_t value = (uint64_t)mt_element_int(inputs[0], 0), delta = (uint64_t)mt_element_int(inputs[2], 0);
    for (int64_t i = 0; i < n; i++, value += delta)
        mt_store_ints(outputs[0], i, 1, (const int64_t *)&value);
    return true;
}

static bool one_hot_axis(const mt_node *node, int rank, int *axis, GError **error)
{
    return mt_want_axis(node, mt_node_int(node, "axis", -1), rank + 1, axis, error);
}

static bool infer_one_hot(mt_node *node, GError **error)
{
    const mt_value *indices = mt_node_input(node, 0);
    int             axis;
    int64_t         shape[MT_MAX_RANK + 1];

    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 0, MT_TYPES_NUMBER, error) ||
        !mt_want_rank(node, 0, 0, MT_MAX_RANK - 1, error) || !one_hot_axis(node, indices->rank, &axis, error))
        return false;
    const mt_tensor *depth = mt_node_input(node, 1)->constant;
    int64_t          n_values = mt_value_count(mt_node_input(node, 2));
    if ((depth != NULL && mt_tensor_count(depth) != 1) || (n_values >= 0 && n_values != 2)) {
        mt_node_error(node, error, "a depth and a pair of values are needed");
        return false;
    }
    for (int i = 0, k = 0; i <= indices->rank; i++)
        shape[i] = i == axis ? (depth == NULL ? -1 : MAX(0, mt_element_int(depth, 0))) : indices->shape[k++];
    mt_set_output(node, 0, mt_node_input(node, 2)->dtype, indices->rank + 1, shape);
    return true;
}

static bool run_one_hot(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_tensor *y = outputs[0];
    size_t     size = mt_dtype_size(y->dtype);
    int        axis;

    if (!one_hot_axis(node, inputs[0]->rank, &axis, error))
        return false;
    int64_t depth = y->shape[axis], inner = mt_product_of(y->shape, axis + 1, y->rank), count = mt_tensor_count(y);
    for (int64_t i = 0; i < count; i++) {
        int64_t outer = i / (depth * inner), hot = mt_element_int(inputs[0], outer * inner + i % inner);

        hot += hot < 0 ? depth : 0;
        memcpy((char *)y->data + (size_t)i * size, (const char *)inputs[2]->data + (i / inner % depth == hot ? size : 0), size);
    }
    return true;
}

static bool infer_eye_like(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         type = mt_node_int(node, "dtype", 0);

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_rank(node, 0, 2, 2, error))
        return false;
    mt_dtype dtype = type == 0 ? x->dtype : mt_dtype_from_onnx((int32_t)type);
    if (dtype == MT_DTYPE_NONE) {
        mt_node_error(node, error, "type %" G_GINT64_FORMAT " is not supported", type);
        return false;
    }
    mt_set_output(node, 0, dtype, 2, x->shape);
    return true;
}

static bool run_eye_like(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_tensor    *y = outputs[0];
    int64_t       shift = mt_node_int(node, "k", 0);
    const int64_t one = 1;

    (void)inputs, (void)error;
    memset(y->data, 0, mt_tensor_bytes(y));
    for (int64_t i = 0; i < y->shape[0]; i++)
        if (shift >= -i && shift < y->shape[1] - i)
            mt_store_ints(y, i * y->shape[1] + i + shift, 1, &one);
    return true;
}

static bool infer_trilu(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 1, 2, error) || !mt_want_rank(node, 0, 2, MT_MAX_RANK, error) ||
        !mt_want_type(node, 1, MT_TYPE_BIT(MT_I64), error))
        return false;
    mt_set_like_input(node);
    return true;
}

static bool run_trilu(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_tensor *y = outputs[0];
    bool       upper = mt_node_int(node, "upper", 1) != 0;
    int64_t    k = node->inputs->len > 1 && inputs[1] != NULL ? mt_element_int(inputs[1], 0) : 0;
    int64_t    h = y->shape[y->rank - 2], w = y->shape[y->rank - 1], rows = mt_product_of(y->shape, 0, y->rank - 1);
    size_t     size = mt_dtype_size(y->dtype);

    (void)error;
    memcpy(y->data, inputs[0]->data, mt_tensor_bytes(y));
    k = CLAMP(k, -h - w, h + w);
    for (int64_t row = 0; row < rows; row++) {
        /* Upper keeps columns from the diagonal on, lower up to and with it. */
        int64_t split = CLAMP(row % h + k + (upper ? 0 : 1), 0, w), from = upper ? 0 : split, to = upper ? split : w;
        memset((char *)y->data + (size_t)(row * w + from) * size, 0, (size_t)(to - from) * size);
    }
    return true;
}

const mt_operator mt_family_fill[] = {
    {"Expand", 8, 21, infer_expand, run_expand},
    {"Tile", 6, 21, infer_tile, run_tile},
    {"ConstantOfShape", 9, 21, infer_constant_of_shape, run_constant_of_shape},
    {"Range", 11, 21, infer_range, run_range},
    {"OneHot", 9, 21, infer_one_hot, run_one_hot},
    {"EyeLike", 9, 21, infer_eye_like, run_eye_like},
    {"Trilu", 14, 21, infer_trilu, run_trilu},
    {NULL, 0, 0, NULL, NULL},
};
