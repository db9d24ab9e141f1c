/* Gradients against central differences in double, and against PyTorch's in float64 (gradient_expected.py). */
#include "kernels/graph/gradient.h"
#include "tests/kernels/double_run.h"
#include "tests/kernels/gradient_expected.h"
#include "tests/kernels/graph_maker.h"

#include <math.h>
#include <string.h>

#define STEP 1e-5
#define TOLERANCE 1e-5

static mt_tensor *random_doubles(GRand *rand, double low, double high, const mt_value *like)
{
    mt_tensor *tensor = mt_tensor_new(MT_F64, like->rank, like->shape, NULL);

    for (int64_t i = 0; i < mt_tensor_count(tensor); i++)
        ((double *)tensor->data)[i] = g_rand_double_range(rand, low, high);
    return tensor;
}

/* The graph's gradient by all of its inputs, and random numbers for what goes in. */
typedef struct checked {
    mt_graph    *graph;
    mt_gradient *gradient;
    mt_tensor   *inputs[16], *seeds[4];
} checked;

static checked checked_new(maker *m, double low, double high, int n_outputs, mt_value *const *outputs)
{
    g_autoptr(GError) error = NULL;
    checked c = {.graph = m->graph};

    for (int i = 0; i < n_outputs; i++)
        mt_graph_mark_output(c.graph, outputs[i]);
    mt_graph_infer(c.graph, &error);
    g_assert_no_error(error);
    c.gradient = mt_gradient_new(c.graph, (mt_value *const *)c.graph->inputs->pdata, (int)c.graph->inputs->len, &error);
    g_assert_no_error(error);
    mt_graph_infer(c.gradient->graph, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < c.graph->inputs->len; i++)
        c.inputs[i] = random_doubles(m->rand, low, high, c.graph->inputs->pdata[i]);
    for (int i = 0; i < n_outputs; i++)
        c.seeds[i] = random_doubles(m->rand, 0.5, 1.5, outputs[i]);
    return c;
}

static void checked_clear(checked *c)
{
    for (int i = 0; i < 16; i++)
        g_clear_pointer(&c->inputs[i], mt_tensor_unref);
    for (int i = 0; i < 4; i++)
        g_clear_pointer(&c->seeds[i], mt_tensor_unref);
    mt_gradient_free(c->gradient);
}

/* Sum of seed times output. */
static double loss_of(const checked *c)
{
    g_autoptr(GHashTable) values = double_run(c->graph, c->inputs);
    double sum = 0;

    for (guint i = 0; i < c->graph->outputs->len; i++) {
        const mt_tensor *y = g_hash_table_lookup(values, c->graph->outputs->pdata[i]);
        for (int64_t k = 0; k < mt_tensor_count(y); k++)
            sum += ((const double *)y->data)[k] * ((const double *)c->seeds[i]->data)[k];
    }
    return sum;
}

/* One tensor for each input, from the gradient's graph. */
static GPtrArray *gradients_of(const checked *c)
{
    g_autoptr(GHashTable) there = double_run(c->graph, c->inputs);
    g_autoptr(GPtrArray) fed = g_ptr_array_new();
    GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    for (guint i = 0; i < c->graph->outputs->len; i++)
        g_ptr_array_add(fed, c->seeds[i]);
    for (guint i = 0; i < c->gradient->saved->len; i++)
        g_ptr_array_add(fed, g_hash_table_lookup(there, c->gradient->saved->pdata[i]));
    g_autoptr(GHashTable) back = double_run(c->gradient->graph, (mt_tensor *const *)fed->pdata);
    for (guint i = 0; i < c->gradient->graph->outputs->len; i++)
        g_ptr_array_add(found, mt_tensor_ref(g_hash_table_lookup(back, c->gradient->graph->outputs->pdata[i])));
    return found;
}

static double difference(checked *c, int input, int64_t element)
{
    double *x = (double *)c->inputs[input]->data + element, kept = *x, above, below;

    *x = kept + STEP;
    above = loss_of(c);
    *x = kept - STEP;
    below = loss_of(c);
    *x = kept;
    return (above - below) / (2 * STEP);
}

static void compare(checked *c, const char *what)
{
    g_autoptr(GPtrArray) found = gradients_of(c);

    for (guint i = 0; i < c->graph->inputs->len; i++) {
        const mt_tensor *gradient = found->pdata[i];
        double           off = 0, size = 0;

        g_assert_cmpint(mt_tensor_count(gradient), ==, mt_tensor_count(c->inputs[i]));
        for (int64_t k = 0; k < mt_tensor_count(gradient); k++) {
            double wanted = difference(c, (int)i, k), given = ((const double *)gradient->data)[k];
            off += (given - wanted) * (given - wanted);
            size += wanted * wanted;
        }
        if (!(sqrt(off) <= TOLERANCE * MAX(sqrt(size), 1e-3)))
            g_error("%s: input %u: off by %g of %g", what, i, sqrt(off), sqrt(size));
    }
}

static void check_between(maker *m, const char *what, double low, double high, int n, mt_value *const *outputs)
{
    checked c = checked_new(m, low, high, n, outputs);

    compare(&c, what);
    checked_clear(&c);
    maker_clear(m);
}

#define DIFFER(m, what, low, high, ...)                                                                                                    \
    check_between(m, what, low, high, (int)G_N_ELEMENTS(((mt_value *[]){__VA_ARGS__})), (mt_value *[]){__VA_ARGS__})

static void test_elementwise(void)
{
    static const struct {
        const char *op;
        double      low, high;
    } cases[] = {{"Relu", -1, 1},      {"Tanh", -2, 2}, {"Sigmoid", -3, 3},     {"Exp", -1, 1},
                 {"Log", 0.5, 2},      {"Neg", -1, 1},  {"Sqrt", 0.5, 2},       {"Erf", -2, 2},
                 {"Softplus", -2, 2},  {"Abs", -1, 1},  {"Identity", -1, 1},    {"Reciprocal", 0.5, 2},
                 {"LeakyRelu", -1, 1}, {"Elu", -2, 2},  {"HardSigmoid", -4, 4}, {"Dropout", -1, 1}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        maker     m = maker_new(10 + i, 17);
        mt_value *x = maker_input(&m, DIMS(3, 4));

        DIFFER(&m, cases[i].op, cases[i].low, cases[i].high, OP(&m, cases[i].op, x));
    }
}

static void test_broadcast(void)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div"};

    for (guint i = 0; i < G_N_ELEMENTS(ops); i++) {
        maker     m = maker_new(30 + i, 17);
        mt_value *a = maker_input(&m, DIMS(2, 3, 4)), *b = maker_input(&m, DIMS(3, 1)), *c = maker_input(&m, DIMS(4));
        mt_value *y = OP(&m, ops[i], OP(&m, ops[i], a, b), c);

        DIFFER(&m, ops[i], 0.5, 2, y, OP(&m, ops[i], y, y));
    }
}

static void test_products(void)
{
    for (int turn = 0; turn < 4; turn++) {
        maker     m = maker_new(50 + (guint)turn, 17);
        mt_value *a = turn & 1 ? maker_input(&m, DIMS(4, 3)) : maker_input(&m, DIMS(3, 4));
        mt_value *b = turn & 2 ? maker_input(&m, DIMS(5, 4)) : maker_input(&m, DIMS(4, 5)), *c = maker_input(&m, DIMS(5));
        mt_value *y = OP(&m, "Gemm", a, b, c);

        mt_node_set_int(maker_node(y), "transA", turn & 1);
        mt_node_set_int(maker_node(y), "transB", turn >> 1);
        mt_node_set_float(maker_node(y), "alpha", turn == 3 ? 0.5 : 1);
        mt_node_set_float(maker_node(y), "beta", turn == 3 ? 2 : 1);
        DIFFER(&m, "Gemm", -1, 1, y);
    }
    maker m = maker_new(60, 17);
    DIFFER(&m, "MatMul", -1, 1, OP(&m, "MatMul", maker_input(&m, DIMS(2, 3, 4)), maker_input(&m, DIMS(4, 5))));
    m = maker_new(61, 17);
    DIFFER(&m, "MatMul", -1, 1, OP(&m, "MatMul", maker_input(&m, DIMS(2, 3, 4)), maker_input(&m, DIMS(2, 4, 5))));
}

static void test_reductions(void)
{
    static const char *const ops[] = {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"};

    for (guint i = 0; i < 2 * G_N_ELEMENTS(ops); i++) {
        maker     m = maker_new(70 + i, i % 4 == 0 ? 17 : 13);
        mt_value *x = maker_input(&m, DIMS(2, 3, 4));
        mt_value *y = i % 4 == 0 ? OP(&m, "ReduceSum", x, maker_list(&m, 2, (int64_t[]){0, -1})) : OP(&m, ops[i % 4], x);

        if (i % 4 != 0)
            maker_ints(y, "axes", 2, (int64_t[]){0, -1});
        mt_node_set_int(maker_node(y), "keepdims", i < 4);
        DIFFER(&m, ops[i % 4], -1, 1, y, OP(&m, "Exp", y));
    }
}

static void test_softmax(void)
{
    static const char *const ops[] = {"Softmax", "LogSoftmax"};

    for (int i = 0; i < 4; i++) {
        maker     m = maker_new(90 + (guint)i, 17);
        mt_value *y = OP(&m, ops[i % 2], maker_input(&m, DIMS(3, 4)));

        mt_node_set_int(maker_node(y), "axis", i < 2 ? -1 : 0);
        DIFFER(&m, ops[i % 2], -2, 2, y);
    }
}

static void test_views(void)
{
    maker     m = maker_new(100, 17);
    mt_value *x = maker_input(&m, DIMS(2, 3, 4)), *z = maker_input(&m, DIMS(2, 2, 4)), *both = OP(&m, "Concat", x, z), *t, *u;

    mt_node_set_int(maker_node(both), "axis", 1);
    t = OP(&m, "Transpose", both);
    maker_ints(t, "perm", 3, (int64_t[]){2, 0, 1});
    u = OP(&m, "Reshape", t, maker_list(&m, 2, (int64_t[]){8, 5}));
    DIFFER(&m, "views", -1, 1, OP(&m, "Mul", u, u), OP(&m, "Exp", OP(&m, "Flatten", x)));
}

/* What is filled in on both sides. */
static mt_tensor *wave(int start, const mt_value *like)
{
    mt_tensor *tensor = mt_tensor_new(MT_F64, like->rank, like->shape, NULL);

    for (int64_t i = 0; i < mt_tensor_count(tensor); i++)
        ((double *)tensor->data)[i] = 0.9 * sin(start + 0.7 * (double)i);
    return tensor;
}

static mt_value *linear(maker *m, mt_value *x, mt_value *w, mt_value *b)
{
    mt_value *y = OP(m, "Gemm", x, w, b);

    mt_node_set_int(maker_node(y), "transB", 1);
    return y;
}

/* Gated attention and cross-entropy: 7 tiles of 5 features, 4 hidden, 3 wide, 2 classes. */
static mt_value *attention_loss(maker *m)
{
    mt_value *x = maker_input(m, DIMS(7, 5)), *w1 = maker_input(m, DIMS(4, 5)), *b1 = maker_input(m, DIMS(4));
    mt_value *va = maker_input(m, DIMS(3, 4)), *ba = maker_input(m, DIMS(3)), *ub = maker_input(m, DIMS(3, 4));
    mt_value *bb = maker_input(m, DIMS(3)), *wc = maker_input(m, DIMS(1, 3)), *bc = maker_input(m, DIMS(1));
    mt_value *w = maker_input(m, DIMS(2, 4)), *b = maker_input(m, DIMS(2));
    mt_value *h = OP(m, "Relu", linear(m, x, w1, b1));
    mt_value *gated = OP(m, "Mul", OP(m, "Tanh", linear(m, h, va, ba)), OP(m, "Sigmoid", linear(m, h, ub, bb)));
    mt_value *share = OP(m, "Softmax", OP(m, "Transpose", linear(m, gated, wc, bc)));
    mt_value *logs = OP(m, "LogSoftmax", linear(m, OP(m, "MatMul", share, h), w, b));
    g_autoptr(mt_tensor) wrong = mt_tensor_new(MT_F32, 2, (int64_t[]){2, 1}, NULL);

    ((float *)wrong->data)[1] = -1;
    return OP(m, "MatMul", logs, mt_graph_add_constant(m->graph, NULL, wrong));
}

static void test_pytorch(void)
{
    maker     m = maker_new(1, 17);
    mt_value *loss = attention_loss(&m);
    checked   c = checked_new(&m, 0, 1, 1, &loss);

    for (guint i = 0; i < c.graph->inputs->len; i++) {
        mt_tensor_unref(c.inputs[i]);
        c.inputs[i] = wave((int)i, c.graph->inputs->pdata[i]);
    }
    *(double *)c.seeds[0]->data = 1;
    g_assert_cmpfloat_with_epsilon(loss_of(&c), expected_loss, 1e-12);
    g_autoptr(GPtrArray) found = gradients_of(&c);
    for (guint i = 0; i < found->len; i++) {
        const mt_tensor *gradient = found->pdata[i];
        for (int64_t k = 0; k < mt_tensor_count(gradient); k++)
            g_assert_cmpfloat_with_epsilon(((const double *)gradient->data)[k], expected[i][k], 1e-12);
    }
    compare(&c, "gated attention");
    checked_clear(&c);
    maker_clear(&m);
}

/* oneDNN runs the reverse graph as the reference does, with any number of threads. */
static void test_backends(void)
{
    g_autoptr(GError) error = NULL;
    maker     m = maker_new(2, 17), back = maker_new(3, 17);
    mt_value *loss = attention_loss(&m);
    checked   c = checked_new(&m, 0, 1, 1, &loss);

    mt_graph_free(back.graph);
    back.graph = g_steal_pointer(&c.gradient->graph);
    maker_check(&back, "reverse graph", 2e-5, 0, NULL);
    maker_clear(&back);
    checked_clear(&c);
    maker_clear(&m);
}

static void refuse(maker *m, mt_value *y, const char *message)
{
    g_autoptr(GError) error = NULL;

    mt_graph_mark_output(m->graph, y);
    g_assert_true(mt_graph_infer(m->graph, &error));
    g_free(maker_node(y)->name);
    maker_node(y)->name = g_strdup("turn");
    g_assert_null(mt_gradient_new(m->graph, (mt_value *const *)m->graph->inputs->pdata, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
    maker_clear(m);
}

static void test_unknown(void)
{
    maker     m = maker_new(4, 17);
    mt_value *x = maker_input(&m, DIMS(2)), *y;

    refuse(&m, OP(&m, "Cos", x), "node turn (Cos, opset 17): its gradient is not known");
    m = maker_new(4, 11);
    y = OP(&m, "Softmax", maker_input(&m, DIMS(2, 3, 4)));
    refuse(&m, y, "node turn (Softmax, opset 11): the gradient is known for the last axis only before opset 13");
    m = maker_new(4, 17);
    y = OP(&m, "MatMul", maker_input(&m, DIMS(2, 3)), maker_input(&m, DIMS(3)));
    refuse(&m, y, "node turn (MatMul): the gradient of a vector is not known");
}

/* What no output depends on has the gradient 0. */
static void test_apart(void)
{
    g_autoptr(GError) error = NULL;
    maker     m = maker_new(5, 17);
    mt_value *x = maker_input(&m, DIMS(2, 2)), *apart = maker_input(&m, DIMS(3)), *y = OP(&m, "Exp", x);
    checked   c = checked_new(&m, -1, 1, 1, &y);

    g_autoptr(GPtrArray) found = gradients_of(&c);
    g_assert_cmpint(mt_tensor_count(found->pdata[1]), ==, 3);
    for (int i = 0; i < 3; i++)
        g_assert_cmpfloat(((const double *)((const mt_tensor *)found->pdata[1])->data)[i], ==, 0);
    g_assert_nonnull(apart);
    checked_clear(&c);
    maker_clear(&m);
}

static void test_selections(void)
{
    maker     m = maker_new(110, 17);
    mt_value *x = maker_input(&m, DIMS(4, 3)), *y;

    y = OP(&m, "Gather", x, maker_list(&m, 3, (int64_t[]){2, 0, 2}));
    DIFFER(&m, "Gather", -1, 1, OP(&m, "Mul", y, y));
    m = maker_new(111, 17);
    y = OP(&m, "Clip", maker_input(&m, DIMS(5, 5)), maker_number(&m, -0.5), maker_number(&m, 0.5));
    DIFFER(&m, "Clip", -1, 1, OP(&m, "Mul", y, y));
    m = maker_new(112, 17);
    DIFFER(&m, "Expand", -1, 1, OP(&m, "Exp", OP(&m, "Expand", maker_input(&m, DIMS(3, 1)), maker_list(&m, 3, (int64_t[]){2, 3, 4}))));
}

static void test_pictures(void)
{
    maker     m = maker_new(120, 17);
    mt_value *y = OP(&m, "GlobalAveragePool", maker_input(&m, DIMS(2, 3, 4, 5)));

    DIFFER(&m, "GlobalAveragePool", -1, 1, OP(&m, "Mul", y, y));
    m = maker_new(121, 17);
    mt_value *mean = maker_constant(&m, 0.2, 0, DIMS(3)), *variance = maker_constant(&m, 0.2, 1, DIMS(3));
    mt_value *x = maker_input(&m, DIMS(2, 3, 4, 2)), *scale = maker_input(&m, DIMS(3)), *bias = maker_input(&m, DIMS(3));
    y = OP(&m, "BatchNormalization", x, scale, bias, mean, variance);
    DIFFER(&m, "BatchNormalization", -1, 1, OP(&m, "Mul", y, y));
}

/* Of a window without constants f: sum of s f(x) = sum of g x, g its gradient with the slopes s: exact for what is linear, and for a maximum. */
static void check_adjoint(maker *m, const char *what, mt_value *x, mt_value *y)
{
    g_autoptr(GError) error = NULL;

    mt_graph_mark_output(m->graph, y);
    mt_graph_infer(m->graph, &error);
    g_assert_no_error(error);
    g_autoptr(mt_gradient) gradient = mt_gradient_new(m->graph, &x, 1, &error);
    g_assert_no_error(error);
    g_autoptr(mt_model) there = maker_model(mt_graph_clone(m->graph)), back = maker_model(mt_graph_clone(gradient->graph));
    g_autoptr(GPtrArray) inputs = maker_inputs(there, 5), fed = g_ptr_array_new();
    g_autoptr(GPtrArray) outputs = maker_run(there, MT_BACKEND_REFERENCE, 1, inputs, &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) seeds = maker_inputs(back, 6);
    g_ptr_array_add(fed, seeds->pdata[0]);
    for (guint i = 0; i < gradient->saved->len; i++)
        g_ptr_array_add(fed, gradient->saved->pdata[i] == x ? inputs->pdata[0] : outputs->pdata[0]);
    g_autoptr(GPtrArray) slopes = maker_run(back, MT_BACKEND_AUTO, 1, fed, &error);
    g_assert_no_error(error);
    const mt_tensor *sides[2][2] = {{seeds->pdata[0], outputs->pdata[0]}, {slopes->pdata[0], inputs->pdata[0]}};
    double           sums[2] = {0};
    for (int side = 0; side < 2; side++)
        for (int64_t i = 0; i < mt_tensor_count(sides[side][0]); i++)
            sums[side] += (double)((const float *)sides[side][0]->data)[i] * (double)((const float *)sides[side][1]->data)[i];
    if (!(fabs(sums[0] - sums[1]) < 1e-4 * MAX(1, fabs(sums[0]))))
        g_error("%s: %g and %g", what, sums[0], sums[1]);
    maker_clear(m);
}

static void test_windows(void)
{
    static const struct {
        const char *op;
        int64_t     kernel, stride, pad, dilation, ceil, with_pads;
    } rows[] = {{"MaxPool", 3, 2, 1, 1, 0, 0},     {"MaxPool", 2, 2, 0, 1, 0, 0},     {"MaxPool", 3, 2, 0, 1, 1, 0},
                {"MaxPool", 3, 1, 1, 1, 0, 0},     {"MaxPool", 2, 3, 0, 1, 0, 0},     {"AveragePool", 3, 2, 1, 1, 0, 0},
                {"AveragePool", 3, 2, 1, 1, 0, 1}, {"AveragePool", 2, 2, 0, 1, 1, 0}, {"AveragePool", 2, 3, 0, 1, 0, 0},
                {"Conv", 3, 1, 1, 1, 0, 0},        {"Conv", 3, 2, 1, 1, 0, 0},        {"Conv", 3, 2, 0, 2, 0, 0},
                {"Conv", 1, 2, 0, 1, 0, 0},        {"Conv", 3, 1, 2, 2, 0, 0}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        for (int64_t group = 1; group <= (strcmp(rows[i].op, "Conv") == 0 ? 4 : 1); group += 3) {
            maker            m = maker_new((guint32)(300 + i), 13);
            int64_t          kernel = rows[i].kernel;
            mt_value        *x = maker_input(&m, DIMS(2, 4, 9, 8));
            mt_value        *w = strcmp(rows[i].op, "Conv") == 0 ? maker_constant(&m, 1, 0, DIMS(4, 4 / group, kernel, kernel)) : NULL;
            mt_value        *y = w != NULL ? OP(&m, rows[i].op, x, w) : OP(&m, rows[i].op, x);
            g_autofree char *what = g_strdup_printf("%s %zu", rows[i].op, i);
            maker_ints(y, "strides", 2, (int64_t[]){rows[i].stride, rows[i].stride});
            maker_ints(y, "pads", 4, (int64_t[]){rows[i].pad, rows[i].pad, rows[i].pad, rows[i].pad});
            if (w != NULL) {
                maker_ints(y, "dilations", 2, (int64_t[]){rows[i].dilation, rows[i].dilation});
                mt_node_set_int(maker_node(y), "group", group);
            } else {
                maker_ints(y, "kernel_shape", 2, (int64_t[]){kernel, kernel});
                mt_node_set_int(maker_node(y), "ceil_mode", rows[i].ceil);
                if (rows[i].with_pads)
                    mt_node_set_int(maker_node(y), "count_include_pad", 1);
            }
            check_adjoint(&m, what, x, y);
        }
    maker     m = maker_new(400, 13);
    mt_value *x = maker_input(&m, DIMS(1, 2, 5, 6, 4));
    mt_value *y = OP(&m, "MaxPool", x);
    maker_ints(y, "kernel_shape", 3, (int64_t[]){2, 3, 2});
    maker_ints(y, "strides", 3, (int64_t[]){2, 2, 1});
    check_adjoint(&m, "MaxPool of a volume", x, y);
    m = maker_new(401, 13);
    x = maker_input(&m, DIMS(2, 3, 4, 4));
    check_adjoint(&m, "Pad", x, OP(&m, "Pad", x, maker_list(&m, 8, (int64_t[]){0, 1, 2, 0, 0, 0, 1, 3})));
    m = maker_new(402, 13);
    x = maker_input(&m, DIMS(2, 3, 4, 4));
    check_adjoint(&m, "GlobalMaxPool", x, OP(&m, "GlobalMaxPool", x));
    m = maker_new(403, 13);
    x = maker_input(&m, DIMS(2, 6, 4));
    check_adjoint(
        &m, "Slice", x,
        OP(&m, "Slice", x, maker_list(&m, 1, (int64_t[]){-5}), maker_list(&m, 1, (int64_t[]){100}), maker_list(&m, 1, (int64_t[]){1})));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gradient/elementwise", test_elementwise);
    g_test_add_func("/gradient/broadcast", test_broadcast);
    g_test_add_func("/gradient/products", test_products);
    g_test_add_func("/gradient/reductions", test_reductions);
    g_test_add_func("/gradient/softmax", test_softmax);
    g_test_add_func("/gradient/views", test_views);
    g_test_add_func("/gradient/selections", test_selections);
    g_test_add_func("/gradient/pictures", test_pictures);
    g_test_add_func("/gradient/windows", test_windows);
    g_test_add_func("/gradient/pytorch", test_pytorch);
    g_test_add_func("/gradient/backends", test_backends);
    g_test_add_func("/gradient/unknown", test_unknown);
    g_test_add_func("/gradient/apart", test_apart);
    return g_test_run();
}
