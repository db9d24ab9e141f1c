#include "kernels/reference/widen.h"

#include "kernels/reference/element.h"

static bool needs_copy(const mt_tensor *tensor)
{
    return tensor != NULL && mt_dtype_is_float(tensor->dtype) && tensor->dtype != MT_F32;
}

static void convert(const mt_tensor *from, mt_tensor *to)
{
    int64_t count = mt_tensor_count(to);
    double  x[MT_RUN];

    for (int64_t start = 0; start < count; start += MT_RUN) {
        int n = (int)MIN(MT_RUN, count - start);

        mt_load_doubles(from, start, 1, n, x);
        mt_store_doubles(to, start, n, x);
    }
}

/* References or float32 copies of n tensors; false when memory is refused. */
static bool widen_all(GPtrArray *list, mt_tensor *const *tensors, guint n, bool fill, GError **error)
{
    for (guint i = 0; i < n; i++) {
        mt_tensor *tensor = tensors[i];

        if (!needs_copy(tensor)) {
            g_ptr_array_add(list, tensor == NULL ? NULL : mt_tensor_ref(tensor));
            continue;
        }
        mt_tensor *copy = mt_tensor_new(MT_F32, tensor->rank, tensor->shape, error);
        if (copy == NULL)
            return false;
        if (fill)
            convert(tensor, copy);
        g_ptr_array_add(list, copy);
    }
    return true;
}

static void unref_tensor(gpointer tensor)
{
    mt_tensor_unref(tensor);
}

bool mt_run_widened(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, mt_operator_run run, GError **error)
{
    guint n_inputs = node->inputs->len, n_outputs = node->outputs->len;
    bool  plain = true;

    for (guint i = 0; i < n_inputs; i++)
        plain = plain && !needs_copy(inputs[i]);
    for (guint i = 0; i < n_outputs; i++)
        plain = plain && !needs_copy(outputs[i]);
    if (plain)
        return run(node, inputs, outputs, error);

    g_autoptr(GPtrArray) wide_inputs = g_ptr_array_new_with_free_func(unref_tensor);
    g_autoptr(GPtrArray) wide_outputs = g_ptr_array_new_with_free_func(unref_tensor);
    if (!widen_all(wide_inputs, (mt_tensor *const *)inputs, n_inputs, true, error) ||
        !widen_all(wide_outputs, outputs, n_outputs, false, error) ||
        !run(node, (const mt_tensor *const *)wide_inputs->pdata, (mt_tensor *const *)wide_outputs->pdata, error))
        return false;
    for (guint i = 0; i < n_outputs; i++)
        if (needs_copy(outputs[i]))
            convert(wide_outputs->pdata[i], outputs[i]);
    return true;
}
