#include "tests/kernels/graph_maker.h"

#include "kernels/graph/model_from_graph.h"

#include <math.h>
#include <string.h>

maker maker_new(guint32 seed, int opset)
{
    return (maker){.graph = mt_graph_new(opset), .rand = g_rand_new_with_seed(seed)};
}

void maker_clear(maker *m)
{
    g_clear_pointer(&m->graph, mt_graph_free);
    g_clear_pointer(&m->rand, g_rand_free);
}

mt_value *maker_input(maker *m, int rank, const int64_t *shape)
{
    return mt_graph_add_input(m->graph, NULL, MT_F32, rank, shape);
}

static mt_tensor *random_tensor(GRand *rand, double scale, double offset, int rank, const int64_t *shape)
{
    mt_tensor *tensor = mt_tensor_new(MT_F32, rank, shape, NULL);

    for (int64_t i = 0; i < mt_tensor_count(tensor); i++)
        ((float *)tensor->data)[i] = (float)(offset + scale * g_rand_double_range(rand, -1, 1));
    return tensor;
}

mt_value *maker_constant(maker *m, double scale, double offset, int rank, const int64_t *shape)
{
    g_autoptr(mt_tensor) tensor = random_tensor(m->rand, scale, offset, rank, shape);

    return mt_graph_add_constant(m->graph, NULL, tensor);
}

mt_value *maker_number(maker *m, double number)
{
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_F32, 0, NULL, NULL);

    *(float *)tensor->data = (float)number;
    return mt_graph_add_constant(m->graph, NULL, tensor);
}

mt_value *maker_list(maker *m, int n, const int64_t *values)
{
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_I64, 1, (int64_t[]){n}, NULL);

    memcpy(tensor->data, values, (size_t)n * sizeof *values);
    return mt_graph_add_constant(m->graph, NULL, tensor);
}

mt_value *maker_op(maker *m, const char *op, int n, mt_value *const *inputs)
{
    g_autoptr(GError) error = NULL;
    mt_node *node = mt_graph_add_node(m->graph, op, NULL, inputs, n, 1, NULL, &error);

    g_assert_no_error(error);
    return mt_node_output(node, 0);
}

mt_node *maker_node(const mt_value *value)
{
    return value->producer;
}

void maker_ints(mt_value *value, const char *name, int n, const int64_t *values)
{
    mt_node_set_ints(value->producer, name, values, n);
}

mt_model *maker_model(mt_graph *graph)
{
    g_autoptr(GError) error = NULL;
    mt_model *model = mt_model_new_from_graph(graph, "test", &error);

    g_assert_no_error(error);
    return model;
}

GPtrArray *maker_inputs(const mt_model *model, guint32 seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    GPtrArray *inputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    for (int i = 0; i < mt_model_n_inputs(model); i++) {
        const mt_port *port = mt_model_input(model, i);
        g_ptr_array_add(inputs, random_tensor(rand, 1, 0, port->rank, port->shape));
    }
    return inputs;
}

static mt_session *new_session(mt_model *model, mt_backend backend, mt_precision precision, int threads, GPtrArray *inputs, GError **error)
{
    g_autofree mt_port *ports = g_new0(mt_port, inputs->len + 1);
    mt_session_params   params = {.backend = backend,
                                  .precision = precision,
                                  .threads = threads,
                                  .inputs = ports,
                                  .n_inputs = (int)inputs->len,
                                  .values = (const mt_tensor *const *)inputs->pdata};

    for (guint i = 0; i < inputs->len; i++) {
        const mt_tensor *t = inputs->pdata[i];
        ports[i] = (mt_port){.dtype = t->dtype, .rank = t->rank};
        memcpy(ports[i].shape, t->shape, sizeof ports[i].shape);
    }
    return mt_session_new(model, &params, error);
}

static bool run_session(mt_session *session, int n_outputs, GPtrArray *inputs, GPtrArray *outputs, GError **error)
{
    g_autofree const void **in = g_new0(const void *, inputs->len + 1);
    g_autofree void       **out = g_new0(void *, n_outputs + 1);

    for (guint i = 0; i < inputs->len; i++)
        in[i] = ((const mt_tensor *)inputs->pdata[i])->data;
    for (int i = 0; i < n_outputs; i++) {
        const mt_port *port = mt_session_output(session, i);
        mt_tensor     *t = mt_tensor_new(port->dtype, port->rank, port->shape, error);

        if (t == NULL)
            return false;
        g_ptr_array_add(outputs, t);
        out[i] = t->data;
    }
    return mt_session_run(session, in, out, error);
}

GPtrArray *maker_run_in(mt_model *model, mt_backend backend, mt_precision precision, int threads, GPtrArray *inputs, GError **error)
{
    g_autoptr(mt_session) session = new_session(model, backend, precision, threads, inputs, error);
    g_autoptr(GPtrArray) outputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    if (session == NULL || !run_session(session, mt_model_n_outputs(model), inputs, outputs, error))
        return NULL;
    return g_steal_pointer(&outputs);
}

GPtrArray *maker_run(mt_model *model, mt_backend backend, int threads, GPtrArray *inputs, GError **error)
{
    return maker_run_in(model, backend, MT_PRECISION_FP32, threads, inputs, error);
}

double maker_error(const mt_tensor *given, const mt_tensor *wanted)
{
    double difference = 0, norm = 0;

    for (int64_t i = 0; i < mt_tensor_count(wanted); i++) {
        double g = ((const float *)given->data)[i], w = ((const float *)wanted->data)[i];

        difference += (g - w) * (g - w);
        norm += w * w;
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static void check_equal(const char *what, GPtrArray *a, GPtrArray *b)
{
    for (guint i = 0; i < a->len; i++) {
        const mt_tensor *x = a->pdata[i], *y = b->pdata[i];

        if (memcmp(x->data, y->data, mt_tensor_bytes(x)) != 0)
            g_error("%s: output %u differs between two runs", what, i);
    }
}

static void check_close(const char *what, GPtrArray *given, GPtrArray *wanted, double tolerance)
{
    for (guint i = 0; i < wanted->len; i++) {
        double e = maker_error(given->pdata[i], wanted->pdata[i]);

        if (!(e <= tolerance))
            g_error("%s: output %u: relative error %g", what, i, e);
    }
}

/* bfloat16 keeps 8 bits: a few roundings in a row stay within 2 %. */
static void check_half(mt_model *model, const char *what, GPtrArray *inputs, GPtrArray *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("%s in bf16", what);
    g_autoptr(GPtrArray) one = maker_run_in(model, MT_BACKEND_AUTO, MT_PRECISION_BF16, 1, inputs, &error), two = NULL;

    g_assert_no_error(error);
    two = maker_run_in(model, MT_BACKEND_AUTO, MT_PRECISION_BF16, 2, inputs, &error);
    g_assert_no_error(error);
    check_equal(name, one, two);
    check_close(name, one, wanted, 2e-2);
}

void maker_check(maker *m, const char *what, double tolerance, int n_outputs, mt_value *const *outputs)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_model) model = NULL;
    g_autoptr(GPtrArray) inputs = NULL, wanted = NULL, one = NULL, two = NULL;

    for (int i = 0; i < n_outputs; i++)
        mt_graph_mark_output(m->graph, outputs[i]);
    model = mt_model_new_from_graph(g_steal_pointer(&m->graph), what, &error);
    g_assert_no_error(error);
    inputs = maker_inputs(model, 5);
    wanted = maker_run(model, MT_BACKEND_REFERENCE, 1, inputs, &error);
    g_assert_no_error(error);
    for (int round = 0; round < 2; round++) {
        g_clear_pointer(&one, g_ptr_array_unref);
        one = maker_run(model, MT_BACKEND_AUTO, 1, inputs, &error);
        g_assert_no_error(error);
        g_clear_pointer(&two, g_ptr_array_unref);
        two = maker_run(model, MT_BACKEND_AUTO, 2, inputs, &error);
        g_assert_no_error(error);
        check_equal(what, one, two);
    }
    check_close(what, one, wanted, tolerance);
    check_half(model, what, inputs, wanted);
    maker_clear(m);
}
