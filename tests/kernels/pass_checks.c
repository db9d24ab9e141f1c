#include "tests/kernels/pass_checks.h"

#include <string.h>

int pass_count(const mt_graph *graph, const char *op)
{
    int n = 0;

    for (guint i = 0; i < graph->nodes->len; i++)
        n += strcmp(((const mt_node *)graph->nodes->pdata[i])->op, op) == 0;
    return n;
}

mt_node *pass_find(const mt_graph *graph, const char *op)
{
    for (guint i = 0; i < graph->nodes->len; i++)
        if (strcmp(((const mt_node *)graph->nodes->pdata[i])->op, op) == 0)
            return graph->nodes->pdata[i];
    return NULL;
}

mt_graph *pass_rewrite(maker *m, mt_value *out, int n, const pass_fn *passes, const int *times)
{
    g_autoptr(GError) error = NULL;
    mt_graph *graph;

    if (m->graph->outputs->len == 0)
        mt_graph_mark_output(m->graph, out);
    if (!mt_graph_infer(m->graph, &error))
        g_error("%s", error->message);
    graph = mt_graph_clone(m->graph);
    mt_graph_sweep(graph);
    for (int i = 0; i < n; i++)
        g_assert_cmpint(passes[i](graph, &error), ==, times[i]);
    g_assert_no_error(error);
    return graph;
}

void pass_check_meaning(maker *m, const char *what)
{
    mt_value *out = m->graph->outputs->pdata[0];

    g_ptr_array_set_size(m->graph->outputs, 0);
    CHECK(m, what, out);
}

void pass_check_same(maker *m, mt_graph *rewritten, double tolerance)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) before = maker_model(g_steal_pointer(&m->graph)), after = maker_model(rewritten);
    g_autoptr(GPtrArray) inputs = maker_inputs(before, 3), a = maker_run(before, MT_BACKEND_REFERENCE, 1, inputs, &error), b = NULL;

    g_assert_no_error(error);
    b = maker_run(after, MT_BACKEND_REFERENCE, 1, inputs, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(maker_error(b->pdata[0], a->pdata[0]), <=, tolerance);
    maker_clear(m);
}
