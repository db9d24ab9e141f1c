/* The derivative of each operator, as nodes: y = f(x), slope = dL/dy, wanted dL/dx.  Shapes are those of the bound first graph. */
#include "kernels/graph/gradient_private.h"

#include <math.h>
#include <string.h>

mt_value *mt_reverse_two(mt_reverse *r, const char *name, mt_value *a, mt_value *b)
{
    return a != NULL && b != NULL ? mt_reverse_op(r, name, a, b) : NULL;
}

static mt_value *unary(mt_reverse *r, const char *name, mt_value *a)
{
    return mt_reverse_op(r, name, a, NULL);
}

static mt_value *input(mt_reverse *r, const mt_node *node, int i)
{
    return mt_reverse_mirror(r, mt_node_input(node, i));
}

static mt_value *output(mt_reverse *r, const mt_node *node)
{
    return mt_reverse_mirror(r, mt_node_output(node, 0));
}

mt_value *mt_reverse_sum(mt_reverse *r, mt_value *x, const int64_t *axes, int n, bool keep)
{
    mt_value *list = x != NULL ? mt_reverse_list(r, axes, n) : NULL, *sum = mt_reverse_two(r, "ReduceSum", x, list);

    if (sum != NULL)
        mt_node_set_int(sum->producer, "keepdims", keep);
    return sum;
}

/* What broadcasting of input i to the shape of `whole` has multiplied is added up again. */
static mt_value *narrow(mt_reverse *r, mt_value *slope, const mt_value *whole, const mt_node *node, int i)
{
    const mt_value *to = mt_node_input(node, i);
    int64_t         axes[MT_MAX_RANK];
    int             n = 0, lead = whole->rank - to->rank;

    for (int a = 0; a < whole->rank; a++)
        if (a < lead || (to->shape[a - lead] == 1 && whole->shape[a] != 1))
            axes[n++] = a;
    if (n > 0)
        slope = mt_reverse_sum(r, slope, axes, n, true);
    return lead > 0 ? mt_reverse_reshape(r, slope, to) : slope;
}

/* Add `part`, of the shape of the node's output, to the gradient of input i. */
static bool add_narrowed(mt_reverse *r, const mt_node *node, int i, mt_value *part)
{
    return part != NULL && mt_reverse_add(r, node, i, narrow(r, part, mt_node_output(node, 0), node, i));
}

static bool add_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    for (int i = 0; i < 2; i++)
        if (mt_reverse_wants(r, node, i) && !add_narrowed(r, node, i, slope))
            return false;
    return true;
}

static bool sub_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return (!mt_reverse_wants(r, node, 0) || add_narrowed(r, node, 0, slope)) &&
           (!mt_reverse_wants(r, node, 1) || add_narrowed(r, node, 1, unary(r, "Neg", slope)));
}

static bool mul_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    for (int i = 0; i < 2; i++)
        if (mt_reverse_wants(r, node, i) && !add_narrowed(r, node, i, mt_reverse_two(r, "Mul", slope, input(r, node, 1 - i))))
            return false;
    return true;
}

/* y = a / b: dL/da = slope / b, dL/db = -slope y / b */
static bool div_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *part = mt_reverse_two(r, "Div", slope, input(r, node, 1));

    if (part == NULL || (mt_reverse_wants(r, node, 0) && !add_narrowed(r, node, 0, part)))
        return false;
    return !mt_reverse_wants(r, node, 1) || add_narrowed(r, node, 1, unary(r, "Neg", mt_reverse_two(r, "Mul", part, output(r, node))));
}

static bool identity_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, slope);
}

static bool neg_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, unary(r, "Neg", slope));
}

/* The sign of relu(x) is 1 where x > 0, else 0; at 0 the gradient is 0, as PyTorch has it. */
static bool relu_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, unary(r, "Sign", output(r, node))));
}

/* slope (1 - y y) */
static bool tanh_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *y = output(r, node);

    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Sub", slope, mt_reverse_two(r, "Mul", mt_reverse_two(r, "Mul", slope, y), y)));
}

/* slope y (1 - y) */
static bool sigmoid_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *y = output(r, node), *part = mt_reverse_two(r, "Mul", slope, y);

    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Sub", part, mt_reverse_two(r, "Mul", part, y)));
}

static bool exp_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, output(r, node)));
}

static bool log_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Div", slope, input(r, node, 0)));
}

static bool sqrt_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0,
                          mt_reverse_two(r, "Div", mt_reverse_two(r, "Mul", slope, mt_reverse_scalar(r, 0.5)), output(r, node)));
}

/* d erf(x) / dx = 2 / sqrt(pi) exp(-x x) */
static bool erf_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *x = input(r, node, 0), *bell = unary(r, "Exp", unary(r, "Neg", mt_reverse_two(r, "Mul", x, x)));

    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, mt_reverse_two(r, "Mul", bell, mt_reverse_scalar(r, M_2_SQRTPI))));
}

static bool softplus_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", slope, unary(r, "Sigmoid", input(r, node, 0))));
}

/* Before opset 13 all axes from the given one on were one: the same thing for the last. */
static bool softmax_axis(mt_reverse *r, const mt_node *node, int64_t *axis)
{
    int rank = mt_node_output(node, 0)->rank;

    *axis = mt_node_int(node, "axis", node->opset < 13 ? 1 : -1);
    *axis += *axis < 0 ? rank : 0;
    if (node->opset >= 13 || *axis == rank - 1)
        return true;
    g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (%s, opset %d): the gradient is known for the last axis only before opset 13",
                node->name, node->op, node->opset);
    return false;
}

/* y (slope - sum of slope y over the axis) */
static bool softmax_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    int64_t axis;

    if (!softmax_axis(r, node, &axis))
        return false;
    mt_value *y = output(r, node), *sum = mt_reverse_sum(r, mt_reverse_two(r, "Mul", slope, y), &axis, 1, true);

    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", y, mt_reverse_two(r, "Sub", slope, sum)));
}

/* slope - exp(y) times the sum of slope over the axis */
static bool log_softmax_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    int64_t axis;

    if (!softmax_axis(r, node, &axis))
        return false;
    mt_value *sum = mt_reverse_sum(r, slope, &axis, 1, true);

    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Sub", slope, mt_reverse_two(r, "Mul", unary(r, "Exp", output(r, node)), sum)));
}

/* A sum or mean hands its slope to all that went into it. */
static bool reduce_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *from = mt_node_input(node, 0), *to = mt_node_output(node, 0);
    mt_value        kept = {.rank = from->rank};
    double          inputs = 1, outputs = 1;
    int             n_axes, n = 0;
    const int64_t  *axes = mt_node_ints(node, "axes", &n_axes);
    mt_value       *list = mt_node_input(node, 1);

    if (list != NULL && list->constant == NULL) {
        g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (%s): the gradient with computed axes is not known", node->name, node->op);
        return false;
    }
    if (list != NULL) {
        axes = list->constant->data;
        n_axes = (int)mt_tensor_count(list->constant);
    }
    for (int a = 0; a < from->rank; a++) {
        bool reduced = n_axes == 0;
        for (int i = 0; i < n_axes; i++)
            reduced |= (axes[i] + from->rank) % from->rank == a;
        kept.shape[a] = reduced ? 1 : from->shape[a];
        n += reduced;
        inputs *= (double)from->shape[a];
    }
    for (int a = 0; a < to->rank; a++)
        outputs *= (double)to->shape[a];
    mt_value *part = mt_reverse_reshape(r, slope, &kept);
    if (n > 0 && part != NULL)
        part = mt_reverse_two(r, "Expand", part, mt_reverse_list(r, from->shape, from->rank));
    if (strcmp(node->op, "ReduceMean") == 0)
        part = mt_reverse_two(r, "Mul", part, mt_reverse_scalar(r, outputs / inputs));
    return mt_reverse_add(r, node, 0, part);
}

static bool reshape_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    return mt_reverse_add(r, node, 0, mt_reverse_reshape(r, slope, mt_node_input(node, 0)));
}

static mt_value *transpose(mt_reverse *r, mt_value *x, const int64_t *perm, int n)
{
    mt_value *y = unary(r, "Transpose", x);

    if (y != NULL)
        mt_node_set_ints(y->producer, "perm", perm, n);
    return y;
}

static bool transpose_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    int            n, rank = mt_node_output(node, 0)->rank;
    const int64_t *perm = mt_node_ints(node, "perm", &n);
    int64_t        back[MT_MAX_RANK];

    for (int i = 0; i < rank; i++)
        back[perm != NULL ? perm[i] : rank - 1 - i] = i;
    return mt_reverse_add(r, node, 0, transpose(r, slope, back, rank));
}

/* alpha op(a) op(b), transposed where asked */
static mt_value *product(mt_reverse *r, const mt_node *node, mt_value *a, bool turn_a, mt_value *b, bool turn_b)
{
    mt_value *y = mt_reverse_two(r, "Gemm", a, b);
    double    alpha = mt_node_float(node, "alpha", 1);

    if (y == NULL)
        return NULL;
    mt_node_set_int(y->producer, "transA", turn_a);
    mt_node_set_int(y->producer, "transB", turn_b);
    if (alpha != 1)
        mt_node_set_float(y->producer, "alpha", alpha);
    return y;
}

/* y = alpha op(A) op(B) + beta C */
static bool gemm_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    bool   ta = mt_node_int(node, "transA", 0) != 0, tb = mt_node_int(node, "transB", 0) != 0;
    double beta = mt_node_float(node, "beta", 1);

    if (mt_reverse_wants(r, node, 0)) {
        mt_value *b = input(r, node, 1);
        if (!mt_reverse_add(r, node, 0, ta ? product(r, node, b, tb, slope, true) : product(r, node, slope, false, b, !tb)))
            return false;
    }
    if (mt_reverse_wants(r, node, 1)) {
        mt_value *a = input(r, node, 0);
        if (!mt_reverse_add(r, node, 1, tb ? product(r, node, slope, true, a, ta) : product(r, node, a, !ta, slope, false)))
            return false;
    }
    if (!mt_reverse_wants(r, node, 2))
        return true;
    return add_narrowed(r, node, 2, beta == 1 ? slope : mt_reverse_two(r, "Mul", slope, mt_reverse_scalar(r, beta)));
}

static mt_value *turned(mt_reverse *r, mt_value *x)
{
    int64_t perm[MT_MAX_RANK];

    for (int i = 0; i < x->rank; i++)
        perm[i] = i < x->rank - 2 ? i : 2 * x->rank - 3 - i;
    return transpose(r, x, perm, x->rank);
}

/* Stacks of matrices; axes before the last two broadcast. */
static bool matmul_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *y = mt_node_output(node, 0);

    for (int i = 0; i < 2; i++) {
        mt_value *own = mt_node_input(node, i), *other = mt_node_input(node, 1 - i);
        mt_value  whole = {.rank = y->rank};
        if (!mt_reverse_wants(r, node, i))
            continue;
        if (own->rank < 2 || other->rank < 2) {
            g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (MatMul): the gradient of a vector is not known", node->name);
            return false;
        }
        memcpy(whole.shape, y->shape, sizeof whole.shape);
        memcpy(whole.shape + y->rank - 2, own->shape + own->rank - 2, 2 * sizeof(int64_t));
        mt_value *turn = turned(r, mt_reverse_mirror(r, other));
        mt_value *part = i == 0 ? mt_reverse_two(r, "MatMul", slope, turn) : mt_reverse_two(r, "MatMul", turn, slope);
        if (part == NULL || !mt_reverse_add(r, node, i, narrow(r, part, &whole, node, i)))
            return false;
    }
    return true;
}

/* Each part gets its piece of the slope. */
static bool concat_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    int64_t axis = mt_node_int(node, "axis", 0), begin = 0;

    axis = axis < 0 ? axis + mt_node_output(node, 0)->rank : axis;
    for (guint i = 0; i < node->inputs->len; i++) {
        int64_t   end = begin + mt_node_input(node, (int)i)->shape[axis];
        mt_value *piece[] = {slope, mt_reverse_list(r, &begin, 1), mt_reverse_list(r, &end, 1), mt_reverse_list(r, &axis, 1)};
        if (mt_reverse_wants(r, node, (int)i)) {
            mt_node *slice = mt_graph_add_node(r->gradient->graph, "Slice", NULL, piece, 4, 1, NULL, r->error);
            if (slice == NULL || !mt_reverse_add(r, node, (int)i, mt_node_output(slice, 0)))
                return false;
        }
        begin = end;
    }
    return true;
}

static const struct {
    const char      *op;
    mt_gradient_rule rule;
} rules[] = {
    {"Add", add_rule},
    {"Concat", concat_rule},
    {"Div", div_rule},
    {"Erf", erf_rule},
    {"Exp", exp_rule},
    {"Flatten", reshape_rule},
    {"Gemm", gemm_rule},
    {"Identity", identity_rule},
    {"Log", log_rule},
    {"MatMul", matmul_rule},
    {"Mul", mul_rule},
    {"LogSoftmax", log_softmax_rule},
    {"Neg", neg_rule},
    {"ReduceMean", reduce_rule},
    {"ReduceSum", reduce_rule},
    {"Relu", relu_rule},
    {"Reshape", reshape_rule},
    {"Sigmoid", sigmoid_rule},
    {"Softmax", softmax_rule},
    {"Softplus", softplus_rule},
    {"Sqrt", sqrt_rule},
    {"Squeeze", reshape_rule},
    {"Sub", sub_rule},
    {"Tanh", tanh_rule},
    {"Transpose", transpose_rule},
    {"Unsqueeze", reshape_rule},
};

mt_gradient_rule mt_gradient_find_rule(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].op, name) == 0)
            return rules[i].rule;
    return mt_gradient_find_select_rule(name);
}
