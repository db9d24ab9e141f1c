/* Sessions: oneDNN against the reference on small graphs of every family, over odd sizes; 1 thread against 2 bit for bit. */
#include "kernels/graph/model_from_graph.h"
#include "kernels/reference/operator.h"
#include "tests/kernels/graph_maker.h"

#include <string.h>

static int pick(maker *m, int low, int high)
{
    return g_rand_int_range(m->rand, low, high + 1);
}

static void set_windows(maker *m, mt_value *y, int n, bool dilated)
{
    int64_t strides[3], dilations[3], pads[6];

    for (int i = 0; i < n; i++) {
        strides[i] = pick(m, 1, 2);
        dilations[i] = dilated ? pick(m, 1, 2) : 1;
        pads[i] = pick(m, 0, 1);
        pads[n + i] = pick(m, 0, 1);
    }
    maker_ints(y, "strides", n, strides);
    maker_ints(y, "dilations", n, dilations);
    maker_ints(y, "pads", 2 * n, pads);
}

static void test_convolutions(void)
{
    for (guint32 seed = 0; seed < 48; seed++) {
        maker     m = maker_new(seed, 14);
        int       n = pick(&m, 1, 3), groups = seed % 4 == 0 ? 2 : seed % 4 == 1 ? 6 : 1, per_in = groups == 6 ? 1 : pick(&m, 1, 17);
        int64_t   out = groups * (groups == 6 ? 1 : pick(&m, 1, 19)), k = pick(&m, 1, 3);
        int64_t   x_shape[5] = {pick(&m, 1, 3), groups * per_in, pick(&m, 7, 13), pick(&m, 7, 13), pick(&m, 7, 13)};
        mt_value *x = maker_input(&m, n + 2, x_shape), *w = maker_constant(&m, 0.5, 0, n + 2, (int64_t[]){out, per_in, k, k, k});
        mt_value *y = seed % 3 == 0 ? OP(&m, "Conv", x, w) : OP(&m, "Conv", x, w, maker_constant(&m, 1, 0, DIMS(out)));

        mt_node_set_int(maker_node(y), "group", groups);
        set_windows(&m, y, n, true);
        CHECK(&m, "convolution", seed % 2 == 0 ? y : OP(&m, "Relu", y));
    }
}

static void test_transposed(void)
{
    for (guint32 seed = 0; seed < 16; seed++) {
        maker     m = maker_new(100 + seed, 14);
        int       n = pick(&m, 1, 3), groups = seed % 3 == 0 ? 2 : 1;
        int64_t   in = groups * pick(&m, 1, 9), per_out = pick(&m, 1, 17);
        int64_t   x_shape[5] = {2, in, pick(&m, 3, 7), pick(&m, 3, 7), pick(&m, 3, 7)};
        mt_value *x = maker_input(&m, n + 2, x_shape), *w = maker_constant(&m, 0.5, 0, n + 2, (int64_t[]){in, per_out, 3, 3, 3});
        mt_value *y = OP(&m, "ConvTranspose", x, w, maker_constant(&m, 1, 0, DIMS(groups * per_out)));

        mt_node_set_int(maker_node(y), "group", groups);
        set_windows(&m, y, n, false);
        if (seed % 4 == 1) {
            maker_ints(y, "strides", n, (int64_t[]){2, 2, 2});
            maker_ints(y, "output_padding", n, (int64_t[]){1, 1, 1});
        }
        CHECK(&m, "transposed convolution", OP(&m, "Sigmoid", y));
    }
}

/* Kernel and stride alike: products. */
static void test_patches(void)
{
    for (guint32 seed = 0; seed < 8; seed++) {
        maker     m = maker_new(160 + seed, 14);
        int       n = 2 + (int)seed % 2, in = pick(&m, 1, 20), out = pick(&m, 1, 20);
        int64_t   k[3] = {pick(&m, 1, 3), pick(&m, 1, 3), 2}, x_shape[5] = {2, in, pick(&m, 2, 5), pick(&m, 2, 5), pick(&m, 2, 5)};
        mt_value *x = OP(&m, "Relu", maker_input(&m, n + 2, x_shape));
        mt_value *w = maker_constant(&m, 0.5, 0, n + 2, (int64_t[]){in, out, k[0], k[1], k[2]});
        mt_value *y = seed < 4 ? OP(&m, "ConvTranspose", x, w) : OP(&m, "ConvTranspose", x, w, maker_constant(&m, 1, 0, DIMS(out)));

        maker_ints(y, "strides", n, k);
        CHECK(&m, "patches", seed % 4 < 2 ? OP(&m, "Add", OP(&m, "Sigmoid", y), y) : OP(&m, "LeakyRelu", y));
    }
}

static void test_pools(void)
{
    static const char *const ops[] = {"MaxPool", "AveragePool"};

    for (guint32 seed = 0; seed < 32; seed++) {
        maker     m = maker_new(200 + seed, 14);
        int       n = pick(&m, 1, 3);
        int64_t   shape[5] = {2, pick(&m, 1, 18), pick(&m, 7, 13), pick(&m, 7, 13), pick(&m, 7, 13)};
        mt_value *y = OP(&m, ops[seed % 2], maker_input(&m, n + 2, shape));

        maker_ints(y, "kernel_shape", n, (int64_t[]){3, 2, 3});
        set_windows(&m, y, n, false);
        mt_node_set_int(maker_node(y), "ceil_mode", seed / 2 % 2);
        if (seed % 2 == 1)
            mt_node_set_int(maker_node(y), "count_include_pad", seed / 4 % 2);
        CHECK(&m, ops[seed % 2], y, OP(&m, seed % 2 == 0 ? "GlobalAveragePool" : "GlobalMaxPool", y));
    }
}

static void test_products(void)
{
    static const struct {
        int     rank_a, rank_b;
        int64_t a[4], b[4];
    } shapes[] = {
        {2, 2, {5, 7}, {7, 3}},
        {3, 2, {2, 5, 7}, {7, 33}},
        {4, 2, {2, 3, 5, 7}, {7, 4}},
        {3, 3, {4, 5, 7}, {4, 7, 2}},
        {4, 3, {2, 4, 5, 7}, {4, 7, 2}},
        {2, 3, {5, 7}, {4, 7, 2}},
        {4, 4, {2, 1, 5, 7}, {1, 3, 7, 6}},
        {3, 2, {1, 1, 64}, {64, 48}},
        {1, 2, {7}, {7, 3}},
        {2, 1, {5, 7}, {7}},
    };

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(shapes); i++) {
        size_t    k = i / 2;
        maker     m = maker_new(300 + (guint32)i, 14);
        mt_value *a = maker_input(&m, shapes[k].rank_a, shapes[k].a);
        mt_value *b = i % 2 == 0 ? maker_constant(&m, 1, 0, shapes[k].rank_b, shapes[k].b) : maker_input(&m, shapes[k].rank_b, shapes[k].b);
        mt_value *y = OP(&m, "MatMul", a, b);
        int64_t   width = shapes[k].rank_b == 1 ? 1 : shapes[k].b[shapes[k].rank_b - 1];

        if (i % 2 == 0 && shapes[k].rank_b > 1)
            y = OP(&m, "Tanh", OP(&m, "Add", maker_constant(&m, 1, 0, DIMS(width)), y));
        CHECK(&m, "product", y);
    }
}

static void test_gemm(void)
{
    for (guint32 i = 0; i < 32; i++) {
        maker     m = maker_new(400 + i, 14);
        int64_t   rows = 6, k = 10, n = 5, a[2] = {rows, k}, b[2] = {k, n}, at[2] = {k, rows}, bt[2] = {n, k};
        mt_value *x = maker_input(&m, 2, i & 1 ? at : a), *w = maker_constant(&m, 1, 0, 2, i & 2 ? bt : b), *c, *y;

        c = i / 4 % 4 == 0   ? maker_constant(&m, 1, 0, DIMS(n))
            : i / 4 % 4 == 1 ? maker_constant(&m, 1, 0, DIMS(rows, 1))
            : i / 4 % 4 == 2 ? maker_input(&m, DIMS(rows, n))
                             : NULL;
        y = c == NULL ? OP(&m, "Gemm", x, w) : OP(&m, "Gemm", x, w, c);
        mt_node_set_int(maker_node(y), "transA", (i & 1) != 0);
        mt_node_set_int(maker_node(y), "transB", (i & 2) != 0);
        if (i >= 16)
            mt_node_set_float(maker_node(y), "alpha", 0.5);
        CHECK(&m, "gemm", OP(&m, "LeakyRelu", y));
    }
}

/* The end of a residual block: the sum may go in place only when nobody reads the other branch later. */
static void test_residuals(void)
{
    for (guint32 i = 0; i < 24; i++) {
        maker     m = maker_new(500 + i, 14);
        int64_t   c = i % 3 == 0 ? 16 : 7;
        mt_value *x = maker_input(&m, DIMS(2, c, 9, 9)), *w = maker_constant(&m, 0.3, 0, DIMS(c, c, 1, 1));
        mt_value *v = maker_constant(&m, 0.3, 0, DIMS(c, c, 1, 1)), *r, *y;

        r = i % 2 == 0 ? OP(&m, "Relu", x) : OP(&m, "Conv", x, v);
        y = OP(&m, "Conv", r, w); /* reads r and adds to r: must not be in place */
        if (i / 2 % 3 == 1)
            y = OP(&m, "Conv", OP(&m, "Relu", y), v); /* r dies at the sum */
        y = i / 6 % 2 == 0 ? OP(&m, "Add", y, r) : OP(&m, "Add", r, y);
        y = OP(&m, "Relu", y);
        if (i / 2 % 3 == 2)
            y = OP(&m, "Mul", y, r); /* r lives on */
        if (i / 12 == 1)
            CHECK(&m, "residual", y, r);
        else
            CHECK(&m, "residual", y);
    }
}

static void test_residual_products(void)
{
    for (guint32 i = 0; i < 4; i++) {
        maker     m = maker_new(530 + i, 14);
        mt_value *x = maker_input(&m, DIMS(3, 5, 16)), *w = maker_constant(&m, 0.3, 0, DIMS(16, 16));
        mt_value *r = OP(&m, "Tanh", x), *t = i % 2 == 0 ? r : OP(&m, "Transpose", r), *y;

        if (i % 2 == 1)
            maker_ints(t, "perm", 3, (int64_t[]){1, 0, 2});
        y = OP(&m, "Add", maker_constant(&m, 1, 0, DIMS(16)), OP(&m, "MatMul", OP(&m, "Sigmoid", t), w));
        y = OP(&m, "Add", t, y);
        if (i / 2 == 1)
            CHECK(&m, "residual product", y, r);
        else
            CHECK(&m, "residual product", y);
    }
}

static void test_norms(void)
{
    for (guint32 i = 0; i < 8; i++) {
        maker     m = maker_new(600 + i, 17);
        mt_value *x = maker_input(&m, DIMS(3, 5, 7, 9)), *y, *z;
        int64_t   axis = i % 3 - 2;

        y = OP(&m, "BatchNormalization", x, maker_constant(&m, 1, 0, DIMS(5)), maker_constant(&m, 1, 0, DIMS(5)),
               maker_constant(&m, 1, 0, DIMS(5)), maker_constant(&m, 0.5, 1, DIMS(5)));
        y = i % 2 == 0 ? OP(&m, "Relu", y) : y;
        axis = axis >= 0 ? -1 : axis;
        z = axis == -1 ? OP(&m, "LayerNormalization", x, maker_constant(&m, 1, 0, DIMS(9)), maker_constant(&m, 1, 0, DIMS(9)))
                       : OP(&m, "LayerNormalization", x, maker_constant(&m, 1, 0, DIMS(7, 9)));
        mt_node_set_int(maker_node(z), "axis", axis);
        CHECK(&m, "norms", y, z);
    }
}

static void test_softmax(void)
{
    for (guint32 i = 0; i < 16; i++) {
        maker     m = maker_new(700 + i, i < 8 ? 13 : 11);
        mt_value *x = maker_input(&m, DIMS(3, 5, 2, 17)), *y = OP(&m, i % 2 == 0 ? "Softmax" : "LogSoftmax", x);

        mt_node_set_int(maker_node(y), "axis", (int64_t)(i / 2 % 4) - (i % 2 == 0 ? 0 : 4));
        CHECK(&m, "softmax", y);
    }
}

/* Concatenation of what convolutions left in their own layouts, along each axis, then used by another. */
static void test_concat(void)
{
    for (guint32 i = 0; i < 12; i++) {
        maker     m = maker_new(800 + i, 14);
        int64_t   c = i % 2 == 0 ? 16 : 5, axis = i / 2 % 3 + 1;
        mt_value *x = maker_input(&m, DIMS(2, 3, 8, 8)), *a, *b, *y;

        a = OP(&m, "Conv", x, maker_constant(&m, 0.5, 0, DIMS(c, 3, 3, 3)));
        b = OP(&m, "Conv", x, maker_constant(&m, 0.5, 0, DIMS(c, 3, 3, 3)));
        y = OP(&m, "Concat", a, b, i % 3 == 0 ? a : OP(&m, "MaxPool", b));
        if (i % 3 != 0) {
            maker_ints(mt_node_input(maker_node(y), 2), "kernel_shape", 2, (int64_t[]){3, 3});
            maker_ints(mt_node_input(maker_node(y), 2), "pads", 4, (int64_t[]){1, 1, 1, 1});
        }
        mt_node_set_int(maker_node(y), "axis", axis);
        if (axis == 1)
            y = OP(&m, "Conv", y, maker_constant(&m, 0.5, 0, DIMS(4, 3 * c, 1, 1)));
        CHECK(&m, "concat", y, a);
    }
}

/* A joined tensor that only a batch norm reads never exists; one that others read too does. */
static void test_joined_norms(void)
{
    for (guint32 seed = 0; seed < 12; seed++) {
        maker     m = maker_new(850 + seed, 14);
        int       n = seed % 6 == 5 ? 3 : 2, channels[3] = {pick(&m, 1, 40), pick(&m, 1, 40), pick(&m, 1, 40)};
        int64_t   all = channels[0] + channels[1] + channels[2], x_shape[5] = {2, 5, pick(&m, 3, 9), pick(&m, 3, 9), 4};
        mt_value *x = maker_input(&m, n + 2, x_shape), *parts[3], *joined, *y;

        for (int i = 0; i < 3; i++)
            parts[i] = OP(&m, "Conv", x, maker_constant(&m, 1, 0, n + 2, (int64_t[]){channels[i], 5, 1, 1, 1}));
        if (seed % 4 == 3) /* part of a tensor */
            parts[1] = OP(&m, "Slice", parts[1], maker_list(&m, 1, (int64_t[]){0}), maker_list(&m, 1, (int64_t[]){channels[1]}),
                          maker_list(&m, 1, (int64_t[]){1}));
        joined = OP(&m, "Concat", parts[0], parts[1], parts[2]);
        mt_node_set_int(maker_node(joined), "axis", 1);
        y = OP(&m, "BatchNormalization", joined, maker_constant(&m, 1, 0, DIMS(all)), maker_constant(&m, 1, 0, DIMS(all)),
               maker_constant(&m, 1, 0, DIMS(all)), maker_constant(&m, 0.5, 1, DIMS(all)));
        y = seed % 2 == 0 ? OP(&m, "Relu", y) : y;
        if (seed % 3 == 2)
            CHECK(&m, "joined norm", y, OP(&m, "Sigmoid", joined));
        else
            CHECK(&m, "joined norm", OP(&m, "Conv", y, maker_constant(&m, 1, 0, n + 2, (int64_t[]){3, all, 1, 1, 1})));
    }
}

static void test_broadcasts(void)
{
    static const struct {
        int     rank;
        int64_t b[4];
    } shapes[] = {{4, {2, 5, 6, 7}}, {4, {1, 5, 1, 1}}, {4, {2, 5, 1, 1}}, {3, {5, 6, 1}},   {1, {7}},
                  {1, {1}},          {0, {0}},          {4, {2, 1, 1, 7}}, {4, {1, 1, 6, 7}}};
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};

    for (size_t i = 0; i < G_N_ELEMENTS(shapes) * G_N_ELEMENTS(ops); i++) {
        size_t      k = i / G_N_ELEMENTS(ops);
        maker       m = maker_new(900 + (guint32)i, 14);
        mt_value   *x = OP(&m, "Conv", maker_input(&m, DIMS(2, 3, 6, 7)), maker_constant(&m, 1, 0, DIMS(5, 3, 1, 1)));
        mt_value   *b = i % 2 == 0 ? maker_input(&m, shapes[k].rank, shapes[k].b) : maker_constant(&m, 1, 3, shapes[k].rank, shapes[k].b);
        const char *op = ops[i % G_N_ELEMENTS(ops)];
        mt_value   *y = OP(&m, op, x, OP(&m, "Exp", b)), *z = OP(&m, op, OP(&m, "Exp", b), OP(&m, "Exp", x));

        CHECK(&m, op, OP(&m, "Relu", y), z);
    }
}

static void test_functions(void)
{
    static const char *const ops[] = {"Relu",     "Sigmoid", "Tanh", "Elu",  "LeakyRelu", "HardSigmoid", "HardSwish",
                                      "Softplus", "Exp",     "Abs",  "Sqrt", "Selu",      "Neg"};

    for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
        maker     m = maker_new(1000 + (guint32)i, 14);
        mt_value *x = OP(&m, "Add", maker_input(&m, DIMS(2, 5, 7)), maker_number(&m, 1.5));
        mt_value *y = OP(&m, "Conv", x, maker_constant(&m, 1, 0.8, DIMS(4, 5, 1))), *z, *six = maker_number(&m, 6),
                 *zero = maker_number(&m, 0);

        y = OP(&m, ops[i], OP(&m, "Abs", y));
        z = OP(&m, "Clip", OP(&m, ops[i], x), zero, six);
        CHECK(&m, ops[i], y, z);
    }
}

static void test_reductions(void)
{
    static const char *const ops[] = {"ReduceMean", "ReduceMax", "ReduceMin"};
    static const struct {
        int     n;
        int64_t axes[3];
    } cases[] = {{2, {2, 3}}, {1, {-1}}, {1, {1}}, {2, {0, 1}}, {2, {1, 3}}, {1, {0}}, {3, {1, 2, 3}}};

    for (size_t i = 0; i < 3 * 2 * G_N_ELEMENTS(cases); i++) {
        maker     m = maker_new(1100 + (guint32)i, 14);
        mt_value *x = OP(&m, "Conv", maker_input(&m, DIMS(2, 3, 6, 7)), maker_constant(&m, 1, 0.5, DIMS(300, 3, 1, 1)));
        mt_value *y = OP(&m, ops[i % 3], x);

        maker_ints(y, "axes", cases[i / 6].n, cases[i / 6].axes);
        mt_node_set_int(maker_node(y), "keepdims", i / 3 % 2);
        CHECK(&m, ops[i % 3], OP(&m, "Tanh", y));
    }
}

/* Attention as torch.nn.MultiheadAttention exports it: (L, N, D), one product for q, k and v, heads folded into the batch. */
static void test_attention(void)
{
    for (guint32 i = 0; i < 8; i++) {
        int64_t   l = i % 2 == 0 ? 7 : 300, n = 2, h = 3, d = 8, w = h * d;
        maker     m = maker_new(1200 + i, 13);
        mt_value *x = maker_input(&m, DIMS(n, l, w)), *t = OP(&m, "Transpose", x), *qkv, *part[3], *y;

        maker_ints(t, "perm", 3, (int64_t[]){1, 0, 2});
        qkv = OP(&m, "Add", maker_constant(&m, 1, 0, DIMS(3 * w)), OP(&m, "MatMul", t, maker_constant(&m, 0.4, 0, DIMS(w, 3 * w))));
        for (int k = 0; k < 3; k++) {
            part[k] = OP(&m, "Slice", qkv, maker_list(&m, 1, (int64_t[]){k * w}), maker_list(&m, 1, (int64_t[]){(k + 1) * w}),
                         maker_list(&m, 1, (int64_t[]){2}));
            part[k] = OP(&m, "Reshape", part[k], maker_list(&m, 3, (int64_t[]){l, n * h, d}));
            part[k] = OP(&m, "Transpose", part[k]);
            maker_ints(part[k], "perm", 3, k == 1 ? (int64_t[]){1, 2, 0} : (int64_t[]){1, 0, 2});
        }
        y = i / 2 % 2 == 0 ? OP(&m, "MatMul", OP(&m, "Div", part[0], maker_number(&m, 2.8)), part[1])
                           : OP(&m, "Mul", OP(&m, "MatMul", part[0], part[1]), maker_number(&m, 0.35));
        if (i / 4 == 1)
            y = OP(&m, "Add", y, maker_constant(&m, 1, 0, DIMS(1, l, l)));
        y = OP(&m, "Softmax", y);
        mt_node_set_int(maker_node(y), "axis", -1);
        y = OP(&m, "Transpose", OP(&m, "MatMul", y, part[2]));
        maker_ints(y, "perm", 3, (int64_t[]){1, 0, 2});
        y = OP(&m, "Gemm", OP(&m, "Reshape", y, maker_list(&m, 2, (int64_t[]){l * n, w})), maker_constant(&m, 0.4, 0, DIMS(w, w)));
        y = OP(&m, "Transpose", OP(&m, "Reshape", y, maker_list(&m, 3, (int64_t[]){l, n, w})));
        maker_ints(y, "perm", 3, (int64_t[]){1, 0, 2});
        CHECK(&m, "attention", OP(&m, "Add", y, x));
    }
}

/* Views of views, and readers that want them whole. */
static void test_views(void)
{
    for (guint32 i = 0; i < 40; i++) {
        maker     m = maker_new(1300 + i, 13);
        int64_t   shape[4] = {4, 6, 5, 8}, perm[4] = {0, 1, 2, 3}, regroup[3], count = 4 * 6 * 5 * 8;
        mt_value *x = OP(&m, "Sigmoid", maker_input(&m, 4, shape)), *y = x, *z;

        for (int k = 3; k > 0; k--) {
            int     other = pick(&m, 0, k);
            int64_t t = perm[k];
            perm[k] = perm[other];
            perm[other] = t;
        }
        if (i % 2 == 0)
            y = OP(&m, "Conv", x, maker_constant(&m, 1, 0, DIMS(6, 6, 1, 1)));
        y = OP(&m, "Transpose", y);
        maker_ints(y, "perm", 4, perm);
        regroup[0] = i % 3 == 0 ? 4 : 8;
        regroup[1] = i % 5 == 0 ? 10 : 12;
        regroup[2] = count / regroup[0] / regroup[1];
        z = OP(&m, "Reshape", y, maker_list(&m, 3, regroup));
        z = OP(&m, "Slice", z, maker_list(&m, 1, (int64_t[]){1}), maker_list(&m, 1, (int64_t[]){7}), maker_list(&m, 1, (int64_t[]){1}),
               maker_list(&m, 1, (int64_t[]){pick(&m, 1, 2)}));
        y = OP(&m, "Gather", y, maker_list(&m, 1, (int64_t[]){-1}));
        mt_node_set_int(maker_node(y), "axis", 1);
        CHECK(&m, "views", OP(&m, "Exp", z), y, OP(&m, "Mul", z, z));
    }
}

static void test_resize(void)
{
    static const struct {
        const char *mode, *where, *nearest;
        int64_t     height, width;
    } cases[] = {
        {"nearest", "asymmetric", "floor", 10, 14},  {"nearest", "half_pixel", "round_prefer_floor", 15, 7},
        {"nearest", "half_pixel", "floor", 9, 7},    {"linear", "half_pixel", "", 10, 14},
        {"linear", "half_pixel", "", 7, 5},          {"linear", "align_corners", "", 9, 11},
        {"linear", "pytorch_half_pixel", "", 10, 3}, {"nearest", "align_corners", "ceil", 11, 13},
    };

    if (mt_operator_find("Resize") == NULL) {
        g_test_skip("Resize is not there");
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        maker     m = maker_new(1400 + (guint32)i, 13);
        mt_value *x = OP(&m, "Conv", maker_input(&m, DIMS(2, 3, 5, 7)), maker_constant(&m, 1, 0, DIMS(6, 3, 1, 1)));
        mt_value *y = OP(&m, "Resize", x, NULL, NULL, maker_list(&m, 4, (int64_t[]){2, 6, cases[i].height, cases[i].width}));

        mt_node_set_string(maker_node(y), "mode", cases[i].mode);
        mt_node_set_string(maker_node(y), "coordinate_transformation_mode", cases[i].where);
        if (cases[i].nearest[0] != 0)
            mt_node_set_string(maker_node(y), "nearest_mode", cases[i].nearest);
        CHECK(&m, "resize", y);
    }
}

/* Outputs that nobody computes: an input, a constant, a view of an input, one value twice. */
static void test_odd_outputs(void)
{
    maker     m = maker_new(1500, 13);
    mt_value *x = maker_input(&m, DIMS(2, 3)), *c = maker_constant(&m, 1, 0, DIMS(4)), *t = OP(&m, "Transpose", x), *y = OP(&m, "Relu", t);

    CHECK(&m, "odd outputs", OP(&m, "Identity", x), OP(&m, "Identity", c), t, y, y, OP(&m, "Relu", OP(&m, "Identity", c)));
}

static mt_model *small_model(void)
{
    maker     m = maker_new(1, 14);
    mt_value *x = mt_graph_add_input(m.graph, "pixels", MT_F32, 4, (int64_t[]){-1, 3, 8, 8});
    mt_value *y = OP(&m, "Relu", OP(&m, "Conv", x, maker_constant(&m, 1, 0, DIMS(16, 3, 3, 3))));
    mt_model *model;

    mt_graph_mark_output(m.graph, y);
    model = mt_model_new_from_graph(g_steal_pointer(&m.graph), "small", NULL);
    maker_clear(&m);
    return model;
}

static void test_queries(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) model = small_model();
    mt_port           port = {.dtype = MT_F32, .rank = 4, .shape = {2, 3, 8, 8}};
    mt_session_params params = {.threads = 1, .inputs = &port, .n_inputs = 1, .profile = true};
    g_autoptr(mt_session) session = mt_session_new(model, &params, &error);
    g_autofree float *x = g_new0(float, 2 * 3 * 8 * 8), *y = g_new0(float, 2 * 16 * 6 * 6);
    g_autofree char  *profile = NULL;

    g_assert_no_error(error);
    g_assert_cmpfloat(mt_session_flop(session), ==, 2.0 * 2 * 16 * 6 * 6 * 3 * 3 * 3);
    g_assert_cmpuint(mt_session_bytes(session), >=, 2 * 16 * 6 * 6 * sizeof(float));
    g_assert_cmpint(mt_session_output(session, 0)->shape[0], ==, 2);
    g_assert_cmpint(mt_session_output(session, 0)->shape[2], ==, 6);
    g_assert_null(mt_session_output(session, 1));
    g_assert_true(mt_session_run(session, (const void *[]){x}, (void *[]){NULL}, &error));
    g_assert_true(mt_session_run(session, (const void *[]){x}, (void *[]){y}, &error));
    profile = mt_session_profile(session);
    g_assert_nonnull(strstr(profile, "mt.Conv"));
}

static void expect(mt_model *model, const mt_session_params *params, mt_error code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_session) session = mt_session_new(model, params, &error);

    g_assert_null(session);
    g_assert_error(error, MT_ERROR, (gint)code);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_errors(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) model = small_model();
    mt_port           port = {.dtype = MT_F32, .rank = 4, .shape = {2, 3, 8, 8}};
    mt_session_params params = {.inputs = &port, .n_inputs = 1};
    g_autoptr(mt_session) session = NULL;

    expect(model, &params, MT_ERROR_RANGE, "make a session: threads is 0, at least 1 is needed");
    params.threads = 1;
    params.n_inputs = 0;
    expect(model, &params, MT_ERROR_RANGE, "make a session: shapes of 0 inputs were given, the model has 1");
    params.n_inputs = 1;
    port.dtype = MT_U8;
    expect(model, &params, MT_ERROR_MODEL, "bind input 'pixels': the model wants float32, uint8 was given");
    port.dtype = MT_F32;
    port.shape[1] = 4;
    expect(model, &params, MT_ERROR_MODEL, "bind input 'pixels': the model wants ?x3x8x8, 2x4x8x8 was given");
    port.shape[1] = 3;
    session = mt_session_new(model, &params, &error);
    g_assert_no_error(error);
    g_assert_false(mt_session_run(session, (const void *[]){NULL}, (void *[]){NULL}, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "run the model: input 'pixels' is missing");
    g_assert_null(mt_session_profile(session));
}

/* Reshape by an input, and NonZero: their shapes follow from elements, which the session is given and held to. */
static void test_values(void)
{
    static const mt_backend backends[] = {MT_BACKEND_REFERENCE, MT_BACKEND_AUTO};
    maker                   m = maker_new(3, 13);
    int64_t                 open[] = {-1}, four[] = {4};
    mt_value               *x = mt_graph_add_input(m.graph, "x", MT_F32, 1, open);
    mt_value               *shape = mt_graph_add_input(m.graph, "shape", MT_I64, 1, open);
    mt_value               *y = OP(&m, "Reshape", OP(&m, "Relu", x), shape), *found = OP(&m, "NonZero", x);
    const float             data[] = {-1, 0, 2, 3}, other[] = {0, 0, 0, 1};
    int64_t                 wanted[] = {2, 2}, places[3];
    float                   relu[4];

    mt_graph_mark_output(m.graph, y);
    mt_graph_mark_output(m.graph, found);
    g_autoptr(mt_model) model = maker_model(g_steal_pointer(&m.graph));
    maker_clear(&m);
    g_autoptr(mt_tensor) a = mt_tensor_new_view(MT_F32, 1, four, (void *)data, NULL), b = NULL;
    b = mt_tensor_new_view(MT_I64, 1, (int64_t[]){2}, wanted, NULL);
    mt_port           ports[] = {{.dtype = MT_F32, .rank = 1, .shape = {4}}, {.dtype = MT_I64, .rank = 1, .shape = {2}}};
    const mt_tensor  *values[] = {a, b};
    mt_session_params params = {.threads = 1, .inputs = ports, .n_inputs = 2};

    expect(model, &params, MT_ERROR_MODEL,
           "node mt.Reshape.3 (Reshape, opset 13): the shape of its output depends on data; only shapes that follow from the inputs' are "
           "supported");
    params.values = values;
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++) {
        g_autoptr(GError) error = NULL;

        params.backend = backends[i];
        g_autoptr(mt_session) session = mt_session_new(model, &params, &error);
        g_assert_no_error(error);
        g_assert_cmpint(mt_session_output(session, 0)->rank, ==, 2);
        g_assert_cmpint(mt_session_output(session, 1)->shape[1], ==, 3);
        g_assert_true(mt_session_run(session, (const void *[]){data, wanted}, (void *[]){relu, places}, &error));
        g_assert_cmpfloat(relu[0], ==, 0);
        g_assert_cmpfloat(relu[3], ==, 3);
        g_assert_cmpint(places[1], ==, 2);
        g_assert_false(mt_session_run(session, (const void *[]){other, wanted}, (void *[]){relu, places}, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
        g_assert_cmpstr(error->message, ==,
                        "run the model: input 'x' is not the one that the session's shapes follow from; make a session for it");
    }
}

/* A team of threads, each with a session of its own over one model, gives what a lone session gives. */
static void test_team(void)
{
    g_autoptr(mt_model) model = small_model();
    g_autoptr(mt_tensor) x = mt_tensor_new(MT_F32, 4, (int64_t[]){2, 3, 8, 8}, NULL);
    g_autoptr(GPtrArray) inputs = g_ptr_array_new(), lone;
    int differing = 0;

    for (int64_t i = 0; i < mt_tensor_count(x); i++)
        ((float *)x->data)[i] = (float)(i % 13) - 6;
    g_ptr_array_add(inputs, x);
    lone = maker_run(model, MT_BACKEND_AUTO, 1, inputs, NULL);
#pragma omp parallel for num_threads(4) reduction(+ : differing)
    for (int t = 0; t < 8; t++) {
        g_autoptr(GPtrArray) mine = maker_run(model, MT_BACKEND_AUTO, 1, inputs, NULL);
        const mt_tensor *a = mine->pdata[0], *b = lone->pdata[0];

        differing += memcmp(a->data, b->data, mt_tensor_bytes(a)) != 0;
    }
    g_assert_cmpint(differing, ==, 0);
}

/* The same function twice with other parameters behind one product: oneDNN would compute both with the first's. */
static void test_function_twice(void)
{
    for (int k = 0; k < 24; k++) {
        maker     m = maker_new((guint32)(700 + k), 13);
        mt_value *x = maker_input(&m, DIMS(1, 8, 12, 12)), *y = NULL;

        if (k % 4 == 0)
            y = OP(&m, "Conv", x, maker_constant(&m, 1, 0, DIMS(8, 8, 1, 1)));
        else if (k % 4 == 1)
            y = OP(&m, "MatMul", x, maker_constant(&m, 1, 0, DIMS(12, 12)));
        else if (k % 4 == 2)
            y = OP(&m, "Mul", x, x);
        else
            y = OP(&m, "Add", OP(&m, "LeakyRelu", OP(&m, "Conv", x, maker_constant(&m, 1, 0, DIMS(8, 8, 1, 1)))), x);
        if (k / 4 == 0)
            y = OP(&m, "Mul", OP(&m, "Exp", OP(&m, "Neg", OP(&m, "Tanh", y))), maker_number(&m, 1.128));
        else if (k / 4 == 1)
            y = OP(&m, "Sub", OP(&m, "Mul", y, maker_number(&m, 2)), maker_number(&m, 1));
        else if (k / 4 == 2)
            y = OP(&m, "Clip", OP(&m, "Tanh", OP(&m, "Clip", y, maker_number(&m, -0.5), maker_number(&m, 2))), maker_number(&m, -0.2), maker_number(&m, 0.7));
        else if (k / 4 == 3) {
            y = OP(&m, "LeakyRelu", OP(&m, "Tanh", OP(&m, "LeakyRelu", y)));
            mt_node_set_float(maker_node(y), "alpha", 0.7);
        } else if (k / 4 == 4) {
            y = OP(&m, "Elu", OP(&m, "Elu", y));
            mt_node_set_float(maker_node(y), "alpha", 0.3);
        } else
            y = OP(&m, "Relu", OP(&m, "Neg", OP(&m, "Relu", OP(&m, "Neg", y))));
        CHECK(&m, "a function twice", y);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/session/convolutions", test_convolutions);
    g_test_add_func("/session/transposed", test_transposed);
    g_test_add_func("/session/patches", test_patches);
    g_test_add_func("/session/pools", test_pools);
    g_test_add_func("/session/products", test_products);
    g_test_add_func("/session/gemm", test_gemm);
    g_test_add_func("/session/residuals", test_residuals);
    g_test_add_func("/session/residual-products", test_residual_products);
    g_test_add_func("/session/norms", test_norms);
    g_test_add_func("/session/softmax", test_softmax);
    g_test_add_func("/session/concat", test_concat);
    g_test_add_func("/session/joined-norms", test_joined_norms);
    g_test_add_func("/session/broadcasts", test_broadcasts);
    g_test_add_func("/session/functions", test_functions);
    g_test_add_func("/session/function-twice", test_function_twice);
    g_test_add_func("/session/reductions", test_reductions);
    g_test_add_func("/session/attention", test_attention);
    g_test_add_func("/session/views", test_views);
    g_test_add_func("/session/resize", test_resize);
    g_test_add_func("/session/odd-outputs", test_odd_outputs);
    g_test_add_func("/session/queries", test_queries);
    g_test_add_func("/session/errors", test_errors);
    g_test_add_func("/session/values", test_values);
    g_test_add_func("/session/team", test_team);
    return g_test_run();
}
