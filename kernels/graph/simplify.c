/* Removes nodes that hand their input on:
 *
 *   x -> Identity | Dropout | Cast to x's type | Concat of one | Pad by nothing -> y        x (used as y)
 *
 * A node whose result is a graph output stays when its input is a graph input or a constant: outputs need a producer. */
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

static bool pads_nothing(const mt_node *node)
{
    const mt_attr  *attr = mt_node_attr(node, "pads");
    const mt_value *input = mt_node_input(node, 1);

    if (attr != NULL && attr->type == MT_ATTR_INTS) {
        for (int i = 0; i < attr->n; i++)
            if (attr->ints[i] != 0)
                return false;
        return true;
    }
    if (input == NULL || input->constant == NULL || input->constant->dtype != MT_I64)
        return false;
    for (int64_t i = 0; i < mt_tensor_count(input->constant); i++)
        if (((const int64_t *)input->constant->data)[i] != 0)
            return false;
    return true;
}

static bool is_unused(const mt_uses *uses, const mt_value *value)
{
    return value == NULL || mt_uses_count(uses, value) == 0;
}

static bool hands_on(const mt_uses *uses, const mt_node *node)
{
    const mt_value *in = mt_node_input(node, 0), *out = mt_node_output(node, 0);

    if (in == NULL || out == NULL)
        return false;
    if (mt_is(node, "Identity"))
        return true;
    if (mt_is(node, "Dropout"))
        return is_unused(uses, mt_node_output(node, 1)); /* in training it would have been refused, unless it drops nothing */
    if (mt_is(node, "Concat"))
        return node->inputs->len == 1;
    if (mt_is(node, "Pad"))
        return pads_nothing(node);
    return mt_is(node, "Cast") && in->dtype != MT_DTYPE_NONE && in->dtype == out->dtype;
}

static bool is_graph_output(const mt_graph *graph, mt_value *value)
{
    return g_ptr_array_find(graph->outputs, value, NULL);
}

int mt_pass_simplify(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    int rewrites = 0;

    (void)error;
    for (guint i = 0; i < graph->nodes->len; i++) {
        mt_node  *node = graph->nodes->pdata[i];
        mt_value *in, *out;

        if (!hands_on(uses, node))
            continue;
        in = mt_node_input(node, 0);
        out = mt_node_output(node, 0);
        if (is_graph_output(graph, out) && in->producer == NULL)
            continue;
        mt_uses_forget(uses, node);
        mt_uses_replace(uses, out, in);
        rewrites++;
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}
