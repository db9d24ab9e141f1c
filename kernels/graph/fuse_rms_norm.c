/* Root mean square normalisation, which ONNX before opset 23 has to write out:
 *
 *   x ---------------------------------------------------> Mul (or Div by Sqrt) -> Mul scale -> y
 *    \-> Pow 2 (or x x) -> ReduceMean -> Add epsilon -> Sqrt -> Reciprocal -/
 *
 *   x -> mt.RmsNorm(scale; epsilon) -> y
 *
 * over the last dimension; the scale may be missing.  Runs after fuse_layer_norm, whose d is an x of this pattern. */
#include "kernels/graph/insert.h"
#include "kernels/graph/norm_pattern.h"
#include "kernels/graph/passes.h"

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *node, GError **error)
{
    double      epsilon;
    unsigned    axes;
    mt_value   *x = mt_rms_normalised(node, &axes, &epsilon), *y = mt_node_output(node, 0), *inputs[2], *scale;
    mt_inserter at = {graph, uses, node};
    mt_node    *mul;

    if (x == NULL || x->dtype != MT_F32 || axes != 1u << (x->rank - 1) || !mt_same_shape(x, y))
        return false;
    mul = mt_followed_by(uses, node, "Mul");
    scale = mt_operand_along(mul, y, axes);
    if (scale != NULL) {
        y = mt_node_output(mul, 0);
        at.before = mul;
    }
    inputs[0] = x;
    inputs[1] = scale == NULL ? NULL : mt_as_vector(graph, scale, error);
    if (scale != NULL && inputs[1] == NULL)
        return false;
    node = mt_insert_node(&at, "mt.RmsNorm", inputs, scale == NULL ? 1 : 2, error);
    if (node == NULL)
        return false;
    mt_node_set_float(node, "epsilon", epsilon);
    x = mt_insert_finish(&at, node, error);
    if (x == NULL)
        return false;
    mt_insert_replace(&at, y, x);
    return true;
}

int mt_pass_fuse_rms_norm(mt_graph *graph, GError **error)
{
    int products = mt_rewrite_each(graph, "Mul", rewrite, error), quotients;

    quotients = products < 0 ? -1 : mt_rewrite_each(graph, "Div", rewrite, error);
    return quotients < 0 ? -1 : products + quotients;
}
