/* The sum at the end of a residual branch goes into the product that ends the branch:
 *
 *   x -> Conv -> Add -> y                      x -> Conv {+ r} -> y
 *   r ----------/                              r ----/
 *
 * for Conv, MatMul and Gemm whose result nobody else reads; so does, for MatMul and Gemm, the Mul of a gated unit.  The node moves to where the Add stood, behind the producer of r.
 * Of two branches the later one takes the sum. */
#include "kernels/graph/fused.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

static bool is_product(const mt_node *node, bool conv)
{
    return (conv && mt_is(node, "Conv")) || mt_is(node, "MatMul") || mt_is(node, "Gemm");
}

static guint index_of(const mt_graph *graph, mt_node *node)
{
    guint index = 0;

    g_ptr_array_find(graph->nodes, node, &index);
    return index;
}

/* Moves the node at `from` to `to`, from < to; those between move up by one. */
static void move_node(mt_graph *graph, guint from, guint to)
{
    gpointer *nodes = graph->nodes->pdata;
    gpointer  node = nodes[from];

    memmove(nodes + from, nodes + from + 1, (to - from) * sizeof *nodes);
    nodes[to] = node;
}

/* Add itself may have been followed by functions only. */
static bool has_only_functions(const mt_fused *fused)
{
    for (int i = 0; fused != NULL && i < fused->n; i++)
        if (fused->posts[i].kind != MT_POST_ACTIVATION)
            return false;
    return true;
}

/* The functions of the sum behind those of the product, with the sum between them. */
static bool may_follow(const mt_node *node, const mt_fused *own)
{
    mt_activation functions[MT_POSTS_MAX];

    for (int k = 0; own != NULL && k < own->n; k++)
        functions[k] = own->posts[k].activation;
    return own == NULL || mt_node_can_fuse_functions(node, functions, own->n);
}

/* The branch of `add` that can take the sum: its producer is a product that only `add` reads. */
static mt_node *branch_of(const mt_graph *graph, const mt_uses *uses, const mt_node *add)
{
    const mt_fused *own = mt_node_fused(add);
    mt_node        *best = NULL;

    for (int i = 0; i < 2; i++) {
        mt_value *value = mt_node_input(add, i), *other = mt_node_input(add, 1 - i);
        mt_node  *node = value == NULL ? NULL : value->producer;

        if (node == NULL || other == NULL || other->constant != NULL || !is_product(node, mt_is(add, "Add")) ||
            mt_uses_only(uses, value) != add)
            continue;
        if (value->dtype != MT_F32 || !mt_same_shape(value, other) || !mt_node_can_fuse(node, own == NULL ? 1 : 1 + own->n) ||
            !may_follow(node, own))
            continue;
        if (best == NULL || index_of(graph, node) > index_of(graph, best))
            best = node;
    }
    return best;
}

int mt_pass_fuse_residual(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    g_autoptr(GPtrArray) nodes = mt_list_nodes(graph);
    int rewrites = 0;

    (void)error;
    for (guint i = 0; i < nodes->len; i++) {
        mt_node        *add = nodes->pdata[i];
        bool            sum = mt_is(add, "Add");
        mt_node        *node = (sum || mt_is(add, "Mul")) && has_only_functions(mt_node_fused(add)) ? branch_of(graph, uses, add) : NULL;
        const mt_fused *own = mt_node_fused(add);

        if (node == NULL)
            continue;
        mt_node_fuse_operand(node, sum ? MT_POST_ADD : MT_POST_MUL, mt_other_input(add, mt_node_output(node, 0)), uses);
        for (int k = 0; own != NULL && k < own->n; k++)
            mt_node_fuse_activation(node, &own->posts[k].activation);
        mt_node_absorb(node, add, uses);
        move_node(graph, index_of(graph, node), index_of(graph, add));
        rewrites++;
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}
