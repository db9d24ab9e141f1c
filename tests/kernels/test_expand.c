/* Passes that write an operator out in others that have primitives. */
#include "kernels/graph/passes.h"
#include "tests/kernels/pass_checks.h"

static mt_value *einsum(maker *m, const char *equation, mt_value *a, mt_value *b)
{
    mt_value *y = OP(m, "Einsum", a, b);

    mt_node_set_string(maker_node(y), "equation", equation);
    return y;
}

static void test_einsum(void)
{
    static const struct {
        const char *equation;
        int         a_rank, b_rank;
        int64_t     a[5], b[5];
        bool        fires;
    } cases[] = {
        {"bhwc,hkc->bhwk", 4, 3, {2, 3, 4, 5}, {3, 6, 5}, true},
        {"B G H I D, B G H J D -> B G H I J", 5, 5, {2, 2, 3, 4, 5}, {2, 2, 3, 6, 5}, true},
        {"bhij,bhjd->bihd", 4, 4, {2, 3, 4, 5}, {2, 3, 5, 2}, true},
        {"ab,cdb->dac", 2, 3, {3, 4}, {2, 5, 4}, true},
        {"abc,bca->", 3, 3, {3, 4, 2}, {4, 2, 3}, true},
        {"nchw,c->nhw", 4, 1, {2, 3, 4, 5}, {3}, true},
        {"ab,cd->bd", 2, 2, {2, 3}, {4, 5}, false}, /* a and c belong to one operand alone */
        {"ab,ab->ab", 2, 2, {2, 3}, {2, 3}, false}, /* nothing is summed */
        {"...ij,...jk->...ik", 3, 3, {2, 3, 4}, {2, 4, 5}, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        maker     m = maker_new(20, 14);
        mt_value *a = maker_input(&m, cases[i].a_rank, cases[i].a), *b = maker_input(&m, cases[i].b_rank, cases[i].b);
        mt_graph *graph = REWRITE(&m, einsum(&m, cases[i].equation, a, b), mt_pass_expand_einsum, cases[i].fires);

        g_assert_cmpint(pass_count(graph, "Einsum"), ==, !cases[i].fires);
        g_assert_cmpint(pass_count(graph, "MatMul"), ==, cases[i].fires);
        pass_check_same(&m, graph, 1e-6);
    }
}

static void test_depth_to_space(void)
{
    static const char *const modes[] = {"DCR", "CRD"};

    for (int k = 0; k < 3; k++) {
        maker     m = maker_new(21, 14);
        mt_value *y = OP(&m, k == 2 ? "SpaceToDepth" : "DepthToSpace", maker_input(&m, DIMS(2, 8, 4, 6)));
        mt_graph *graph;

        mt_node_set_int(maker_node(y), "blocksize", 2);
        if (k < 2)
            mt_node_set_string(maker_node(y), "mode", modes[k]);
        graph = REWRITE(&m, y, mt_pass_expand_depth_to_space, 1);
        g_assert_cmpint(pass_count(graph, "Transpose"), ==, 1);
        g_assert_cmpint(graph->nodes->len, ==, 3);
        pass_check_same(&m, graph, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/expand/einsum", test_einsum);
    g_test_add_func("/expand/depth-to-space", test_depth_to_space);
    return g_test_run();
}
