#include "kernels/graph/work.h"

#include <string.h>

static double count(const mt_value *value)
{
    double n = 1;

    for (int i = 0; i < value->rank; i++)
        n *= (double)MAX(value->shape[i], 0);
    return n;
}

static double dim(const mt_value *value, int i)
{
    return i >= 0 && i < value->rank ? (double)MAX(value->shape[i], 0) : 1;
}

/* Elements of the larger tensor times those of one filter: (M, C/g, k..) or, transposed, (C, M/g, k..). */
static double conv_work(const mt_value *large, const mt_value *weights)
{
    return weights->rank < 1 || weights->shape[0] <= 0 ? 0 : count(large) * count(weights) / (double)weights->shape[0];
}

static double node_work(const mt_node *node)
{
    const mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1), *out = mt_node_output(node, 0);

    if (a == NULL || b == NULL || out == NULL)
        return 0;
    if (strcmp(node->op, "Conv") == 0 || strcmp(node->op, "ConvInteger") == 0)
        return conv_work(out, b);
    if (strcmp(node->op, "QLinearConv") == 0)
        return mt_node_input(node, 3) == NULL ? 0 : conv_work(out, mt_node_input(node, 3));
    if (strcmp(node->op, "ConvTranspose") == 0)
        return conv_work(a, b);
    if (strcmp(node->op, "MatMul") == 0 || strcmp(node->op, "MatMulInteger") == 0 || strcmp(node->op, "QLinearMatMul") == 0)
        return count(out) * dim(a, a->rank - 1);
    if (strcmp(node->op, "mt.Attention") == 0)
        return (count(a) + count(out)) * dim(b, b->rank - 1);
    if (strcmp(node->op, "Gemm") == 0)
        return count(out) * dim(a, mt_node_int(node, "transA", 0) != 0 ? 0 : 1);
    return 0;
}

double mt_node_flop(const mt_node *node)
{
    return 2 * node_work(node);
}

double mt_graph_flop(const mt_graph *graph)
{
    double work = 0;

    for (guint i = 0; i < graph->nodes->len; i++)
        work += mt_node_flop(graph->nodes->pdata[i]);
    return work;
}
