/* Quantised graphs in int8: the passes that read them, and oneDNN's products of bytes against the reference operators, which take
 * every QuantizeLinear and DequantizeLinear at its word. */
#include "kernels/graph/fused.h"
#include "kernels/graph/passes.h"
#include "tests/kernels/graph_maker.h"

#include <string.h>

static mt_value *scalar(maker *m, mt_dtype type, double number)
{
    g_autoptr(mt_tensor) tensor = mt_tensor_new(type, 0, NULL, NULL);

    if (type == MT_F32)
        *(float *)tensor->data = (float)number;
    else
        *(uint8_t *)tensor->data = (uint8_t)(int)number;
    return mt_graph_add_constant(m->graph, NULL, tensor);
}

/* x through bytes and back. */
static mt_value *through_bytes(maker *m, mt_value *x, mt_dtype type, double scale, int zero)
{
    mt_value *bytes = OP(m, "QuantizeLinear", x, scalar(m, MT_F32, scale), scalar(m, type, zero));

    return OP(m, "DequantizeLinear", bytes, scalar(m, MT_F32, scale), scalar(m, type, zero));
}

/* int8 weights with a scale for each of the `axis`. */
static mt_value *weights(maker *m, int axis, int rank, const int64_t *shape)
{
    g_autoptr(mt_tensor) bytes = mt_tensor_new(MT_I8, rank, shape, NULL), scales = mt_tensor_new(MT_F32, 1, &shape[axis], NULL),
                         zeros = mt_tensor_new(MT_I8, 1, &shape[axis], NULL);
    mt_value *y;

    for (int64_t i = 0; i < mt_tensor_count(bytes); i++)
        ((int8_t *)bytes->data)[i] = (int8_t)g_rand_int_range(m->rand, -127, 128);
    for (int64_t i = 0; i < shape[axis]; i++)
        ((float *)scales->data)[i] = (float)g_rand_double_range(m->rand, 0.002, 0.01);
    memset(zeros->data, 0, mt_tensor_bytes(zeros));
    y = OP(m, "DequantizeLinear", mt_graph_add_constant(m->graph, NULL, bytes), mt_graph_add_constant(m->graph, NULL, scales),
           mt_graph_add_constant(m->graph, NULL, zeros));
    mt_node_set_int(maker_node(y), "axis", axis);
    return y;
}

static mt_value *conv(maker *m, mt_value *x, int64_t in, int64_t out, int64_t kernel, int64_t groups)
{
    mt_value *w = weights(m, 0, 4, (int64_t[]){out, in / groups, kernel, kernel});
    mt_value *y = OP(m, "Conv", x, w, maker_constant(m, 1, 0, DIMS(out)));
    int64_t   pad = kernel / 2;

    maker_ints(y, "pads", 4, (int64_t[]){pad, pad, pad, pad});
    mt_node_set_int(maker_node(y), "group", groups);
    return y;
}

/* int8 within `tolerance` of the reference, the same bits with two threads; float32 sessions keep to the letter. */
static void check(maker *m, const char *what, mt_value *y, double tolerance)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) model = NULL;
    g_autoptr(GPtrArray) inputs = NULL, wanted = NULL, plain = NULL, one = NULL, two = NULL;
    double e;

    mt_graph_mark_output(m->graph, y);
    model = maker_model(g_steal_pointer(&m->graph));
    g_assert_true(mt_model_is_quantized(model));
    inputs = maker_inputs(model, 5);
    wanted = maker_run(model, MT_BACKEND_REFERENCE, 1, inputs, &error);
    g_assert_no_error(error);
    plain = maker_run(model, MT_BACKEND_AUTO, 1, inputs, &error);
    g_assert_no_error(error);
    one = maker_run_in(model, MT_BACKEND_AUTO, MT_PRECISION_INT8, 1, inputs, &error);
    g_assert_no_error(error);
    two = maker_run_in(model, MT_BACKEND_AUTO, MT_PRECISION_INT8, 2, inputs, &error);
    g_assert_no_error(error);
    e = maker_error(plain->pdata[0], wanted->pdata[0]);
    if (!(e <= 1e-2)) /* a rounding that falls to the other side is a step */
        g_error("%s in float32: relative error %g", what, e);
    e = maker_error(one->pdata[0], wanted->pdata[0]);
    if (!(e <= tolerance))
        g_error("%s in int8: relative error %g", what, e);
    g_assert_cmpmem(((mt_tensor *)one->pdata[0])->data, mt_tensor_bytes(one->pdata[0]), ((mt_tensor *)two->pdata[0])->data,
                    mt_tensor_bytes(two->pdata[0]));
    maker_clear(m);
}

static void test_convolutions(void)
{
    for (guint32 seed = 0; seed < 24; seed++) {
        maker     m = maker_new(seed, 14);
        int       zero = seed % 3 == 0 ? 0 : 100, kernel = seed % 2 == 0 ? 1 : 3;
        int64_t   groups = seed % 5 == 4 ? 4 : 1, in = seed % 7 == 6 ? 3 * groups : 8, out = 4 * (1 + (int64_t)seed % 5);
        mt_value *x = maker_input(&m, DIMS(2, in, 9, 7)), *y;

        y = conv(&m, through_bytes(&m, x, seed % 4 == 3 ? MT_I8 : MT_U8, 0.01, zero), in, out, kernel, groups);
        if (seed % 3 < 2)
            y = seed % 2 == 0 ? OP(&m, "Relu", y) : OP(&m, "Sigmoid", y);
        if (seed % 4 < 3) { /* bytes again, pooled, read by another product */
            y = OP(&m, "MaxPool", through_bytes(&m, y, MT_U8, 0.02, zero));
            maker_ints(y, "kernel_shape", 2, (int64_t[]){2, 2});
            y = conv(&m, y, out, 5, 1, 1);
        }
        check(&m, "convolution", y, 1e-2);
    }
}

/* A residual block: both branches quantised, then their sum. */
static void test_residuals(void)
{
    for (guint32 seed = 0; seed < 8; seed++) {
        maker     m = maker_new(100 + seed, 14);
        int       zero = seed % 2 == 0 ? 0 : 90;
        mt_value *x = OP(&m, "Relu", maker_input(&m, DIMS(2, 8, 6, 6))), *r, *y, *z;

        x = through_bytes(&m, x, MT_U8, 0.004, 0);
        y = through_bytes(&m, OP(&m, "Relu", conv(&m, x, 8, 8, 3, 1)), MT_U8, 0.04, 0);
        y = through_bytes(&m, conv(&m, y, 8, 8, 1, 1), MT_U8, 0.1, 120);
        r = seed % 4 < 2 ? x : through_bytes(&m, conv(&m, x, 8, 8, 1, 1), MT_U8, 0.025, zero);
        z = through_bytes(&m, OP(&m, "Relu", OP(&m, "Add", y, r)), MT_U8, 0.1, 0);
        if (seed >= 4) /* the residual is read later too: no sum in place */
            z = OP(&m, "Add", conv(&m, z, 8, 8, 1, 1), r);
        check(&m, "residual", z, 5e-2); /* one rounding less */
    }
}

static void test_products(void)
{
    for (guint32 seed = 0; seed < 16; seed++) {
        maker     m = maker_new(200 + seed, 14);
        int64_t   k = 16 + seed, n = 8 + 3 * (int64_t)seed;
        mt_value *x = maker_input(&m, DIMS(2, 5, k)), *y, *b = maker_constant(&m, 1, 0, DIMS(n));

        y = through_bytes(&m, x, MT_U8, 0.008, 128);
        if (seed % 4 == 3) {
            y = OP(&m, "Gemm", OP(&m, "Reshape", y, maker_list(&m, 2, (int64_t[]){10, k})), weights(&m, 0, 2, (int64_t[]){n, k}), b);
            mt_node_set_int(maker_node(y), "transB", 1);
        } else {
            y = OP(&m, "Add", OP(&m, "MatMul", y, weights(&m, 1, 2, (int64_t[]){k, n})), b);
        }
        if (seed % 2 == 1)
            y = OP(&m, "Tanh", y);
        if (seed % 4 < 2)
            y = OP(&m, "MatMul", through_bytes(&m, y, MT_U8, 0.02, 110), weights(&m, 1, 2, (int64_t[]){n, 6}));
        if (seed % 4 == 2) /* a stream that stays float */
            y = OP(&m, "Add", y, OP(&m, "Exp", OP(&m, "MatMul", x, maker_constant(&m, 0.1, 0, DIMS(k, n)))));
        check(&m, "product", y, 1e-2);
    }
}

/* Weights that are no int8, or come per tensor, or have a zero point. */
static void test_other_weights(void)
{
    maker     m = maker_new(300, 14);
    mt_value *x = through_bytes(&m, maker_input(&m, DIMS(1, 4, 5, 5)), MT_U8, 0.008, 128);
    mt_value *w = through_bytes(&m, maker_constant(&m, 0.4, 0, DIMS(6, 4, 3, 3)), MT_U8, 0.004, 120);

    check(&m, "unsigned weights", OP(&m, "Conv", x, w), 1e-2);
    m = maker_new(301, 14);
    x = through_bytes(&m, maker_input(&m, DIMS(1, 4, 5, 5)), MT_U8, 0.008, 128);
    w = through_bytes(&m, maker_constant(&m, 0.4, 0, DIMS(6, 4, 3, 3)), MT_I8, 0.004, 0);
    check(&m, "one scale", OP(&m, "Conv", x, w), 1e-2);
}

static int count_op(const mt_graph *graph, const char *op)
{
    int n = 0;

    for (guint i = 0; i < graph->nodes->len; i++)
        n += strcmp(((const mt_node *)graph->nodes->pdata[i])->op, op) == 0;
    return n;
}

/* Pairs become one node; one goes between a product and the sum it takes, others stay. */
static void test_passes(void)
{
    g_autoptr(GError) error = NULL;
    maker     m = maker_new(400, 14);
    mt_value *x = through_bytes(&m, maker_input(&m, DIMS(1, 4, 5, 5)), MT_U8, 0.01, 0);
    mt_value *y = through_bytes(&m, OP(&m, "Relu", conv(&m, x, 4, 4, 3, 1)), MT_U8, 0.02, 0);
    mt_value *z = through_bytes(&m, conv(&m, y, 4, 4, 1, 1), MT_U8, 0.02, 100), *s = OP(&m, "Add", z, x);
    mt_value *other = OP(&m, "QuantizeLinear", s, scalar(&m, MT_F32, 0.5), scalar(&m, MT_U8, 3));

    mt_graph_mark_output(m.graph, s);
    mt_graph_mark_output(m.graph, other); /* bytes that leave the graph */
    g_assert_true(mt_graph_infer(m.graph, &error));
    g_assert_cmpint(mt_pass_read_quantised(m.graph, &error), ==, 3);
    g_assert_no_error(error);
    g_assert_cmpint(count_op(m.graph, "mt.Requantize"), ==, 2);
    g_assert_cmpint(count_op(m.graph, "QuantizeLinear"), ==, 1);
    g_assert_cmpint(count_op(m.graph, "DequantizeLinear"), ==, 2); /* of weights */
    g_assert_cmpint(mt_pass_fuse_activation(m.graph, &error), ==, 1);
    g_assert_cmpint(mt_pass_fuse_quantise(m.graph, &error), ==, 1); /* not of the input, which no product makes */
    g_assert_cmpint(count_op(m.graph, "mt.Requantize"), ==, 1);
    maker_clear(&m);
}

/* int8 of a float model is refused. */
static void test_refusal(void)
{
    g_autoptr(GError) error = NULL;
    maker m = maker_new(500, 14);
    g_autoptr(mt_model) model = NULL;
    g_autoptr(GPtrArray) inputs = NULL, none = NULL;

    mt_graph_mark_output(m.graph, OP(&m, "Relu", maker_input(&m, DIMS(2, 3))));
    model = maker_model(g_steal_pointer(&m.graph));
    inputs = maker_inputs(model, 1);
    none = maker_run_in(model, MT_BACKEND_AUTO, MT_PRECISION_INT8, 1, inputs, &error);
    g_assert_null(none);
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==,
                    "make a session in int8: the model has no QuantizeLinear nodes; `microtome model quantize` makes one that has");
    maker_clear(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/quantised/convolutions", test_convolutions);
    g_test_add_func("/quantised/residuals", test_residuals);
    g_test_add_func("/quantised/products", test_products);
    g_test_add_func("/quantised/other-weights", test_other_weights);
    g_test_add_func("/quantised/passes", test_passes);
    g_test_add_func("/quantised/refusal", test_refusal);
    return g_test_run();
}
