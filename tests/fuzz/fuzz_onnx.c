/* ONNX models: wire format, import, shape inference, constant folding, every graph pass, and a session of both backends that
 * runs once, fed with zeros, where it is small. */
#include "tests/fuzz/fuzz_target.h"

#include "kernels/onnx/model_private.h"

#define OPEN_DIMENSION 2
#define INPUT_ELEMENTS_MAX (1 << 16)
#define SESSION_BYTES_MAX ((size_t)16 << 20)
#define GRAPH_BYTES_MAX ((double)(64 << 20))
#define FLOP_MAX 1e8

/* Ports with every dimension bound; 0 where the model wants more than a fuzzer should feed it. */
static bool bind_ports(const mt_model *model, mt_port *ports)
{
    for (int i = 0; i < mt_model_n_inputs(model); i++) {
        int64_t count = 1;

        ports[i] = *mt_model_input(model, i);
        ports[i].rank = MAX(ports[i].rank, 0);
        for (int k = 0; k < ports[i].rank; k++) {
            ports[i].shape[k] = ports[i].shape[k] < 0 ? OPEN_DIMENSION : ports[i].shape[k];
            if (ports[i].shape[k] > INPUT_ELEMENTS_MAX || (count *= MAX(ports[i].shape[k], 1)) > INPUT_ELEMENTS_MAX)
                return false;
        }
    }
    return true;
}

static double graph_bytes(const mt_graph *graph)
{
    double sum = 0;

    for (guint i = 0; i < graph->values->len; i++) {
        const mt_value *value = graph->values->pdata[i];
        double          bytes = (double)mt_dtype_size(value->dtype);

        for (int k = 0; k < value->rank; k++)
            bytes *= (double)value->shape[k];
        sum += MAX(bytes, 0); /* an open dimension is negative */
    }
    return sum;
}

/* A session may ask for as much memory as its model's tensors take; a fuzzer is not to have it.  Bound by shapes, else by lists
 * of integers, else by all values, as a session does it; where nothing works there is no session either, but what stands before the
 * fault was folded on the way. */
static bool is_small(const mt_model *model, GPtrArray *tensors)
{
    for (int fix = 0; fix < 3; fix++) {
        g_autoptr(mt_graph) graph = mt_graph_clone(model->graph);
        bool bound = true;

        for (guint i = 0; i < tensors->len && bound; i++) {
            mt_tensor *t = tensors->pdata[i];
            bool       fixed = fix == 2 || (fix == 1 && t->rank <= 1 && (t->dtype == MT_I64 || t->dtype == MT_I32));

            bound = fixed ? mt_graph_bind_value(graph, (int)i, t, NULL) : mt_graph_bind(graph, (int)i, t->rank, t->shape, NULL);
        }
        bool inferred = bound && mt_graph_infer(graph, NULL);
        if (inferred || graph_bytes(graph) > GRAPH_BYTES_MAX)
            return graph_bytes(graph) <= GRAPH_BYTES_MAX;
    }
    return true;
}

static void run_once(mt_session *session, int n_outputs, GPtrArray *tensors)
{
    g_autofree const void **inputs = g_new0(const void *, tensors->len + 1);
    g_autofree void       **outputs = g_new0(void *, n_outputs + 1); /* none is wanted */

    for (guint i = 0; i < tensors->len; i++)
        inputs[i] = ((const mt_tensor *)tensors->pdata[i])->data;
    mt_session_run(session, inputs, outputs, NULL);
}

static void try_backend(mt_model *model, mt_backend backend, const mt_port *ports, GPtrArray *tensors)
{
    mt_session_params params = {.backend = backend,
                                .threads = 1,
                                .inputs = ports,
                                .n_inputs = (int)tensors->len,
                                .values = (const mt_tensor *const *)tensors->pdata};
    g_autoptr(mt_session) session = mt_session_new(model, &params, NULL);

    if (session != NULL && mt_session_bytes(session) <= SESSION_BYTES_MAX && mt_session_flop(session) <= FLOP_MAX)
        run_once(session, mt_model_n_outputs(model), tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(mt_model) model = mt_model_load_bytes(bytes, "fuzz.onnx", NULL);

    if (model == NULL)
        return 0;
    int                            n = mt_model_n_inputs(model);
    G_GNUC_UNUSED g_autofree char *operators = mt_model_operators(model);
    g_autofree mt_port            *ports = g_new0(mt_port, n + 1);
    g_autoptr(GPtrArray) tensors = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    for (int i = 0; i < n; i++)
        g_assert(mt_model_input(model, i)->rank <= MT_MAX_RANK);
    if (!bind_ports(model, ports))
        return 0;
    for (int i = 0; i < n; i++) {
        mt_tensor *tensor = mt_tensor_new(ports[i].dtype, ports[i].rank, ports[i].shape, NULL);
        if (tensor == NULL)
            return 0;
        g_ptr_array_add(tensors, tensor);
    }
    if (!is_small(model, tensors))
        return 0;
    try_backend(model, MT_BACKEND_REFERENCE, ports, tensors);
    try_backend(model, MT_BACKEND_AUTO, ports, tensors);
    return 0;
}
