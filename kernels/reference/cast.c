/* Cast and CastLike. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/float8.h"
#include "kernels/reference/shape_rules.h"

static bool infer_cast(mt_node *node, GError **error)
{
    int64_t  to = mt_node_int(node, "to", 0);
    mt_dtype dtype = to > 0 && to < 1000 ? mt_dtype_from_onnx((int32_t)to) : MT_DTYPE_NONE;

    if (!mt_want_inputs(node, 1, 1, error))
        return false;
    if (dtype == MT_DTYPE_NONE) {
        mt_node_error(node, error, "a cast to type %s is not supported",
                      to > 0 && to < 1000 ? mt_onnx_type_name((int32_t)to) : "undefined");
        return false;
    }
    mt_set_like_input(node);
    mt_node_output(node, 0)->dtype = dtype;
    return true;
}

static bool infer_cast_like(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 2, 2, error))
        return false;
    mt_set_like_input(node);
    mt_node_output(node, 0)->dtype = mt_node_input(node, 1)->dtype;
    return true;
}

static bool run_cast(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    int64_t count = mt_tensor_count(outputs[0]);
    bool    floats = mt_dtype_is_float(inputs[0]->dtype);
    bool    wraps = mt_dtype_is_float8(outputs[0]->dtype) && mt_node_int(node, "saturate", 1) == 0;

    (void)error;
    for (int64_t start = 0; start < count; start += MT_RUN) {
        int     n = (int)MIN(MT_RUN, count - start);
        double  x[MT_RUN];
        int64_t k[MT_RUN];

        if (floats) {
            mt_load_doubles(inputs[0], start, 1, n, x);
            mt_store_doubles(outputs[0], start, n, x);
            for (int i = 0; i < n && wraps; i++)
                ((uint8_t *)outputs[0]->data)[start + i] = mt_float8_encode(outputs[0]->dtype, x[i], false);
        } else {
            mt_load_ints(inputs[0], start, 1, n, k);
            mt_store_ints(outputs[0], start, n, k);
        }
    }
    return true;
}

const mt_operator mt_family_cast[] = {
    {"Cast", 6, 21, infer_cast, run_cast},
    {"CastLike", 15, 21, infer_cast_like, run_cast},
    {NULL, 0, 0, NULL, NULL},
};
