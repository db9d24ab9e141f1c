/* Gradients of products of matrices. */
#include "kernels/graph/gradient_rules.h"

static mt_value *gemm(mt_reverse *r, mt_value *a, mt_value *b, bool trans_a, bool trans_b, double alpha)
{
    mt_value *y = REVERSE_OP(r, "Gemm", a, b);

    mt_reverse_int(y, "transA", trans_a);
    mt_reverse_int(y, "transB", trans_b);
    if (y != NULL && alpha != 1)
        mt_node_set_float(y->producer, "alpha", alpha);
    return y;
}

/* y = alpha a' b' + beta c, where ' transposes or not. */
static void of_gemm(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1), *c = mt_node_input(node, 2), *scaled = dy[0];
    bool      trans_a = mt_node_int(node, "transA", 0) != 0, trans_b = mt_node_int(node, "transB", 0) != 0;
    double    alpha = mt_node_float(node, "alpha", 1), beta = mt_node_float(node, "beta", 1);

    if (mt_reverse_wants(r, a))
        mt_reverse_give(r, a, trans_a ? gemm(r, b, dy[0], trans_b, true, alpha) : gemm(r, dy[0], b, false, !trans_b, alpha));
    if (mt_reverse_wants(r, b))
        mt_reverse_give(r, b, trans_b ? gemm(r, dy[0], a, true, trans_a, alpha) : gemm(r, a, dy[0], !trans_a, false, alpha));
    if (!mt_reverse_wants(r, c))
        return;
    if (beta != 1)
        scaled = REVERSE_OP(r, "Mul", scaled, mt_reverse_number(r, c, beta));
    mt_reverse_give_narrowed(r, c, scaled, mt_node_output(node, 0));
}

static mt_value *turned(mt_reverse *r, mt_value *value)
{
    int64_t perm[MT_MAX_RANK];
    int     n = value->rank;

    for (int i = 0; i < n; i++)
        perm[i] = i;
    perm[n - 2] = n - 1;
    perm[n - 1] = n - 2;
    return mt_reverse_permute(r, value, n, perm);
}

/* The shape that a product has for an operand of its own matrix and the result's leading dimensions. */
static mt_value widened(const mt_value *operand, const mt_value *y)
{
    mt_value wide = *y;

    wide.shape[y->rank - 2] = operand->shape[operand->rank - 2];
    wide.shape[y->rank - 1] = operand->shape[operand->rank - 1];
    return wide;
}

static void of_matmul(mt_reverse *r, const mt_node *node, mt_value *const *dy)
{
    mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1), *y = mt_node_output(node, 0);

    if (a->rank < 2 || b->rank < 2) {
        mt_reverse_refuse(r, node, "an operand is a vector");
        return;
    }
    if (mt_reverse_wants(r, a)) {
        mt_value wide = widened(a, y);
        mt_reverse_give_narrowed(r, a, REVERSE_OP(r, "MatMul", dy[0], turned(r, b)), &wide);
    }
    if (mt_reverse_wants(r, b)) {
        mt_value wide = widened(b, y);
        mt_reverse_give_narrowed(r, b, REVERSE_OP(r, "MatMul", turned(r, a), dy[0]), &wide);
    }
}

const mt_gradient_rule mt_gradients_product[] = {{"Gemm", of_gemm}, {"MatMul", of_matmul}, {0}};
