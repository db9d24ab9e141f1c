/* A product of bytes leaves its result as bytes:
 *
 *   x (bytes) -> Conv {relu} -> mt.Requantize -> y          x (bytes) -> Conv {relu, to bytes} -> y
 *
 * for Conv, MatMul and Gemm whose result nobody else reads.  Runs last: nothing can be fused behind it. */
#include "kernels/graph/fused.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *requantize, GError **error)
{
    mt_value *x = mt_node_input(requantize, 0);
    mt_node  *node = x->constant != NULL ? NULL : x->producer;
    mt_quant  in, out;

    (void)graph;
    (void)error;
    if (!mt_is(node, "Conv") && !mt_is(node, "MatMul") && !mt_is(node, "Gemm"))
        return false;
    if (mt_uses_count(uses, x) != 1 || !mt_node_can_fuse(node, 1) || !mt_value_quant(mt_node_input(node, 0), &in))
        return false;
    if (!mt_value_quant(mt_node_output(requantize, 0), &out))
        return false;
    mt_node_fuse_quantise(node, &out);
    mt_node_absorb(node, requantize, uses);
    return true;
}

int mt_pass_fuse_quantise(mt_graph *graph, GError **error)
{
    return mt_rewrite_each(graph, "mt.Requantize", rewrite, error);
}
