/* Concat and Split: blocks of memory along one axis. */
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"

#include <string.h>

static bool refuse_concat(const mt_node *node, const mt_value *a, const mt_value *b, int axis, GError **error)
{
    g_autofree char *left = mt_shape_to_string(a->rank, a->shape), *right = mt_shape_to_string(b->rank, b->shape);

    mt_node_error(node, error, "shapes %s and %s do not join along axis %d", left, right, axis);
    return false;
}

static bool infer_concat(mt_node *node, GError **error)
{
    int             axis, n = (int)node->inputs->len;
    int64_t         shape[MT_MAX_RANK];
    const mt_value *first = mt_node_input(node, 0);

    if (!mt_want_inputs(node, MAX(n, 1), G_MAXINT, error) || !mt_want_axis(node, mt_node_int(node, "axis", 1), first->rank, &axis, error))
        return false;
    memcpy(shape, first->shape, sizeof shape);
    for (int k = 1; k < n; k++) {
        const mt_value *next = mt_node_input(node, k);

        if (!mt_want_same_type(node, 0, k, error))
            return false;
        if (next->rank != first->rank)
            return refuse_concat(node, first, next, axis, error);
        for (int i = 0; i < first->rank; i++) {
            if (i == axis) {
                shape[i] = shape[i] < 0 || next->shape[i] < 0 ? -1 : shape[i] + next->shape[i];
                if (shape[i] > G_MAXINT64 / 4)
                    return refuse_concat(node, first, next, axis, error);
            } else if (shape[i] >= 0 && next->shape[i] >= 0 && shape[i] != next->shape[i]) {
                return refuse_concat(node, first, next, axis, error);
            } else {
                shape[i] = MAX(shape[i], next->shape[i]);
            }
        }
    }
    mt_set_output(node, 0, first->dtype, first->rank, shape);
    return true;
}

/* Bytes of one block: everything from `axis` on. */
static size_t block_bytes(const mt_tensor *tensor, int axis)
{
    return (size_t)mt_product_of(tensor->shape, axis, tensor->rank) * mt_dtype_size(tensor->dtype);
}

static bool run_concat(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_tensor *y = outputs[0];
    int        axis;

    if (!mt_want_axis(node, mt_node_int(node, "axis", 1), y->rank, &axis, error))
        return false;
    int64_t outer = mt_product_of(y->shape, 0, axis);
    size_t  stride = block_bytes(y, axis), at = 0;
    for (guint k = 0; k < node->inputs->len; k++) {
        size_t bytes = block_bytes(inputs[k], axis);

        for (int64_t i = 0; i < outer && bytes > 0; i++)
            memcpy((char *)y->data + (size_t)i * stride + at, (const char *)inputs[k]->data + (size_t)i * bytes, bytes);
        at += bytes;
    }
    return true;
}

/* Without a list the parts are equal; from opset 18 on the last may be smaller. */
static bool equal_parts(const mt_node *node, int64_t size, int n, int64_t *parts, GError **error)
{
    int64_t part = size < 0 ? -1 : (size + n - 1) / n;

    if (size >= 0 && (node->opset < 18 ? size % n != 0 : part * (n - 1) > size)) {
        mt_node_error(node, error, "%" G_GINT64_FORMAT " elements do not split into %d equal parts", size, n);
        return false;
    }
    for (int i = 0; i < n; i++)
        parts[i] = part;
    if (size >= 0)
        parts[n - 1] = size - part * (n - 1);
    return true;
}

static bool read_parts(const mt_node *node, int64_t size, int n, int64_t *parts, GError **error)
{
    int           given;
    int64_t       sum = 0;
    mt_list_state state = mt_node_list(node, NULL, 1, "split", parts, n, &given, error);

    if (state == MT_LIST_BAD)
        return false;
    if (state == MT_LIST_ABSENT)
        return equal_parts(node, size, n, parts, error);
    for (int i = 0; state == MT_LIST_OPEN && i < n; i++)
        parts[i] = -1;
    if (state == MT_LIST_OPEN)
        return true;
    for (int i = 0; i < given; i++)
        sum = parts[i] < 0 || parts[i] > G_MAXINT64 / 4 - sum || sum < 0 ? -1 : sum + parts[i];
    if (given == n && sum >= 0 && (size < 0 || sum == size))
        return true;
    mt_node_error(node, error, "the parts do not add up to %" G_GINT64_FORMAT " elements in %d outputs", size, n);
    return false;
}

static bool infer_split(mt_node *node, GError **error)
{
    const mt_value *input = mt_node_input(node, 0);
    int             axis, n = (int)node->outputs->len;
    int64_t         shape[MT_MAX_RANK];

    if (!mt_want_inputs(node, 1, 2, error) || !mt_want_axis(node, mt_node_int(node, "axis", 0), input->rank, &axis, error))
        return false;
    g_autofree int64_t *parts = g_new0(int64_t, n);
    if (!read_parts(node, input->shape[axis], n, parts, error))
        return false;
    memcpy(shape, input->shape, sizeof shape);
    for (int i = 0; i < n; i++) {
        shape[axis] = parts[i];
        mt_set_output(node, i, input->dtype, input->rank, shape);
    }
    return true;
}

static bool run_split(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    int              axis, n = (int)node->outputs->len;

    if (!mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error))
        return false;
    g_autofree int64_t *parts = g_new0(int64_t, n);
    if (!read_parts(node, x->shape[axis], n, parts, error))
        return false;
    int64_t outer = mt_product_of(x->shape, 0, axis);
    size_t  stride = block_bytes(x, axis), inner = block_bytes(x, axis + 1), at = 0;
    for (int k = 0; k < n; k++) {
        size_t bytes = (size_t)parts[k] * inner;

        for (int64_t i = 0; i < outer && bytes > 0 && outputs[k] != NULL; i++)
            memcpy((char *)outputs[k]->data + (size_t)i * bytes, (const char *)x->data + (size_t)i * stride + at, bytes);
        at += bytes;
    }
    return true;
}

const mt_operator mt_family_join[] = {
    {"Concat", 4, 21, infer_concat, run_concat},
    {"Split", 2, 21, infer_split, run_split},
    {NULL, 0, 0, NULL, NULL},
};
