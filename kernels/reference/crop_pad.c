/* CenterCropPad: each axis cropped or padded with zeros around its centre to the size wanted. */
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"
#include "src/base/limits.h"

#include <string.h>

static bool infer_crop_pad(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         sizes[MT_MAX_RANK], axes[MT_MAX_RANK], shape[MT_MAX_RANK];
    int             n, n_axes;

    if (!mt_want_inputs(node, 2, 2, error))
        return false;
    mt_list_state axes_state = mt_node_axes(node, NULL, -1, x->rank, axes, &n_axes, error);
    if (axes_state == MT_LIST_BAD)
        return false;
    for (int i = 0; i < x->rank && axes_state == MT_LIST_ABSENT; i++)
        axes[i] = i;
    n_axes = axes_state == MT_LIST_ABSENT ? x->rank : n_axes;
    mt_list_state state = mt_node_list(node, NULL, 1, NULL, sizes, MT_MAX_RANK, &n, error);
    if (state == MT_LIST_BAD)
        return false;
    memcpy(shape, x->shape, sizeof shape);
    for (int i = 0; i < n_axes; i++)
        if (state == MT_LIST_OPEN)
            shape[axes[i]] = -1;
        else if (n != n_axes || sizes[i] < 0 || sizes[i] > MT_LIMIT_TENSOR_BYTES) {
            mt_node_error(node, error, "the shape wanted does not fit the axes");
            return false;
        } else
            shape[axes[i]] = sizes[i];
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

/* The part that input and output share, copied row by row; odd elements are cropped and padded behind. */
static bool run_crop_pad(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    mt_tensor       *y = outputs[0];
    int64_t          from[MT_MAX_RANK], to[MT_MAX_RANK], shared[MT_MAX_RANK], in[MT_MAX_RANK], out[MT_MAX_RANK];
    int              rank = x->rank;
    size_t           size = mt_dtype_size(x->dtype);

    (void)node, (void)error;
    memset(y->data, 0, mt_tensor_bytes(y));
    mt_contiguous_strides(rank, x->shape, in);
    mt_contiguous_strides(rank, y->shape, out);
    for (int i = 0; i < rank; i++) {
        shared[i] = MIN(x->shape[i], y->shape[i]);
        from[i] = (x->shape[i] - shared[i]) / 2;
        to[i] = (y->shape[i] - shared[i]) / 2;
    }
    int64_t width = rank > 0 ? shared[rank - 1] : 1, rows = width == 0 ? 0 : mt_product_of(shared, 0, MAX(rank - 1, 0));
    for (int64_t r = 0; r < rows; r++) {
        int64_t rest = r, source = rank > 0 ? from[rank - 1] : 0, target = rank > 0 ? to[rank - 1] : 0;

        for (int i = rank - 2; i >= 0; rest /= shared[i], i--) {
            source += (from[i] + rest % shared[i]) * in[i];
            target += (to[i] + rest % shared[i]) * out[i];
        }
        memcpy((char *)y->data + (size_t)target * size, (const char *)x->data + (size_t)source * size, (size_t)width * size);
    }
    return true;
}

const mt_operator mt_family_crop_pad[] = {
    {"CenterCropPad", 18, 21, infer_crop_pad, run_crop_pad},
    {NULL, 0, 0, NULL, NULL},
};
