/* Normalisations in the forms that exporters give them. */
#include "kernels/graph/passes.h"
#include "tests/kernels/pass_checks.h"

#include <math.h>
#include <string.h>

typedef enum root_form { DIV_SQRT, MUL_RECIPROCAL, MUL_ONE_OVER, MUL_POW, DIV_POW, ROOT_FORMS } root_form;

/* d / sqrt(mean(square) + epsilon) */
static mt_value *divided(maker *m, mt_value *d, mt_value *variance, root_form form)
{
    mt_value *sum = OP(m, "Add", variance, maker_number(m, 1e-6));

    switch (form) {
    case DIV_SQRT:
        return OP(m, "Div", d, OP(m, "Sqrt", sum));
    case MUL_RECIPROCAL:
        return OP(m, "Mul", OP(m, "Reciprocal", OP(m, "Sqrt", sum)), d);
    case MUL_ONE_OVER:
        return OP(m, "Mul", d, OP(m, "Div", maker_number(m, 1), OP(m, "Sqrt", sum)));
    case MUL_POW:
        return OP(m, "Mul", d, OP(m, "Pow", sum, maker_number(m, -0.5)));
    default:
        return OP(m, "Div", d, OP(m, "Pow", sum, maker_number(m, 0.5)));
    }
}

static mt_value *mean(maker *m, mt_value *x, int n, const int64_t *axes)
{
    mt_value *y;

    if (m->graph->opset >= 18)
        return OP(m, "ReduceMean", x, maker_list(m, n, axes));
    y = OP(m, "ReduceMean", x);
    maker_ints(y, "axes", n, axes);
    return y;
}

static mt_value *square(maker *m, mt_value *x, bool mul)
{
    return mul ? OP(m, "Mul", x, x) : OP(m, "Pow", x, maker_number(m, 2));
}

typedef struct form {
    const char *what;
    int64_t     axes[3], scale[3];
    int         n_axes, n_scale;
    root_form   root;
    int         opset;
    bool        mul, twice, bare, no_shift, flipped; /* squares by Mul; d twice; no scale; no shift; vector first */
    const char *becomes;                             /* NULL: nothing */
} form;

static mt_value *written_out(maker *m, mt_value *x, const form *f)
{
    mt_value *d = OP(m, "Sub", x, mean(m, x, f->n_axes, f->axes)), *e = f->twice ? OP(m, "Sub", x, mean(m, x, f->n_axes, f->axes)) : d;
    mt_value *y = divided(m, d, mean(m, square(m, e, f->mul), f->n_axes, f->axes), f->root), *scale, *shift;

    if (f->bare)
        return y;
    scale = maker_constant(m, 1, 0, f->n_scale, f->scale);
    shift = maker_constant(m, 1, 0, f->n_scale, f->scale);
    y = f->flipped ? OP(m, "Mul", scale, y) : OP(m, "Mul", y, scale);
    return f->no_shift ? OP(m, "Relu", y) : f->flipped ? OP(m, "Add", shift, y) : OP(m, "Add", y, shift);
}

static const form forms[] = {
    {"pytorch", {-1}, {5}, 1, 1, DIV_SQRT, 13, .becomes = "LayerNormalization"},
    {"axes as an input", {-1}, {5}, 1, 1, DIV_SQRT, 18, .becomes = "LayerNormalization"},
    {"squares by Mul, d twice", {3}, {5}, 1, 1, DIV_SQRT, 13, .mul = true, .twice = true, .becomes = "LayerNormalization"},
    {"reciprocal, vectors first", {-1}, {1, 5}, 1, 2, MUL_RECIPROCAL, 13, .flipped = true, .becomes = "LayerNormalization"},
    {"one over", {-1}, {5}, 1, 1, MUL_ONE_OVER, 13, .becomes = "LayerNormalization"},
    {"power of -1/2", {-1}, {5}, 1, 1, MUL_POW, 13, .mul = true, .becomes = "LayerNormalization"},
    {"power of 1/2", {-1}, {5}, 1, 1, DIV_POW, 13, .becomes = "LayerNormalization"},
    {"no shift", {-1}, {5}, 1, 1, DIV_SQRT, 13, .no_shift = true, .becomes = "LayerNormalization"},
    {"neither scale nor shift", {-1}, {5}, 1, 1, DIV_SQRT, 13, .bare = true, .becomes = "LayerNormalization"},
    {"over everything", {1, 2, -1}, {3, 4, 5}, 3, 3, DIV_SQRT, 13, .becomes = "LayerNormalization"},
    {"channels", {1}, {3, 1, 1}, 1, 3, DIV_SQRT, 13, .becomes = "LayerNormalization"},
    {"channels, flipped", {1}, {3, 1, 1}, 1, 3, DIV_SQRT, 18, .flipped = true, .becomes = "LayerNormalization"},
    {"pixels", {2, 3}, {3, 1, 1}, 2, 3, DIV_SQRT, 13, .becomes = "mt.GroupNorm"},
    {"pixels, bare", {2, 3}, {3, 1, 1}, 2, 3, MUL_RECIPROCAL, 13, .bare = true, .becomes = "mt.GroupNorm"},
    {"rows of pixels", {2}, {5}, 1, 1, DIV_SQRT, 13},
};

static void test_layer_norm(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        const form *f = &forms[i];
        maker       m = maker_new(7, f->opset);
        mt_value   *x = maker_input(&m, DIMS(2, 3, 4, 5));
        mt_graph   *graph = REWRITE(&m, written_out(&m, x, f), mt_pass_fuse_layer_norm, f->becomes != NULL);

        if (f->becomes != NULL) {
            const mt_node *node = pass_find(graph, f->becomes);

            g_assert_nonnull(node);
            g_assert_cmpint(pass_count(graph, "ReduceMean") + pass_count(graph, "Mul") + pass_count(graph, "Add"), ==, 0);
            g_assert_cmpfloat(fabs(mt_node_float(node, "epsilon", 0) - 1e-6), <, 1e-12);
        }
        mt_graph_free(graph);
        pass_check_meaning(&m, f->what);
    }
}

/* The variance is of something else; a mean is of something else; somebody looks at the quotient before it is scaled. */
static void test_layer_norm_not(void)
{
    for (int k = 0; k < 3; k++) {
        static const int64_t last[] = {-1};
        maker                m = maker_new(7, 13);
        mt_value            *x = maker_input(&m, DIMS(2, 5)), *z = OP(&m, "Relu", x);
        mt_value            *d = OP(&m, "Sub", x, mean(&m, k == 1 ? z : x, 1, last)), *y;
        mt_graph            *graph;

        y = divided(&m, d, mean(&m, square(&m, k == 0 ? x : d, false), 1, last), DIV_SQRT);
        y = OP(&m, "Add", OP(&m, "Mul", y, maker_constant(&m, 1, 0, DIMS(5))), k == 2 ? y : x);
        graph = REWRITE(&m, y, mt_pass_fuse_layer_norm, k == 2);
        g_assert_cmpint(pass_count(graph, "Mul"), ==, 1); /* outside, in any case */
        mt_graph_free(graph);
        pass_check_meaning(&m, "no layer norm");
    }
}

static void test_rms_norm(void)
{
    for (int k = 0; k < ROOT_FORMS + 3; k++) { /* without a scale; over another dimension; the quotient is of something else */
        maker     m = maker_new(7, k % 2 ? 13 : 18);
        mt_value *x = maker_input(&m, DIMS(2, 5, 5)), *y;
        bool      fires = k <= ROOT_FORMS;
        mt_graph *graph;

        y = divided(&m, k == ROOT_FORMS + 2 ? OP(&m, "Relu", x) : x,
                    mean(&m, square(&m, x, k % 2), 1, (int64_t[]){k == ROOT_FORMS + 1 ? 1 : -1}), (root_form)(k % ROOT_FORMS));
        if (k != ROOT_FORMS)
            y = OP(&m, "Mul", maker_constant(&m, 1, 0, DIMS(5)), y);
        graph = REWRITE(&m, y, mt_pass_fuse_rms_norm, fires);
        g_assert_cmpint(pass_count(graph, "mt.RmsNorm"), ==, fires);
        if (fires)
            g_assert_cmpint(graph->nodes->len, ==, 1);
        mt_graph_free(graph);
        pass_check_meaning(&m, "rms norm");
    }
}

static mt_value *fixed_vector(maker *m, int64_t n, float number)
{
    g_autoptr(mt_tensor) vector = mt_tensor_new(MT_F32, 1, &n, NULL);

    for (int64_t i = 0; i < n; i++)
        ((float *)vector->data)[i] = number;
    return mt_graph_add_constant(m->graph, NULL, vector);
}

/* PyTorch's GroupNorm.  kind 1: no scale; 2: no shift; 3: the groups are scaled themselves; 4: the shape comes back another */
static mt_value *group_norm(maker *m, int kind)
{
    mt_value *x = maker_input(m, DIMS(2, 6, 4, 5)), *y = OP(m, "Reshape", x, maker_list(m, 3, (int64_t[]){0, 3, -1}));

    y = OP(m, "InstanceNormalization", y, kind == 3 ? maker_constant(m, 1, 0, DIMS(3)) : fixed_vector(m, 3, 1), fixed_vector(m, 3, 0));
    y = OP(m, "Reshape", y, kind == 4 ? maker_list(m, 4, (int64_t[]){2, 6, 5, 4}) : maker_list(m, 4, (int64_t[]){2, 6, 4, 5}));
    if (kind == 1)
        return OP(m, "Sigmoid", y);
    y = OP(m, "Mul", y, maker_constant(m, 1, 0, DIMS(6, 1, 1)));
    return kind == 2 ? OP(m, "Sigmoid", y) : OP(m, "Add", y, maker_constant(m, 1, 0, DIMS(6, 1, 1)));
}

static void test_group_norm(void)
{
    for (int k = 0; k < 5; k++) {
        maker     m = maker_new(9, 13);
        mt_graph *graph = REWRITE(&m, group_norm(&m, k), mt_pass_fuse_group_norm, 1); /* at least the instances */

        g_assert_cmpint(pass_count(graph, "mt.GroupNorm"), ==, 1);
        g_assert_cmpint(pass_count(graph, "Reshape"), ==, k < 3 ? 0 : 2);
        g_assert_cmpint(pass_count(graph, "Mul"), ==, k < 3 ? 0 : 1);
        mt_graph_free(graph);
        pass_check_meaning(&m, "group norm");
    }
}

static void test_group_norm_operator(void)
{
    for (int k = 0; k < 3; k++) { /* instances; groups with vectors over channels; over groups: left alone */
        maker     m = maker_new(9, k == 1 ? 21 : 18);
        mt_value *x = maker_input(&m, DIMS(2, 6, 4, 5)), *y;
        mt_graph *graph;

        y = OP(&m, k == 0 ? "InstanceNormalization" : "GroupNormalization", x, maker_constant(&m, 1, 0, DIMS(k == 2 ? 3 : 6)),
               maker_constant(&m, 1, 0, DIMS(k == 2 ? 3 : 6)));
        if (k > 0)
            mt_node_set_int(maker_node(y), "num_groups", 3);
        graph = REWRITE(&m, y, mt_pass_fuse_group_norm, k < 2);
        g_assert_cmpint(pass_count(graph, "mt.GroupNorm"), ==, k < 2);
        mt_graph_free(graph);
        pass_check_meaning(&m, "group norm operator");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fuse-norm/layer-norm", test_layer_norm);
    g_test_add_func("/fuse-norm/layer-norm-not", test_layer_norm_not);
    g_test_add_func("/fuse-norm/rms-norm", test_rms_norm);
    g_test_add_func("/fuse-norm/group-norm", test_group_norm);
    g_test_add_func("/fuse-norm/group-norm-operator", test_group_norm_operator);
    return g_test_run();
}
