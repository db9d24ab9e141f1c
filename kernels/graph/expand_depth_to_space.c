/* Blocks of pixels moved between channels and space are a transpose between reshapes, which only say where elements lie:
 *
 *   x -> DepthToSpace -> y          x -> Reshape (N, b, b, C/b^2, H, W) -> Transpose -> Reshape (N, C/b^2, H b, W b) -> y
 *
 * in either order of the channels (DCR, CRD), and SpaceToDepth likewise. */
#include "kernels/graph/insert.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

typedef struct move {
    int64_t shape[6], perm[6];
} move;

static bool describe(const mt_node *node, const mt_value *x, move *m)
{
    static const int64_t dcr[] = {0, 3, 4, 1, 5, 2}, crd[] = {0, 1, 4, 2, 5, 3}, gather[] = {0, 3, 5, 1, 2, 4};
    bool                 depth = mt_is(node, "DepthToSpace"), first = strcmp(mt_node_string(node, "mode", "DCR"), "CRD") != 0;
    int64_t              b = mt_node_int(node, "blocksize", 0), n, c, h, w;

    if (x == NULL || x->rank != 4 || x->dtype != MT_F32 || b < 1)
        return false;
    n = x->shape[0], c = x->shape[1], h = x->shape[2], w = x->shape[3];
    if (depth ? c % (b * b) != 0 : h % b != 0 || w % b != 0)
        return false;
    if (!depth)
        *m = (move){.shape = {n, c, h / b, b, w / b, b}};
    else if (first)
        *m = (move){.shape = {n, b, b, c / (b * b), h, w}};
    else
        *m = (move){.shape = {n, c / (b * b), b, b, h, w}};
    memcpy(m->perm, !depth ? gather : first ? dcr : crd, sizeof m->perm);
    return true;
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *node, GError **error)
{
    mt_value   *x = mt_node_input(node, 0), *y = mt_node_output(node, 0);
    mt_inserter at = {graph, uses, node};
    move        m;

    if (!describe(node, x, &m))
        return false;
    x = mt_insert_reshape(&at, x, 6, m.shape, error);
    x = x == NULL ? NULL : mt_insert_transpose(&at, x, m.perm, error);
    x = x == NULL ? NULL : mt_insert_reshape(&at, x, 4, y->shape, error);
    if (x == NULL)
        return false;
    mt_insert_replace(&at, y, x);
    return true;
}

int mt_pass_expand_depth_to_space(mt_graph *graph, GError **error)
{
    int depth = mt_rewrite_each(graph, "DepthToSpace", rewrite, error), space;

    space = depth < 0 ? -1 : mt_rewrite_each(graph, "SpaceToDepth", rewrite, error);
    return space < 0 ? -1 : depth + space;
}
