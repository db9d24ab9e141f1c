/* Transposes that move down, meet and cancel. */
#include "kernels/graph/passes.h"
#include "tests/kernels/pass_checks.h"

static const int64_t NHWC[] = {0, 2, 3, 1}, NCHW[] = {0, 3, 1, 2};

static mt_value *transpose(maker *m, mt_value *x, const int64_t *perm)
{
    mt_value *y = OP(m, "Transpose", x);

    maker_ints(y, "perm", 4, perm);
    return y;
}

static mt_value *with_int(mt_value *y, const char *name, int64_t value)
{
    mt_node_set_int(maker_node(y), name, value);
    return y;
}

/* What stands between a transpose and its inverse. */
static mt_value *between(maker *m, mt_value *x, int kind)
{
    mt_value *t = transpose(m, x, NHWC), *y;

    switch (kind) {
    case 0:
        return OP(m, "Relu", t);
    case 1:
        return OP(m, "Add", t, maker_constant(m, 1, 0, DIMS(6)));
    case 2:
        return OP(m, "Mul", maker_constant(m, 1, 0, DIMS(1, 1, 6)), OP(m, "Clip", t, maker_number(m, 0), maker_number(m, 6)));
    case 3:
        return OP(m, "Add", transpose(m, OP(m, "Exp", x), NHWC), t);
    case 4:
        return with_int(OP(m, "Concat", t, transpose(m, OP(m, "Exp", x), NHWC)), "axis", -1);
    case 5:
        y = OP(m, "ReduceMean", t);
        maker_ints(y, "axes", 2, (int64_t[]){1, 2});
        return y;
    case 6: /* no vector */
        return OP(m, "Add", t, maker_constant(m, 1, 0, DIMS(5, 6)));
    case 7: /* the other one is not transposed */
        return OP(m, "Add", t, maker_input(m, DIMS(2, 4, 5, 6)));
    default: /* looks along a dimension */
        return with_int(OP(m, "Softmax", t), "axis", 1);
    }
}

static void test_between(void)
{
    for (int k = 0; k < 9; k++) {
        g_autoptr(GError) error = NULL;
        maker     m = maker_new(30, 13);
        mt_value *y = transpose(&m, between(&m, maker_input(&m, DIMS(2, 6, 4, 5)), k), NCHW);
        mt_graph *graph;
        int       left = k < 6 ? 0 : 2;

        y = OP(&m, "Sigmoid", y);
        mt_graph_mark_output(m.graph, y);
        g_assert_true(mt_graph_infer(m.graph, &error));
        graph = mt_graph_clone(m.graph);
        g_assert_cmpint(mt_pass_sink_transposes(graph, &error), >=, 1); /* at least below the Sigmoid */
        g_assert_no_error(error);
        g_assert_cmpint(pass_count(graph, "Transpose"), ==, left);
        mt_graph_free(graph);
        pass_check_meaning(&m, "between transposes");
    }
}

/* A mean that drops the pixels leaves nothing to transpose; one that drops rows leaves columns before channels. */
static void test_dropped(void)
{
    for (int k = 0; k < 2; k++) {
        for (int opset = 17; opset < 19; opset++) {
            maker     m = maker_new(30, opset);
            mt_value *x = transpose(&m, maker_input(&m, DIMS(2, 6, 4, 5)), NHWC), *y;
            mt_graph *graph;

            y = opset == 17 ? OP(&m, "ReduceMean", x) : OP(&m, "ReduceMean", x, maker_list(&m, 2 - k, (int64_t[]){1, 2}));
            if (opset == 17)
                maker_ints(y, "axes", 2 - k, (int64_t[]){1, 2});
            graph = REWRITE(&m, with_int(y, "keepdims", 0), mt_pass_sink_transposes, 1);
            g_assert_cmpint(pass_count(graph, "Transpose"), ==, k);
            mt_graph_free(graph);
            pass_check_meaning(&m, "dropped dimensions");
        }
    }
}

/* Two become one; two that cancel right below an input of the graph, whose result is an output, stay. */
static void test_compose(void)
{
    maker     m = maker_new(30, 13);
    mt_value *x = maker_input(&m, DIMS(2, 6, 4, 5));
    g_autoptr(mt_graph) one = REWRITE(&m, transpose(&m, transpose(&m, x, NHWC), NHWC), mt_pass_sink_transposes, 0), two = NULL;

    g_assert_cmpint(pass_count(one, "Transpose"), ==, 2);
    pass_check_meaning(&m, "output");
    m = maker_new(30, 13);
    x = OP(&m, "Exp", maker_input(&m, DIMS(2, 6, 4, 5)));
    two = REWRITE(&m, OP(&m, "Softmax", transpose(&m, transpose(&m, x, NHWC), NHWC)), mt_pass_sink_transposes, 1);
    g_assert_cmpint(pass_count(two, "Transpose"), ==, 1);
    pass_check_meaning(&m, "composed");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sink-transposes/between", test_between);
    g_test_add_func("/sink-transposes/dropped", test_dropped);
    g_test_add_func("/sink-transposes/compose", test_compose);
    return g_test_run();
}
