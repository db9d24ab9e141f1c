/* Each pass on a graph where it fires and on graphs where it must not.  That the meaning stays is checked on whole sessions:
 * the same graphs run on both backends. */
#include "kernels/graph/activation.h"
#include "kernels/graph/fused.h"
#include "kernels/graph/passes.h"
#include "tests/kernels/pass_checks.h"

#include <math.h>
#include <string.h>

static mt_value *conv(maker *m, mt_value *x, int64_t in, int64_t out, bool bias)
{
    mt_value *w = maker_constant(m, 0.5, 0, DIMS(out, in, 1, 1));

    return bias ? OP(m, "Conv", x, w, maker_constant(m, 1, 0, DIMS(out))) : OP(m, "Conv", x, w);
}

static mt_value *norm(maker *m, mt_value *x, int64_t c)
{
    return OP(m, "BatchNormalization", x, maker_constant(m, 1, 0, DIMS(c)), maker_constant(m, 1, 0, DIMS(c)),
              maker_constant(m, 1, 0, DIMS(c)), maker_constant(m, 0.4, 1, DIMS(c)));
}

/* Dropout of a share in training mode, its mask unread: of nothing it hands its input on, else the model is refused. */
static void test_dropout(void)
{
    for (int k = 0; k < 2; k++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_tensor) yes = mt_tensor_new(MT_BOOL, 0, NULL, NULL);
        maker     m = maker_new(1, 14);
        mt_value *y;

        *(uint8_t *)yes->data = 1;
        y = OP(&m, "Dropout", maker_input(&m, DIMS(2, 3)), maker_number(&m, k * 0.5), mt_graph_add_constant(m.graph, NULL, yes));
        mt_graph_mark_output(m.graph, OP(&m, "Relu", y));
        g_assert_true(mt_graph_infer(m.graph, &error) == (k == 0));
        g_assert_cmpint(k == 0 ? mt_pass_simplify(m.graph, &error) : 1, ==, 1);
        if (k == 1)
            g_assert_true(g_str_has_suffix(error->message, "training mode is not supported; export the model for inference"));
        maker_clear(&m);
    }
}

static void test_simplify(void)
{
    maker     m = maker_new(1, 13);
    mt_value *x = maker_input(&m, DIMS(2, 3, 4, 4)), *y;
    g_autoptr(mt_graph) graph = NULL, kept = NULL;

    y = OP(&m, "Dropout", OP(&m, "Identity", x));
    y = OP(&m, "Pad", OP(&m, "Concat", y), maker_list(&m, 8, (int64_t[]){0, 0, 0, 0, 0, 0, 0, 0}));
    mt_node_set_int(mt_node_input(maker_node(y), 0)->producer, "axis", 1);
    y = OP(&m, "Relu", y);
    graph = REWRITE(&m, y, mt_pass_simplify, 4);
    g_assert_cmpint(graph->nodes->len, ==, 1);
    pass_check_meaning(&m, "simplify");

    m = maker_new(1, 13);
    kept = REWRITE(&m, OP(&m, "Identity", maker_input(&m, DIMS(2))), mt_pass_simplify, 0); /* an output needs a producer */
    g_assert_cmpint(kept->nodes->len, ==, 1);
    maker_clear(&m);
}

static void test_widen_half(void)
{
    g_autoptr(mt_tensor) ones = mt_tensor_new(MT_F16, 1, (int64_t[]){3}, NULL);
    maker     m = maker_new(12, 14), wide = maker_new(12, 14);
    mt_value *x = mt_graph_add_input(m.graph, "x", MT_F16, 2, (int64_t[]){2, 3}), *y;
    g_autoptr(mt_graph) graph = NULL, same = NULL;

    for (int i = 0; i < 3; i++)
        ((uint16_t *)ones->data)[i] = 0x3c00; /* 1 */
    y = OP(&m, "Cast", OP(&m, "Add", x, mt_graph_add_constant(m.graph, NULL, ones)));
    mt_node_set_int(maker_node(y), "to", 10);
    graph = REWRITE(&m, OP(&m, "Relu", y), mt_pass_widen_half, 3);
    g_assert_cmpint(((mt_value *)graph->inputs->pdata[0])->dtype, ==, MT_F16);
    g_assert_true(mt_graph_infer(graph, NULL));
    g_assert_cmpint(mt_node_output(pass_find(graph, "Add"), 0)->dtype, ==, MT_F32);
    g_assert_cmpint(mt_node_output(pass_find(graph, "Relu"), 0)->dtype, ==, MT_F32);
    g_assert_cmpint(((mt_value *)graph->outputs->pdata[0])->dtype, ==, MT_F16);
    maker_clear(&m);

    same = REWRITE(&wide, OP(&wide, "Relu", maker_input(&wide, DIMS(2, 3))), mt_pass_widen_half, 0);
    maker_clear(&wide);
}

static void test_fold_pad(void)
{
    for (int k = 0; k < 4; k++) { /* fires; pads channels; pads with ones; is cut by a negative pad */
        static const int64_t pads[][8] = {
            {0, 0, 1, 2, 0, 0, 0, 1}, {0, 1, 1, 1, 0, 0, 1, 1}, {0, 0, 1, 1, 0, 0, 1, 1}, {0, 0, -1, 1, 0, 0, 1, 1}};
        maker     m = maker_new(2, 13);
        mt_value *x = maker_input(&m, DIMS(2, 3, 6, 6)), *list = maker_list(&m, 8, pads[k]), *y;
        g_autoptr(mt_graph) graph = NULL;

        y = OP(&m, "Conv", k == 2 ? OP(&m, "Pad", x, list, maker_number(&m, 1)) : OP(&m, "Pad", x, list),
               maker_constant(&m, 1, 0, DIMS(4, k == 1 ? 4 : 3, 3, 3)));
        maker_ints(y, "pads", 4, (int64_t[]){1, 0, 0, 0});
        graph = REWRITE(&m, y, mt_pass_fold_pad, k == 0);
        g_assert_cmpint(pass_count(graph, "Pad"), ==, k != 0);
        if (k == 0)
            g_assert_cmpint(mt_node_attr(pass_find(graph, "Conv"), "pads")->ints[0], ==, 2);
        pass_check_meaning(&m, "pad");
    }
}

/* Before an average: which has no padding; that counts its own; that does not; that rounds its size up. */
static void test_fold_pad_average(void)
{
    for (int k = 0; k < 4; k++) {
        maker     m = maker_new(2, 13);
        mt_value *x = maker_input(&m, DIMS(2, 3, 7, 7)), *y;
        g_autoptr(mt_graph) graph = NULL;

        y = OP(&m, "AveragePool", OP(&m, "Pad", x, maker_list(&m, 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1})));
        maker_ints(y, "kernel_shape", 2, (int64_t[]){3, 3});
        maker_ints(y, "strides", 2, (int64_t[]){2, 2});
        if (k == 1 || k == 2)
            maker_ints(y, "pads", 4, (int64_t[]){0, 1, 0, 1});
        mt_node_set_int(maker_node(y), "count_include_pad", k == 1);
        mt_node_set_int(maker_node(y), "ceil_mode", k == 3);
        graph = REWRITE(&m, y, mt_pass_fold_pad, k < 2);
        g_assert_cmpint(pass_count(graph, "Pad"), ==, k >= 2);
        if (k < 2)
            g_assert_cmpint(mt_node_int(pass_find(graph, "AveragePool"), "count_include_pad", 0), ==, 1);
        pass_check_same(&m, g_steal_pointer(&graph), 1e-6);
    }
}

/* The same twice, with constants of the same bytes, and what follows from it; other attributes; an output of the graph. */
static void test_merge_equal(void)
{
    for (int k = 0; k < 3; k++) {
        maker     m = maker_new(13, 13);
        mt_value *x = maker_input(&m, DIMS(2, 6)), *a = OP(&m, "Softmax", OP(&m, "Add", x, maker_number(&m, 2)));
        mt_value *b = OP(&m, "Softmax", OP(&m, "Add", x, maker_number(&m, k == 2 ? 3 : 2)));
        g_autoptr(mt_graph) graph = NULL;

        if (k == 1)
            mt_node_set_int(maker_node(b), "axis", 0);
        graph = REWRITE(&m, OP(&m, "Mul", a, b), mt_pass_merge_equal, k == 0 ? 2 : k == 1 ? 1 : 0);
        g_assert_cmpint(pass_count(graph, "Softmax"), ==, k == 0 ? 1 : 2);
        g_assert_cmpint(pass_count(graph, "Add"), ==, k < 2 ? 1 : 2);
        pass_check_meaning(&m, "merge equal");
    }
}

static void test_merge_equal_outputs(void)
{
    maker     m = maker_new(13, 13);
    mt_value *x = maker_input(&m, DIMS(2, 6)), *a = OP(&m, "Exp", x), *b = OP(&m, "Exp", x);
    g_autoptr(mt_graph) graph = NULL;

    mt_graph_mark_output(m.graph, a);
    graph = REWRITE(&m, (mt_graph_mark_output(m.graph, b), b), mt_pass_merge_equal, 0);
    g_assert_cmpint(pass_count(graph, "Exp"), ==, 2);
    maker_clear(&m);
}

static void test_fold_batch_norm(void)
{
    for (int k = 0; k < 5; k++) {
        maker     m = maker_new(3, 14);
        mt_value *x = maker_input(&m, DIMS(2, 6, 5, 5)), *y = conv(&m, x, 6, 8, k == 1), *z;
        g_autoptr(mt_graph) graph = NULL;

        if (k == 2) { /* two groups, transposed */
            y = OP(&m, "ConvTranspose", x, maker_constant(&m, 1, 0, DIMS(6, 4, 3, 3)));
            mt_node_set_int(maker_node(y), "group", 2);
        }
        z = norm(&m, y, 8);
        if (k == 3) /* somebody else reads the convolution */
            z = OP(&m, "Add", z, y);
        if (k == 4) /* no convolution before */
            z = norm(&m, x, 6);
        graph = REWRITE(&m, z, mt_pass_fold_batch_norm, k < 3);
        g_assert_cmpint(pass_count(graph, "BatchNormalization"), ==, k >= 3);
        pass_check_meaning(&m, "batch norm");
    }
}

/* The folded convolution against the plain one followed by the norm, both by the reference. */
static void test_fold_batch_norm_exactly(void)
{
    g_autoptr(GError) error = NULL;
    maker     m = maker_new(4, 14);
    mt_value *x = maker_input(&m, DIMS(2, 6, 5, 5));
    mt_graph *graph = REWRITE(&m, norm(&m, conv(&m, x, 6, 8, true), 8), mt_pass_fold_batch_norm, 1);
    g_autoptr(mt_model) plain = maker_model(g_steal_pointer(&m.graph)), folded = maker_model(graph);
    g_autoptr(GPtrArray) inputs = maker_inputs(plain, 3), a = maker_run(plain, MT_BACKEND_REFERENCE, 1, inputs, &error);
    g_autoptr(GPtrArray) b = maker_run(folded, MT_BACKEND_REFERENCE, 1, inputs, &error);

    g_assert_no_error(error);
    g_assert_cmpfloat(maker_error(b->pdata[0], a->pdata[0]), <, 1e-6);
    maker_clear(&m);
}

/* x/2 (1 + erf(x / sqrt 2)) in three orders, with `wrong` number in place of a half. */
static mt_value *gelu(maker *m, mt_value *x, int order, double half)
{
    mt_value *inner = order == 1 ? OP(m, "Mul", x, maker_number(m, M_SQRT1_2)) : OP(m, "Div", x, maker_number(m, M_SQRT2));
    mt_value *sum = OP(m, "Add", OP(m, "Erf", inner), maker_number(m, 1)), *h = maker_number(m, half);

    if (order == 0)
        return OP(m, "Mul", OP(m, "Mul", x, sum), h);
    if (order == 1)
        return OP(m, "Mul", OP(m, "Mul", x, h), sum);
    return OP(m, "Mul", x, OP(m, "Mul", h, sum));
}

/* order 0: x^3 by products; 1: by Pow; 2: x sqrt(2/pi) before the sum; 3: not the cubic, but x (1 + 0.044715 x) */
static mt_value *gelu_tanh(maker *m, mt_value *x, int order)
{
    mt_value *cube = order == 1 ? OP(m, "Pow", x, maker_number(m, 3)) : OP(m, "Mul", x, OP(m, "Mul", x, x)), *root, *inner, *t;

    root = maker_number(m, sqrt(2 / M_PI));
    inner = OP(m, "Mul", OP(m, "Add", x, OP(m, "Mul", cube, maker_number(m, 0.044715))), root);
    if (order >= 2) {
        inner = OP(m, "Mul", x, maker_number(m, 0.044715));
        inner = OP(m, "Add", maker_number(m, 1), order == 2 ? OP(m, "Mul", inner, x) : inner);
        inner = OP(m, "Mul", OP(m, "Mul", x, root), inner);
    }
    t = OP(m, "Tanh", inner);

    return OP(m, "Mul", OP(m, "Mul", x, OP(m, "Add", maker_number(m, 1), t)), maker_number(m, 0.5));
}

static void test_gelu(void)
{
    for (int k = 0; k < 9; k++) {
        maker     m = maker_new(5, 14);
        mt_value *x = maker_input(&m, DIMS(3, 40)), *y = k < 3   ? gelu(&m, x, k, 0.5)
                                                         : k < 7 ? gelu_tanh(&m, x, k - 3)
                                                                 : gelu(&m, x, k - 7, 0.25);
        g_autoptr(mt_graph) graph = REWRITE(&m, y, mt_pass_fuse_gelu, k < 6);

        g_assert_cmpint(pass_count(graph, "mt.Activation"), ==, k < 6);
        if (k < 6)
            g_assert_cmpint(graph->nodes->len, ==, 1);
        pass_check_meaning(&m, "gelu");
    }
}

static mt_value *gate(maker *m, mt_value *x, int k)
{
    switch (k) {
    case 0:
        return OP(m, "Mul", x, OP(m, "Sigmoid", x));
    case 1:
        return OP(m, "Mul", OP(m, "Sigmoid", OP(m, "Mul", x, maker_number(m, 1.702))), x);
    case 2:
        return OP(m, "Mul", x, OP(m, "Tanh", OP(m, "Softplus", x)));
    case 3:
        return OP(
            m, "Mul", x,
            OP(m, "Div", OP(m, "Clip", OP(m, "Add", x, maker_number(m, 3)), maker_number(m, 0), maker_number(m, 6)), maker_number(m, 6)));
    case 4:
        return OP(m, "Div", OP(m, "Mul", x, OP(m, "Clip", OP(m, "Add", x, maker_number(m, 3)), maker_number(m, 0), maker_number(m, 6))),
                  maker_number(m, 6));
    case 5:
        return OP(m, "Mul", OP(m, "Tanh", OP(m, "Log", OP(m, "Add", maker_number(m, 1), OP(m, "Exp", x)))), x);
    case 6: /* none: the gate is not of x */
        return OP(m, "Mul", x, OP(m, "Sigmoid", OP(m, "Relu", x)));
    default: /* none: the clip is lower */
        return OP(
            m, "Mul", x,
            OP(m, "Div", OP(m, "Clip", OP(m, "Add", x, maker_number(m, 3)), maker_number(m, 0), maker_number(m, 5)), maker_number(m, 6)));
    }
}

static void test_gate(void)
{
    for (int k = 0; k < 8; k++) {
        maker     m = maker_new(6, 14);
        mt_value *y = gate(&m, OP(&m, "Mul", maker_input(&m, DIMS(3, 40)), maker_number(&m, 5)), k);
        g_autoptr(mt_graph) graph = REWRITE(&m, y, mt_pass_fuse_gate, k < 6);

        g_assert_cmpint(pass_count(graph, "mt.Activation"), ==, k < 6);
        if (k < 6)
            g_assert_cmpint(graph->nodes->len, ==, 2);
        pass_check_meaning(&m, "gate");
    }
}

/* kind 0: scaled q; 1: scaled scores and a mask; 2: bare; 3: softmax over another axis; 4: somebody reads the scores;
 * 5: one head of keys for all */
static mt_value *attention(maker *m, int kind)
{
    mt_value *q = maker_input(m, DIMS(2, 3, 5, 4)), *kt = kind == 5 ? maker_input(m, DIMS(2, 1, 4, 6)) : maker_input(m, DIMS(2, 3, 4, 6));
    mt_value *v = kind == 3 ? maker_input(m, DIMS(2, 3, 6, 7)) : maker_input(m, DIMS(2, 3, 6, 7)), *s, *p, *y;

    s = OP(m, "MatMul", kind == 0 ? OP(m, "Div", q, maker_number(m, 2)) : q, kt);
    if (kind == 1)
        s = OP(m, "Add", OP(m, "Mul", s, maker_number(m, 0.5)), maker_input(m, DIMS(2, 1, 1, 6)));
    p = OP(m, "Softmax", s);
    mt_node_set_int(maker_node(p), "axis", kind == 3 ? 2 : -1);
    y = OP(m, "MatMul", p, v);
    return kind == 4 ? OP(m, "Concat", y, s) : y;
}

static void test_attention(void)
{
    for (int k = 0; k < 6; k++) {
        maker     m = maker_new(8, 13);
        mt_value *y = attention(&m, k);
        g_autoptr(mt_graph) graph = NULL;

        if (k == 4)
            mt_node_set_int(maker_node(y), "axis", 3);
        graph = REWRITE(&m, y, mt_pass_fuse_attention, k < 3);
        g_assert_cmpint(pass_count(graph, "mt.Attention"), ==, k < 3);
        if (k < 3) {
            g_assert_cmpint(graph->nodes->len, ==, 1);
            g_assert_cmpfloat(mt_node_float(graph->nodes->pdata[0], "scale", 0), ==, k == 2 ? 1 : 0.5);
        }
        pass_check_meaning(&m, "attention");
    }
}

static void test_activation(void)
{
    maker     m = maker_new(9, 14);
    mt_value *x = maker_input(&m, DIMS(2, 4, 5, 5)), *y = conv(&m, x, 4, 6, true);
    g_autoptr(mt_graph) graph = NULL, shared = NULL;
    const mt_fused *fused;

    y = OP(&m, "HardSigmoid", OP(&m, "Relu", y));
    graph = REWRITE(&m, y, mt_pass_fuse_activation, 2);
    g_assert_cmpint(graph->nodes->len, ==, 1);
    fused = mt_node_fused(graph->nodes->pdata[0]);
    g_assert_cmpint(fused->n, ==, 3); /* relu, linear, clip */
    g_assert_cmpint(fused->posts[0].activation.function, ==, MT_FN_RELU);
    g_assert_cmpint(fused->posts[2].activation.function, ==, MT_FN_CLIP);
    pass_check_meaning(&m, "activation");

    m = maker_new(9, 14);
    y = conv(&m, maker_input(&m, DIMS(2, 4, 5, 5)), 4, 6, true);
    y = OP(&m, "Mul", y, OP(&m, "Tanh", y)); /* the convolution is read twice */
    shared = REWRITE(&m, y, mt_pass_fuse_activation, 0);
    pass_check_meaning(&m, "no activation");
}

static void test_bias(void)
{
    for (int k = 0; k < 6; k++) { /* row, row of ones dimensions, channel of a convolution; column, whole, computed: not */
        maker     m = maker_new(10, 14);
        mt_value *x = maker_input(&m, DIMS(2, 5, 5)), *y = OP(&m, "MatMul", x, maker_constant(&m, 1, 0, DIMS(5, 5))), *b;
        g_autoptr(mt_graph) graph = NULL;

        b = k == 0   ? maker_constant(&m, 1, 0, DIMS(5))
            : k == 1 ? maker_constant(&m, 1, 0, DIMS(1, 1, 5))
            : k == 3 ? maker_constant(&m, 1, 0, DIMS(5, 1))
            : k == 4 ? maker_constant(&m, 1, 0, DIMS(2, 5, 5))
                     : maker_input(&m, DIMS(5));
        if (k == 2) {
            y = conv(&m, maker_input(&m, DIMS(2, 5, 4, 4)), 5, 5, true);
            b = maker_constant(&m, 1, 0, DIMS(5, 1, 1));
        }
        graph = REWRITE(&m, OP(&m, "Add", b, y), mt_pass_fuse_bias, k < 3);
        g_assert_cmpint(pass_count(graph, "Add"), ==, k >= 3);
        pass_check_meaning(&m, "bias");
    }
}

static void test_residual(void)
{
    for (int k = 0; k < 5; k++) {
        maker     m = maker_new(11, 14);
        mt_value *x = maker_input(&m, DIMS(2, 6, 5, 5)), *y = conv(&m, x, 6, 6, true),
                 *r = k == 1 ? conv(&m, x, 6, 6, false) : OP(&m, "Sigmoid", x), *z;
        g_autoptr(mt_graph) graph = NULL;

        if (k == 3) /* other shape: broadcast */
            r = maker_input(&m, DIMS(2, 6, 1, 1));
        if (k == 2) /* the product is a sigmoid's argument too */
            r = OP(&m, "Sigmoid", y);
        if (k == 4) /* no product */
            y = OP(&m, "Exp", x);
        z = OP(&m, "Relu", OP(&m, "Add", r, y));
        graph = pass_rewrite(&m, z, 2, (pass_fn[]){mt_pass_fuse_activation, mt_pass_fuse_residual}, (int[]){1, k < 2});
        g_assert_cmpint(pass_count(graph, "Add"), ==, k >= 2);
        if (k < 2) /* the sum's own function came along, and the node stands behind the producer of the other branch */
            g_assert_cmpint(mt_node_fused(graph->nodes->pdata[graph->nodes->len - 1])->n, ==, 2);
        pass_check_meaning(&m, "residual");
    }
}

/* A gated unit of two products: the later one takes the multiplication.  A gate over channels of a convolution does not. */
static void test_gated_product(void)
{
    for (int k = 0; k < 2; k++) {
        maker     m = maker_new(12, 14);
        mt_value *x = maker_input(&m, DIMS(2, 6, 5, 5)), *u, *v;
        g_autoptr(mt_graph) graph = NULL;

        u = k == 0 ? OP(&m, "MatMul", x, maker_constant(&m, 1, 0, DIMS(5, 7))) : conv(&m, x, 6, 6, true);
        v = k == 0 ? OP(&m, "MatMul", x, maker_constant(&m, 1, 0, DIMS(5, 7))) : conv(&m, x, 6, 6, true);
        graph = pass_rewrite(&m, OP(&m, "Mul", OP(&m, "Sigmoid", u), v), 2, (pass_fn[]){mt_pass_fuse_activation, mt_pass_fuse_residual},
                             (int[]){1, k == 0});
        g_assert_cmpint(pass_count(graph, "Mul"), ==, k);
        if (k == 0)
            g_assert_cmpint(mt_node_fused(graph->nodes->pdata[1])->posts[0].kind, ==, MT_POST_MUL);
        pass_check_meaning(&m, "gated product");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/passes/simplify", test_simplify);
    g_test_add_func("/passes/simplify-dropout", test_dropout);
    g_test_add_func("/passes/widen-half", test_widen_half);
    g_test_add_func("/passes/fold-pad", test_fold_pad);
    g_test_add_func("/passes/fold-pad-average", test_fold_pad_average);
    g_test_add_func("/passes/merge-equal", test_merge_equal);
    g_test_add_func("/passes/merge-equal-outputs", test_merge_equal_outputs);
    g_test_add_func("/passes/fold-batch-norm", test_fold_batch_norm);
    g_test_add_func("/passes/fold-batch-norm-exactly", test_fold_batch_norm_exactly);
    g_test_add_func("/passes/fuse-gelu", test_gelu);
    g_test_add_func("/passes/fuse-gate", test_gate);
    g_test_add_func("/passes/fuse-attention", test_attention);
    g_test_add_func("/passes/fuse-activation", test_activation);
    g_test_add_func("/passes/fuse-bias", test_bias);
    g_test_add_func("/passes/fuse-residual", test_residual);
    g_test_add_func("/passes/fuse-gated-product", test_gated_product);
    return g_test_run();
}
