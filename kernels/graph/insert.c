#include "kernels/graph/insert.h"

#include "kernels/graph/match.h"
#include "kernels/reference/operator.h"
#include "kernels/tensor/mapped.h"

#include <string.h>

#define FOLD_BYTES (INT64_C(16) << 20)

mt_node *mt_insert_node(const mt_inserter *at, const char *op, mt_value *const *inputs, int n, GError **error)
{
    return mt_graph_add_node(at->graph, op, at->before->name, inputs, n, 1, at->before, error);
}

static bool is_foldable(const mt_node *node)
{
    const mt_value *out = mt_node_output(node, 0);
    int64_t         bytes = (int64_t)mt_dtype_size(out->dtype);

    for (guint i = 0; i < node->inputs->len; i++)
        if (node->inputs->pdata[i] == NULL || ((mt_value *)node->inputs->pdata[i])->constant == NULL)
            return false;
    for (int i = 0; i < out->rank; i++)
        bytes *= out->shape[i];
    return bytes > 0 && bytes <= FOLD_BYTES && node->kernel->run != NULL && !mt_is(node, "MatMul");
}

/* The result as a constant; the node is gone. */
static mt_value *fold(const mt_inserter *at, mt_node *node, GError **error)
{
    g_autoptr(GPtrArray) inputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    const mt_value *out = mt_node_output(node, 0);
    g_autoptr(mt_tensor) result = mt_tensor_new(out->dtype, out->rank, out->shape, error);
    mt_value *value = NULL;

    for (guint i = 0; result != NULL && i < node->inputs->len; i++) {
        g_ptr_array_add(inputs, mt_tensor_aligned(((mt_value *)node->inputs->pdata[i])->constant, error));
        if (inputs->pdata[i] == NULL)
            return NULL;
    }
    if (result != NULL && node->kernel->run(node, (const mt_tensor *const *)inputs->pdata, &result, error))
        value = mt_graph_add_constant(at->graph, NULL, result);
    mt_graph_remove_node(at->graph, node);
    return value;
}

mt_value *mt_insert_finish(const mt_inserter *at, mt_node *node, GError **error)
{
    if (node == NULL || !node->kernel->infer(node, error))
        return NULL;
    if (is_foldable(node))
        return fold(at, node, error);
    mt_uses_add_node(at->uses, node);
    return mt_node_output(node, 0);
}

static bool is_identity(const int64_t *perm, int n)
{
    for (int i = 0; i < n; i++)
        if (perm[i] != i)
            return false;
    return true;
}

mt_value *mt_insert_transpose(const mt_inserter *at, mt_value *x, const int64_t *perm, GError **error)
{
    mt_node *node;

    if (is_identity(perm, x->rank))
        return x;
    node = mt_insert_node(at, "Transpose", &x, 1, error);
    if (node != NULL)
        mt_node_set_ints(node, "perm", perm, x->rank);
    return mt_insert_finish(at, node, error);
}

mt_value *mt_insert_list(const mt_inserter *at, const int64_t *values, int n, GError **error)
{
    g_autoptr(mt_tensor) list = mt_tensor_new(MT_I64, 1, (int64_t[]){n}, error);

    if (list == NULL)
        return NULL;
    memcpy(list->data, values, (size_t)n * sizeof *values);
    return mt_graph_add_constant(at->graph, NULL, list);
}

mt_value *mt_insert_reshape(const mt_inserter *at, mt_value *x, int rank, const int64_t *shape, GError **error)
{
    mt_value *list;

    if (x->rank == rank && memcmp(x->shape, shape, (size_t)rank * sizeof *shape) == 0)
        return x;
    list = mt_insert_list(at, shape, rank, error);
    return list == NULL ? NULL : mt_insert_binary(at, "Reshape", x, list, error);
}

mt_value *mt_insert_binary(const mt_inserter *at, const char *op, mt_value *a, mt_value *b, GError **error)
{
    return mt_insert_finish(at, mt_insert_node(at, op, (mt_value *[]){a, b}, 2, error), error);
}

mt_value *mt_insert_concat(const mt_inserter *at, mt_value *const *values, int n, int64_t axis, GError **error)
{
    mt_node *node = mt_insert_node(at, "Concat", values, n, error);

    if (node != NULL)
        mt_node_set_int(node, "axis", axis);
    return mt_insert_finish(at, node, error);
}

void mt_insert_replace(const mt_inserter *at, mt_value *old, mt_value *value)
{
    mt_uses_forget(at->uses, old->producer);
    mt_uses_replace(at->uses, old, value);
}
