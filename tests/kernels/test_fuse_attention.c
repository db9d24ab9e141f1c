/* Attention in the forms that exporters give it. */
#include "kernels/graph/passes.h"
#include "tests/kernels/pass_checks.h"

static mt_value *reshape(maker *m, mt_value *x, int n, const int64_t *shape)
{
    return OP(m, "Reshape", x, maker_list(m, n, shape));
}

/* Shifted windows: a bias of all windows, then, with the windows split from the batch, a mask of each.  kind 1: the reshape cuts
 * through the heads; 2: somebody reads the scores between; 3: the mask is scaled; 4: a bias of each window, joined. */
static mt_value *windows(maker *m, int kind)
{
    mt_value *q = maker_input(m, DIMS(8, 3, 5, 4)), *kt = maker_input(m, DIMS(8, 3, 4, 5)), *v = maker_input(m, DIMS(8, 3, 5, 6)), *s, *y;
    mt_value *bias = kind == 4 ? maker_constant(m, 1, 0, DIMS(8, 3, 5, 5)) : maker_constant(m, 1, 0, DIMS(1, 3, 5, 5));

    s = OP(m, "Add", OP(m, "MatMul", OP(m, "Mul", q, maker_number(m, 0.5)), kt), bias);
    s = kind == 1 ? reshape(m, s, 5, (int64_t[]){2, 12, 1, 5, 5}) : reshape(m, s, 5, (int64_t[]){2, 4, 3, 5, 5});
    y = s;
    s = OP(m, "Add", s, kind == 1 ? maker_constant(m, 1, 0, DIMS(12, 1, 5, 5)) : maker_constant(m, 1, 0, DIMS(1, 4, 1, 5, 5)));
    if (kind == 3)
        s = OP(m, "Mul", s, maker_number(m, 2));
    s = OP(m, "Softmax", reshape(m, s, 4, (int64_t[]){8, 3, 5, 5}));
    s = OP(m, "MatMul", s, v);
    return kind == 2 ? OP(m, "Add", OP(m, "ReduceMax", y), s) : s;
}

static void test_windows(void)
{
    for (int k = 0; k < 5; k++) {
        maker     m = maker_new(8, 13);
        bool      fires = k == 0 || k == 4;
        mt_graph *graph = REWRITE(&m, windows(&m, k), mt_pass_fuse_attention, fires);

        g_assert_cmpint(pass_count(graph, "mt.Attention"), ==, fires);
        g_assert_cmpint(pass_count(graph, "Softmax"), ==, !fires);
        if (fires) /* bias and mask were added up beforehand */
            g_assert_cmpint(pass_count(graph, "Add"), ==, 0);
        mt_graph_free(graph);
        pass_check_meaning(&m, "windows");
    }
}

/* kind 0: a number scales k before it is turned; 1: a number a head scales the scores; 2: somebody reads the scaled k */
static mt_value *scaled(maker *m, int kind)
{
    mt_value *q = maker_input(m, DIMS(2, 3, 5, 4)), *k = maker_input(m, DIMS(2, 3, 6, 4)), *v = maker_input(m, DIMS(2, 3, 6, 4));
    mt_value *kt, *s, *scaled = kind == 1 ? k : OP(m, "Mul", k, maker_number(m, 0.5));

    kt = OP(m, "Transpose", scaled);
    maker_ints(kt, "perm", 4, (int64_t[]){0, 1, 3, 2});
    s = OP(m, "MatMul", q, kt);
    if (kind == 1)
        s = OP(m, "Add", OP(m, "Mul", maker_constant(m, 1, 2, DIMS(3, 1, 1)), s), maker_constant(m, 1, 0, DIMS(1, 3, 5, 6)));
    s = OP(m, "MatMul", OP(m, "Softmax", s), v);
    return kind == 2 ? OP(m, "Add", s, OP(m, "ReduceMax", scaled)) : s;
}

static void test_scaled(void)
{
    for (int k = 0; k < 3; k++) {
        maker     m = maker_new(8, 13);
        mt_graph *graph = REWRITE(&m, scaled(&m, k), mt_pass_fuse_attention, 1);

        g_assert_cmpfloat(mt_node_float(pass_find(graph, "mt.Attention"), "scale", 0), ==, k == 0 ? 0.5 : 1);
        g_assert_cmpint(pass_count(graph, "Mul"), ==, k != 0);
        mt_graph_free(graph);
        pass_check_meaning(&m, "scaled");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fuse-attention/windows", test_windows);
    g_test_add_func("/fuse-attention/scaled", test_scaled);
    return g_test_run();
}
