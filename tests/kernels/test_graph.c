/* The graph's bookkeeping, inference and folding, on graphs built by hand. */
#include "kernels/graph/graph.h"
#include "kernels/reference/execute.h"
#include "kernels/reference/operator.h"

#include <microtome/error.h>

static mt_tensor *ints(int n, const int64_t *values)
{
    const int64_t shape[] = {n};
    mt_tensor    *tensor = mt_tensor_new(MT_I64, 1, shape, NULL);

    for (int i = 0; i < n; i++)
        ((int64_t *)tensor->data)[i] = values[i];
    return tensor;
}

static mt_value *constant_ints(mt_graph *graph, int n, const int64_t *values)
{
    g_autoptr(mt_tensor) tensor = ints(n, values);

    return mt_graph_add_constant(graph, NULL, tensor);
}

static mt_value *add(mt_graph *graph, const char *op, mt_value *a, mt_value *b)
{
    mt_value *inputs[] = {a, b};
    GError   *error = NULL;
    mt_node  *node = mt_graph_add_node(graph, op, op, inputs, b != NULL ? 2 : 1, 1, NULL, &error);

    g_assert_no_error(error);
    return mt_node_output(node, 0);
}

static mt_value *input_2d(mt_graph *graph)
{
    const int64_t shape[] = {-1, 6};

    return mt_graph_add_input(graph, "x", MT_F32, 2, shape);
}

static void test_uses(void)
{
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    mt_value *x = input_2d(graph), *a = add(graph, "Relu", x, NULL), *b = add(graph, "Abs", a, NULL), *c = add(graph, "Add", a, a);

    mt_graph_mark_output(graph, b);
    g_assert_cmpint(mt_graph_n_uses(graph, a), ==, 3);
    g_assert_cmpint(mt_graph_n_uses(graph, b), ==, 1);
    g_assert_null(mt_graph_only_user(graph, a));
    g_assert_true(mt_graph_only_user(graph, x) == a->producer);
    g_assert_null(mt_graph_only_user(graph, b)); /* its use is a graph output */
    mt_graph_replace_uses(graph, b, c);
    g_assert_true(graph->outputs->pdata[0] == c);
    mt_graph_sweep(graph);
    g_assert_cmpuint(graph->nodes->len, ==, 2);
    g_assert_cmpuint(graph->values->len, ==, 3);
}

static void test_insert_and_remove(void)
{
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    mt_value *x = input_2d(graph), *a = add(graph, "Relu", x, NULL);
    mt_node  *first = mt_graph_add_node(graph, "Abs", NULL, &x, 1, 1, a->producer, NULL);

    g_assert_true(graph->nodes->pdata[0] == first);
    mt_graph_remove_node(graph, a->producer);
    g_assert_cmpuint(graph->nodes->len, ==, 1);
    g_assert_null(a->producer);
}

static void test_unknown_operator(void)
{
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_graph_add_node(graph, "FooBar", "mystery", NULL, 0, 1, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, "node 'mystery': operator 'FooBar' (opset 13) is not supported");
}

static void test_attributes(void)
{
    static const int64_t numbers[] = {1, 2, 3};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    mt_value *x = input_2d(graph);
    mt_node  *node = mt_graph_add_node(graph, "Relu", NULL, &x, 1, 1, NULL, NULL);
    int       n;

    mt_node_set_int(node, "i", 7);
    mt_node_set_float(node, "f", 0.5);
    mt_node_set_string(node, "s", "text");
    mt_node_set_string(node, "s", mt_node_string(node, "s", NULL)); /* replaced by itself */
    mt_node_set_ints(node, "list", numbers, 3);
    mt_node_set_ints(node, "none", NULL, 0);
    g_autoptr(mt_graph) clone = mt_graph_clone(graph);
    const mt_node *copy = clone->nodes->pdata[0];
    g_assert_cmpint(mt_node_int(copy, "i", 0), ==, 7);
    g_assert_cmpfloat(mt_node_float(copy, "f", 0), ==, 0.5);
    g_assert_cmpstr(mt_node_string(copy, "s", ""), ==, "text");
    g_assert_cmpint(mt_node_ints(copy, "list", &n)[2], ==, 3);
    g_assert_cmpint(n, ==, 3);
    g_assert_nonnull(mt_node_ints(copy, "none", &n));
    g_assert_cmpint(n, ==, 0);
    g_assert_null(mt_node_ints(copy, "absent", &n));
    g_assert_cmpint(mt_node_int(copy, "s", 5), ==, 5); /* of another type: as absent */
}

static void test_clone_shares_constants(void)
{
    static const int64_t shape[] = {2, -1};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    mt_value *x = input_2d(graph), *list = constant_ints(graph, 2, shape), *y = add(graph, "Reshape", x, list);

    mt_graph_mark_output(graph, y);
    g_autoptr(mt_graph) clone = mt_graph_clone(graph);
    const mt_node *node = clone->nodes->pdata[0];
    g_assert_true(mt_node_input(node, 1) != list);
    g_assert_true(mt_node_input(node, 1)->constant == list->constant);
    g_assert_true(mt_node_output(node, 0)->producer == node);
    g_assert_true(clone->outputs->pdata[0] == mt_node_output(node, 0));
}

/* x (N, 6) -> Shape -> Gather 0 -> ... -> Reshape: all of the arithmetic folds once N is bound, and nothing before. */
static void test_shape_arithmetic_folds(void)
{
    static const int64_t zero[] = {0}, rest[] = {2, 3}, bound[] = {5, 6};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    g_autoptr(GError) error = NULL;
    mt_value *x = input_2d(graph), *shape = add(graph, "Shape", x, NULL);
    mt_value *n = add(graph, "Gather", shape, constant_ints(graph, 1, zero));
    mt_value *parts[] = {n, constant_ints(graph, 2, rest)};
    mt_node  *concat = mt_graph_add_node(graph, "Concat", NULL, parts, 2, 1, NULL, NULL);
    mt_value *y = add(graph, "Reshape", x, mt_node_output(concat, 0));

    mt_node_set_int(concat, "axis", 0);
    mt_graph_mark_output(graph, y);
    g_assert_true(mt_graph_infer(graph, &error));
    g_assert_cmpuint(graph->nodes->len, ==, 4);
    g_assert_cmpint(y->rank, ==, 3);
    g_assert_cmpint(y->shape[0], ==, -1);
    g_assert_true(mt_graph_bind(graph, 0, 2, bound, &error));
    g_assert_true(mt_graph_infer(graph, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(graph->nodes->len, ==, 1);
    g_assert_cmpint(y->shape[0], ==, 5);
    g_assert_cmpint(y->shape[1], ==, 2);
    g_assert_cmpint(y->shape[2], ==, 3);
}

/* A reshaped weight is a view of it, and one that keeps its shape the very same tensor. */
static void test_folded_views_share_memory(void)
{
    static const int64_t numbers[] = {1, 2, 3, 4}, square[] = {2, 2};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    mt_value *w = constant_ints(graph, 4, numbers), *same = add(graph, "Identity", w, NULL);
    mt_value *reshaped = add(graph, "Reshape", w, constant_ints(graph, 2, square));

    mt_graph_mark_output(graph, same);
    mt_graph_mark_output(graph, reshaped);
    g_assert_true(mt_graph_infer(graph, NULL));
    g_assert_true(same->constant == w->constant);
    g_assert_true(reshaped->constant->data == w->constant->data);
    g_assert_cmpint(reshaped->constant->rank, ==, 2);
}

/* Thirty expansions of 64 MiB each would take 1.9 GiB at load time: only the first four are folded. */
static void test_folding_has_a_budget(void)
{
    static const int64_t shape[] = {8, 1 << 20};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    mt_value *one = constant_ints(graph, 1, shape), *list = constant_ints(graph, 2, shape);
    int       folded = 0;

    for (int i = 0; i < 30; i++)
        mt_graph_mark_output(graph, add(graph, "Expand", one, list));
    g_assert_true(mt_graph_infer(graph, NULL));
    for (int i = 0; i < 30; i++)
        folded += ((mt_value *)graph->outputs->pdata[i])->constant != NULL;
    g_assert_cmpint(folded, ==, 4);
}

static void test_bind_refused(void)
{
    static const int64_t wrong[] = {5, 7}, flat[] = {30};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    g_autoptr(GError) error = NULL, rank_error = NULL, type_error = NULL;
    g_autoptr(mt_tensor) list = ints(2, wrong);

    input_2d(graph);
    g_assert_false(mt_graph_bind(graph, 0, 2, wrong, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, "bind input 'x': the model wants ?x6, 5x7 was given");
    g_assert_false(mt_graph_bind(graph, 0, 1, flat, &rank_error));
    g_assert_cmpstr(rank_error->message, ==, "bind input 'x': the model wants ?x6, 30 was given");
    g_assert_false(mt_graph_bind_value(graph, 0, list, &type_error));
    g_assert_cmpstr(type_error->message, ==, "bind input 'x': the model wants float32, int64 was given");
}

/* The shape is data: refused when bound by shape alone, known when bound by value. */
static void test_bind_value(void)
{
    static const int64_t n[] = {2}, wanted[] = {3, 4};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_tensor) list = ints(2, wanted);
    mt_value *s = mt_graph_add_input(graph, "s", MT_I64, 1, n), *y = add(graph, "ConstantOfShape", s, NULL);

    mt_graph_mark_output(graph, y);
    g_assert_true(mt_graph_infer_open(graph, NULL));
    g_assert_false(mt_graph_infer(graph, &error));
    g_assert_cmpstr(error->message, ==,
                    "node ConstantOfShape (ConstantOfShape, opset 13): the shape of its output depends on data; only shapes that follow "
                    "from the inputs' are supported");
    g_assert_true(mt_graph_bind_value(graph, 0, list, NULL));
    g_assert_true(mt_graph_infer(graph, NULL));
    g_assert_cmpint(y->shape[0], ==, 3);
    g_assert_cmpint(y->shape[1], ==, 4);
}

static void test_infer_refused(void)
{
    static const int64_t five[] = {5}, shape[] = {4, 6};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    g_autoptr(GError) error = NULL;
    mt_value *x = mt_graph_add_input(graph, "x", MT_I64, 2, shape);

    mt_graph_mark_output(graph, add(graph, "Add", x, mt_graph_add_input(graph, "b", MT_I64, 1, five)));
    g_assert_false(mt_graph_infer(graph, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, "node Add (Add, opset 13): shapes 4x6 and 5 do not broadcast");
}

static void test_execute(void)
{
    static const int64_t numbers[] = {-1, 2, -3}, three[] = {3};
    g_autoptr(mt_graph) graph = mt_graph_new(13);
    g_autoptr(GError) error = NULL, wrong_error = NULL;
    g_autoptr(mt_tensor) x = ints(3, numbers), wrong = ints(2, numbers);
    mt_tensor       *outputs[2] = {NULL, NULL};
    const mt_tensor *inputs[] = {x}, *wrong_inputs[] = {wrong};
    mt_value        *in = mt_graph_add_input(graph, "x", MT_I64, 1, three), *a = add(graph, "Neg", in, NULL);

    mt_graph_mark_output(graph, add(graph, "Add", a, a));
    mt_graph_mark_output(graph, in); /* an input may be an output too */
    g_assert_true(mt_graph_infer(graph, NULL));
    g_assert_true(mt_reference_execute(graph, inputs, outputs, &error));
    for (int i = 0; i < 3; i++)
        g_assert_cmpint(((int64_t *)outputs[0]->data)[i], ==, -2 * numbers[i]);
    g_assert_true(outputs[1] == x);
    mt_tensor_unref(outputs[0]);
    mt_tensor_unref(outputs[1]);
    g_assert_false(mt_reference_execute(graph, wrong_inputs, outputs, &wrong_error));
    g_assert_cmpstr(wrong_error->message, ==, "input 'x': int64 of 3 is wanted, int64 of 2 was given");
    g_assert_null(outputs[0]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/graph/uses", test_uses);
    g_test_add_func("/graph/insert-and-remove", test_insert_and_remove);
    g_test_add_func("/graph/unknown-operator", test_unknown_operator);
    g_test_add_func("/graph/attributes", test_attributes);
    g_test_add_func("/graph/clone-shares-constants", test_clone_shares_constants);
    g_test_add_func("/graph/shape-arithmetic-folds", test_shape_arithmetic_folds);
    g_test_add_func("/graph/folded-views-share-memory", test_folded_views_share_memory);
    g_test_add_func("/graph/folding-has-a-budget", test_folding_has_a_budget);
    g_test_add_func("/graph/bind-refused", test_bind_refused);
    g_test_add_func("/graph/bind-value", test_bind_value);
    g_test_add_func("/graph/infer-refused", test_infer_refused);
    g_test_add_func("/graph/execute", test_execute);
    return g_test_run();
}
