/* A vector of constants added to, or multiplied with, a product goes into it:
 *
 *   x -> MatMul(W) -> Add b -> y               x -> MatMul(W) {+ b} -> y          b over the last dimension
 *   x -> Conv(W) -> Add b -> y                 x -> Conv(W) {+ b} -> y            b over the channels */
#include "kernels/graph/fused.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

/* `value`, broadcast over `out`, differs along dimension `axis` only. */
static bool is_along(const mt_value *value, const mt_value *out, int axis)
{
    int skipped = out->rank - value->rank;

    if (skipped < 0)
        return false;
    for (int i = 0; i < value->rank; i++)
        if (value->shape[i] != (i + skipped == axis ? out->shape[axis] : 1))
            return false;
    return skipped <= axis;
}

static bool absorb_user(mt_uses *uses, mt_node *node, int axis)
{
    mt_value *out = mt_node_output(node, 0), *vector;
    mt_node  *user = mt_uses_only(uses, out);
    bool      add = mt_is(user, "Add");

    if ((!add && !mt_is(user, "Mul")) || mt_node_fused(user) != NULL || !mt_node_can_fuse(node, 1))
        return false;
    vector = mt_other_input(user, out);
    if (vector == NULL || vector->constant == NULL || vector->dtype != MT_F32 || out->dtype != MT_F32)
        return false;
    if (!mt_same_shape(out, mt_node_output(user, 0)) || axis < 0 || axis >= out->rank || !is_along(vector, out, axis))
        return false;
    mt_node_fuse_operand(node, add ? MT_POST_ADD : MT_POST_MUL, vector, uses);
    mt_node_absorb(node, user, uses);
    return true;
}

int mt_pass_fuse_bias(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    int rewrites = 0;

    (void)error;
    for (guint i = 0; i < graph->nodes->len; i++) {
        mt_node *node = graph->nodes->pdata[i];
        bool     matrix = mt_is(node, "MatMul") || mt_is(node, "Gemm");

        if (!matrix && !mt_is(node, "Conv") && !mt_is(node, "ConvTranspose"))
            continue;
        while (absorb_user(uses, node, matrix ? mt_node_output(node, 0)->rank - 1 : 1))
            rewrites++;
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}
