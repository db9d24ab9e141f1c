#include "kernels/onnx/old_broadcast.h"

static bool is_old_binary(const mt_node *node)
{
    static const char *const names[] = {"Add", "Sub", "Mul", "Div", "Pow", NULL};

    return node->opset < 7 && g_strv_contains(names, node->op) && mt_node_int(node, "broadcast", 0) != 0 &&
           mt_node_attr(node, "axis") != NULL && node->inputs->len == 2;
}

bool mt_old_broadcast_align(mt_graph *graph, mt_node *node, GError **error)
{
    mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1);
    int64_t   axis = mt_node_int(node, "axis", 0), axes[MT_MAX_RANK];

    if (!is_old_binary(node))
        return true;
    if (a == NULL || b == NULL || a->rank < 0 || b->rank < 0 || axis < -a->rank || axis > a->rank - b->rank) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "broadcasting along an axis, as opset 6 has it, needs operands of known rank; export the model again");
        return false;
    }
    axis = axis < 0 ? axis + a->rank : axis;
    int behind = a->rank - (int)axis - b->rank;
    if (behind < 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "the second operand does not fit behind the axis");
        return false;
    }
    if (behind == 0)
        return true;
    for (int i = 0; i < behind; i++)
        axes[i] = b->rank + i;
    mt_node *unsqueeze = mt_graph_add_node(graph, "Unsqueeze", NULL, &b, 1, 1, node, error);
    if (unsqueeze == NULL)
        return false;
    mt_node_set_ints(unsqueeze, "axes", axes, behind);
    node->inputs->pdata[1] = mt_node_output(unsqueeze, 0);
    return true;
}
