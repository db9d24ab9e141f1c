/* A function of one element goes into the node that makes the element:
 *
 *   x -> Conv -> Relu -> y                     x -> Conv {relu} -> y
 *
 * for Conv, ConvTranspose, MatMul, Gemm, element-wise arithmetic and BatchNormalization (Relu only), and every function that
 * activation.c knows. */
#include "kernels/graph/fused.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

static bool is_arithmetic(const mt_node *node)
{
    return (mt_is(node, "Add") || mt_is(node, "Sub") || mt_is(node, "Mul") || mt_is(node, "Div")) && node->inputs->len == 2;
}

static bool takes(const mt_node *node, const mt_activation *f, int n)
{
    mt_activation own[MT_ACTIVATIONS_MAX];
    int           input;

    if (mt_node_output(node, 0) == NULL || mt_node_output(node, 0)->dtype != MT_F32)
        return false;
    if (mt_is(node, "BatchNormalization"))
        return n == 1 && f->function == MT_FN_RELU && f->alpha == 0 && mt_node_fused(node) == NULL && mt_node_output(node, 1) == NULL;
    if (is_arithmetic(node)) /* not onto one that is a function of one element itself: that one is fused as a whole */
        return mt_node_activations(node, own, &input) == 0;
    return mt_is(node, "Conv") || mt_is(node, "ConvTranspose") || mt_is(node, "MatMul") || mt_is(node, "Gemm");
}

static bool absorb_user(mt_uses *uses, mt_node *node)
{
    mt_activation f[MT_ACTIVATIONS_MAX];
    mt_node      *user = mt_uses_only(uses, mt_node_output(node, 0));
    int           input, n;

    if (user == NULL || mt_node_fused(user) != NULL)
        return false;
    n = mt_node_activations(user, f, &input);
    if (n == 0 || mt_node_input(user, input) != mt_node_output(node, 0) || !takes(node, f, n) || !mt_node_can_fuse_functions(node, f, n))
        return false;
    for (int i = 0; i < n; i++)
        mt_node_fuse_activation(node, &f[i]);
    mt_node_absorb(node, user, uses);
    return true;
}

int mt_pass_fuse_activation(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    int rewrites = 0;

    (void)error;
    for (guint i = 0; i < graph->nodes->len; i++) {
        mt_node *node = graph->nodes->pdata[i];

        if (node->outputs->len == 0 || mt_node_output(node, 0) == NULL)
            continue;
        while (absorb_user(uses, node))
            rewrites++;
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}
