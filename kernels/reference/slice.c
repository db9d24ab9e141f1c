/* Slice: attributes up to opset 9, inputs from 10 on. */
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"
#include "src/base/limits.h"

#include <string.h>

typedef struct {
    bool    open; /* bounds or dimension not known yet */
    int64_t start, step, length;
} slice_axis;

/* One axis of `size` elements; starts and ends beyond it are clamped, as the format says. */
static void resolve_axis(slice_axis *axis, int64_t size, int64_t start, int64_t end, int64_t step)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;

    step = CLAMP(step, -MT_LIMIT_TENSOR_BYTES, MT_LIMIT_TENSOR_BYTES);
    start = CLAMP(start < 0 ? start + size : start, step > 0 ? 0 : MIN(0, high), high);
    end = CLAMP(end < 0 ? end + size : end, low, high);
    axis->start = start;
    axis->step = step;
    axis->length = step > 0 ? MAX(0, (end - start + step - 1) / step) : MAX(0, (start - end - step - 1) / -step);
    axis->open = false;
}

static bool refuse_lists(const mt_node *node, GError **error)
{
    mt_node_error(node, error, "starts, ends, axes and steps do not have one length");
    return false;
}

/* The slices of all axes of `x`; untouched ones are whole. */
static bool read_slices(const mt_node *node, const mt_value *x, slice_axis *slices, GError **error)
{
    static const char *const names[] = {"starts", "ends", "axes", NULL};
    int64_t                  lists[4][MT_MAX_RANK];
    int                      n[4];
    mt_list_state            state[4];

    for (int i = 0; i < 4; i++)
        if ((state[i] = mt_node_list(node, NULL, i + 1, names[i], lists[i], MT_MAX_RANK, &n[i], error)) == MT_LIST_BAD)
            return false;
    if (state[0] == MT_LIST_ABSENT || state[1] == MT_LIST_ABSENT)
        return refuse_lists(node, error);
    for (int i = 0; i < x->rank; i++)
        slices[i] = (slice_axis){.open = state[2] == MT_LIST_OPEN || x->shape[i] < 0, .step = 1, .length = x->shape[i]};
    if (state[2] == MT_LIST_OPEN || (state[2] == MT_LIST_ABSENT && n[0] < 0))
        return true;
    int count = state[2] == MT_LIST_KNOWN ? n[2] : n[0];
    if (count > x->rank)
        return refuse_lists(node, error);
    for (int k = 0; k < 4; k++)
        if (state[k] == MT_LIST_KNOWN && n[k] != count)
            return refuse_lists(node, error);
    bool open = state[0] == MT_LIST_OPEN || state[1] == MT_LIST_OPEN || state[3] == MT_LIST_OPEN;
    for (int i = 0; i < count; i++) {
        int     axis = i;
        int64_t step = state[3] == MT_LIST_KNOWN ? lists[3][i] : 1;

        if (!mt_want_axis(node, state[2] == MT_LIST_KNOWN ? lists[2][i] : i, x->rank, &axis, error))
            return false;
        if (step == 0) {
            mt_node_error(node, error, "a step of 0");
            return false;
        }
        slices[axis].open = slices[axis].open || open;
        if (!slices[axis].open)
            resolve_axis(&slices[axis], x->shape[axis], lists[0][i], lists[1][i], step);
    }
    return true;
}

static bool infer_slice(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    slice_axis      slices[MT_MAX_RANK];
    int64_t         shape[MT_MAX_RANK];

    if (!mt_want_inputs(node, node->opset < 10 ? 1 : 3, 5, error) || !read_slices(node, x, slices, error))
        return false;
    for (int i = 0; i < x->rank; i++)
        shape[i] = slices[i].open ? -1 : slices[i].length;
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

static bool run_slice(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    slice_axis       slices[MT_MAX_RANK];
    int64_t          stride[MT_MAX_RANK], start = 0;

    if (!read_slices(node, mt_node_input(node, 0), slices, error))
        return false;
    if (mt_tensor_count(outputs[0]) == 0)
        return true;
    mt_contiguous_strides(x->rank, x->shape, stride);
    for (int i = 0; i < x->rank; i++) {
        start += slices[i].start * stride[i];
        stride[i] = slices[i].length > 1 ? stride[i] * slices[i].step : 0;
    }
    mt_copy_strided(outputs[0]->data, x->data, mt_dtype_size(x->dtype), x->rank, outputs[0]->shape, start, stride);
    return true;
}

const mt_operator mt_family_slice[] = {
    {"Slice", 1, 21, infer_slice, run_slice},
    {NULL, 0, 0, NULL, NULL},
};
