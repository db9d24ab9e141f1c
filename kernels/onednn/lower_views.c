/* Operators that only say where elements lie: no step at all, as long as the result is a view of the same memory. */
#include "kernels/onednn/lower.h"

#include <string.h>

static mt_lowered put_view(mt_lowering *l, const mt_value *out, const mt_place *from, const mt_view *view, int64_t offset)
{
    mt_place place = *from;

    place.offset += (size_t)offset * mt_dtype_size(from->type);
    place.view = *view;
    mt_lower_put(l, out, &place);
    return MT_LOWERED;
}

static mt_lowered lower_reshape(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *in = mt_node_input(node, 0), *out = mt_node_output(node, 0);
    const mt_place *from = in->dtype != out->dtype || mt_node_output(node, 1) != NULL ? NULL : mt_lower_strided(l, in, error);
    mt_view         view;

    if (in->dtype != out->dtype || mt_node_output(node, 1) != NULL)
        return MT_NOT_HERE;
    if (from == NULL)
        return MT_LOWER_FAILED;
    view = from->view;
    if (mt_view_reshape(&view, out->rank, out->shape))
        return put_view(l, out, from, &view, 0);
    from = mt_lower_plain(l, in, error);
    if (from == NULL)
        return MT_LOWER_FAILED;
    mt_view_init(&view, out->rank, out->shape);
    return put_view(l, out, from, &view, 0);
}

static mt_lowered lower_transpose(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *in = mt_node_input(node, 0), *out = mt_node_output(node, 0);
    int             n = 0;
    const int64_t  *given = mt_node_ints(node, "perm", &n);
    int64_t         perm[MT_MAX_RANK];
    const mt_place *from;
    mt_view         view;

    if (!mt_is_f32(in) || (given != NULL && n != in->rank))
        return MT_NOT_HERE;
    from = mt_lower_strided(l, in, error);
    if (from == NULL)
        return MT_LOWER_FAILED;
    for (int i = 0; i < in->rank; i++) {
        perm[i] = given == NULL ? in->rank - 1 - i : given[i];
        if (perm[i] < 0 || perm[i] >= in->rank)
            return MT_NOT_HERE;
    }
    view = from->view;
    return mt_view_permute(&view, perm) ? put_view(l, out, from, &view, 0) : MT_NOT_HERE;
}

static bool put_slice(mt_lowering *l, const mt_value *out, const mt_place *from, int axis, int64_t start)
{
    mt_view view = from->view;
    int64_t offset = 0;

    if (!mt_view_slice(&view, axis, start, out->shape[axis], 1, &offset))
        return false;
    put_view(l, out, from, &view, offset);
    return true;
}

static mt_lowered lower_split(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *in = mt_node_input(node, 0);
    int64_t         axis = mt_node_int(node, "axis", 0), start = 0;
    const mt_place *from;

    if (!mt_is_f32(in))
        return MT_NOT_HERE;
    axis += axis < 0 ? in->rank : 0;
    for (guint i = 0; i < node->outputs->len; i++)
        if (node->outputs->pdata[i] == NULL)
            return MT_NOT_HERE;
    from = mt_lower_strided(l, in, error);
    for (guint i = 0; from != NULL && i < node->outputs->len; i++) {
        const mt_value *out = mt_node_output(node, (int)i);

        if (!put_slice(l, out, from, (int)axis, start)) { /* it cuts through a part: over row-major memory it does not */
            from = mt_lower_plain(l, in, error);
            if (from == NULL || !put_slice(l, out, from, (int)axis, start))
                return MT_LOWER_FAILED;
        }
        start += out->shape[axis];
    }
    return from == NULL ? MT_LOWER_FAILED : MT_LOWERED;
}

/* A list that is a constant input or an attribute; n = -1 when it is computed. */
static int read_list(const mt_node *node, int input, const char *attr, int64_t *values)
{
    const mt_value *value = mt_node_input(node, input);
    int             n = 0;
    const int64_t  *list = mt_node_ints(node, attr, &n);

    if (value != NULL) {
        if (value->constant == NULL || mt_tensor_count(value->constant) > MT_MAX_RANK)
            return -1;
        n = (int)mt_tensor_count(value->constant);
        for (int i = 0; i < n && value->dtype == MT_I64; i++)
            values[i] = ((const int64_t *)value->constant->data)[i];
        for (int i = 0; i < n && value->dtype == MT_I32; i++)
            values[i] = ((const int32_t *)value->constant->data)[i];
        return value->dtype == MT_I64 || value->dtype == MT_I32 ? n : -1;
    }
    for (int i = 0; list != NULL && i < n && i < MT_MAX_RANK; i++)
        values[i] = list[i];
    return list == NULL ? 0 : n <= MT_MAX_RANK ? n : -1;
}

/* Applies starts and steps to the view, axis by axis; the lengths are those of the result. */
static bool slice_view(const mt_node *node, mt_view *view, int64_t *offset)
{
    const mt_value *in = mt_node_input(node, 0), *out = mt_node_output(node, 0);
    int64_t         starts[MT_MAX_RANK], axes[MT_MAX_RANK], steps[MT_MAX_RANK];
    int n = read_list(node, 1, "starts", starts), n_axes = read_list(node, 3, "axes", axes), n_steps = read_list(node, 4, "", steps);

    *offset = 0;
    if (n < 1 || n_axes < 0 || n_steps < 0 || (n_axes > 0 && n_axes != n) || (n_steps > 0 && n_steps != n))
        return false;
    for (int i = 0; i < n; i++) {
        int64_t axis = n_axes == 0 ? i : axes[i], step = n_steps == 0 ? 1 : steps[i], start, part;

        axis += axis < 0 ? in->rank : 0;
        if (axis < 0 || axis >= in->rank || step < 1)
            return false;
        start = starts[i] < 0 ? starts[i] + in->shape[axis] : starts[i];
        start = CLAMP(start, 0, in->shape[axis]);
        if (!mt_view_slice(view, (int)axis, start, out->shape[axis], step, &part))
            return false;
        *offset += part;
    }
    return true;
}

static mt_lowered lower_slice(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *in = mt_node_input(node, 0);
    const mt_place *from;
    mt_view         view;
    int64_t         offset;

    if (!mt_is_f32(in))
        return MT_NOT_HERE;
    from = mt_lower_strided(l, in, error);
    if (from == NULL)
        return MT_LOWER_FAILED;
    view = from->view;
    return slice_view(node, &view, &offset) ? put_view(l, mt_node_output(node, 0), from, &view, offset) : MT_NOT_HERE;
}

/* One element of an axis: a slice whose axis is dropped, or kept as 1. */
static mt_lowered lower_gather(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *in = mt_node_input(node, 0), *out = mt_node_output(node, 0);
    int64_t         axis = mt_node_int(node, "axis", 0), index[MT_MAX_RANK], offset;
    const mt_place *from;
    mt_view         view;

    if (!mt_is_f32(in) || read_list(node, 1, "", index) != 1)
        return MT_NOT_HERE;
    axis += axis < 0 ? in->rank : 0;
    if (axis < 0 || axis >= in->rank)
        return MT_NOT_HERE;
    index[0] += index[0] < 0 ? in->shape[axis] : 0;
    if (index[0] < 0 || index[0] >= in->shape[axis])
        return MT_NOT_HERE;
    from = mt_lower_strided(l, in, error);
    if (from == NULL)
        return MT_LOWER_FAILED;
    view = from->view;
    if (!mt_view_slice(&view, (int)axis, index[0], 1, 1, &offset) || !mt_view_reshape(&view, out->rank, out->shape))
        return MT_NOT_HERE;
    return put_view(l, out, from, &view, offset);
}

/* The same value under another name, in whatever layout. */
static mt_lowered lower_same(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_value *in = mt_node_input(node, 0), *out = mt_node_output(node, 0);

    const mt_place *from;

    (void)error;
    if (in == NULL || out == NULL || in->dtype != out->dtype || mt_node_output(node, 1) != NULL || mt_node_input(node, 2) != NULL)
        return MT_NOT_HERE;
    from = mt_lower_origin(l, in);
    if (from == NULL)
        return MT_NOT_HERE;
    mt_lower_put(l, out, from);
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_views[] = {
    {"Cast", lower_same, MT_STORE_SAME},           {"Dropout", lower_same, MT_STORE_SAME},      {"Flatten", lower_reshape, MT_STORE_SAME},
    {"Gather", lower_gather, MT_STORE_SAME},       {"Identity", lower_same, MT_STORE_SAME},     {"Reshape", lower_reshape, MT_STORE_SAME},
    {"Slice", lower_slice, MT_STORE_SAME},         {"Split", lower_split, MT_STORE_SAME},       {"Squeeze", lower_reshape, MT_STORE_SAME},
    {"Transpose", lower_transpose, MT_STORE_SAME}, {"Unsqueeze", lower_reshape, MT_STORE_SAME}, {0},
};
