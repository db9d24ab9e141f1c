#include "kernels/graph/match.h"

#include "kernels/graph/activation.h"

#include <math.h>

GPtrArray *mt_list_nodes(const mt_graph *graph)
{
    GPtrArray *nodes = g_ptr_array_new();

    for (guint i = 0; i < graph->nodes->len; i++)
        g_ptr_array_add(nodes, graph->nodes->pdata[i]);
    return nodes;
}

void mt_copy_type(mt_value *value, const mt_value *like)
{
    value->dtype = like->dtype;
    value->rank = like->rank;
    memcpy(value->shape, like->shape, sizeof value->shape);
}

bool mt_is_number(const mt_value *value, double number)
{
    double c;

    return mt_value_scalar(value, &c) && fabs(c - number) <= 1e-4 * fabs(number);
}

bool mt_same_shape(const mt_value *a, const mt_value *b)
{
    if (a == NULL || b == NULL || a->rank < 0 || a->rank != b->rank || a->dtype != b->dtype)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] < 0 || a->shape[i] != b->shape[i])
            return false;
    return true;
}

bool mt_is_vector(const mt_value *value, int64_t count)
{
    return value != NULL && value->constant != NULL && value->constant->dtype == MT_F32 && mt_tensor_count(value->constant) == count;
}

int mt_rewrite_each(mt_graph *graph, const char *op, mt_rewrite rewrite, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    g_autoptr(GPtrArray) nodes = mt_list_nodes(graph);
    int rewrites = 0;

    for (guint i = 0; i < nodes->len; i++) {
        GError *local = NULL;

        if (!mt_is(nodes->pdata[i], op))
            continue;
        rewrites += rewrite(graph, uses, nodes->pdata[i], &local);
        if (local != NULL) {
            g_propagate_error(error, local);
            return -1;
        }
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}
