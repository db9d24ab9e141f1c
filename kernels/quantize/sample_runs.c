#include "kernels/quantize/sample_runs.h"

#include "kernels/graph/model_from_graph.h"

#include <string.h>

/* Values of one sample that are held at once. */
#define HELD_BYTES (INT64_C(1) << 30)

typedef struct {
    const mt_graph   *graph;
    const GPtrArray  *values;
    const mt_samples *samples;
    mt_visit_fn       visit;
    void             *user;
} runs;

/* The model whose outputs are values first .. first + n - 1 that are no inputs; which[] says which. */
static mt_model *make_model(const runs *r, guint first, guint n, GArray *which, GError **error)
{
    mt_graph *clone = mt_graph_clone(r->graph);

    g_ptr_array_set_size(clone->outputs, 0);
    for (guint i = first; i < first + n; i++) {
        guint index;

        if (g_ptr_array_find(r->graph->inputs, r->values->pdata[i], NULL) ||
            !g_ptr_array_find(r->graph->values, r->values->pdata[i], &index))
            continue;
        mt_graph_mark_output(clone, clone->values->pdata[index]);
        g_array_append_val(which, i);
    }
    mt_graph_sweep(clone);
    return mt_model_new_from_graph(clone, "calibration copy", error);
}

static mt_session *bind(const runs *r, mt_model *model, int sample, GError **error)
{
    mt_tensor *const   *tensors = r->samples->tensors + (ptrdiff_t)sample * r->samples->n_inputs;
    g_autofree mt_port *ports = g_new0(mt_port, r->samples->n_inputs);

    for (int i = 0; i < r->samples->n_inputs; i++) {
        ports[i] = (mt_port){.dtype = tensors[i]->dtype, .rank = tensors[i]->rank};
        memcpy(ports[i].shape, tensors[i]->shape, sizeof ports[i].shape);
    }
    mt_session_params params = {.threads = r->samples->threads, .inputs = ports, .n_inputs = r->samples->n_inputs};
    return mt_session_new(model, &params, error);
}

static bool same_shapes(const runs *r, int a, int b)
{
    for (int i = 0; i < r->samples->n_inputs; i++) {
        const mt_tensor *x = r->samples->tensors[a * r->samples->n_inputs + i], *y = r->samples->tensors[b * r->samples->n_inputs + i];

        if (x->rank != y->rank || memcmp(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape) != 0)
            return false;
    }
    return true;
}

static int64_t output_bytes(const mt_session *session, guint n)
{
    int64_t bytes = 0;

    for (guint i = 0; i < n; i++) {
        const mt_port *port = mt_session_output(session, (int)i);
        int64_t        count = (int64_t)mt_dtype_size(port->dtype);

        for (int k = 0; k < port->rank; k++)
            count *= port->shape[k];
        bytes += count;
    }
    return bytes;
}

static GPtrArray *make_outputs(const mt_session *session, guint n, GError **error)
{
    g_autoptr(GPtrArray) outputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);

    for (guint i = 0; i < n; i++) {
        const mt_port *port = mt_session_output(session, (int)i);
        mt_tensor     *tensor = mt_tensor_new(port->dtype, port->rank, port->shape, error);

        if (tensor == NULL)
            return NULL;
        g_ptr_array_add(outputs, tensor);
    }
    return g_steal_pointer(&outputs);
}

static bool run_sample(const runs *r, mt_session *session, int sample, const GArray *which, GError **error)
{
    g_autoptr(GPtrArray) outputs = make_outputs(session, which->len, error);
    g_autofree void       **out = g_new0(void *, which->len + 1);
    g_autofree const void **in = g_new0(const void *, r->samples->n_inputs + 1);

    if (outputs == NULL)
        return false;
    for (guint i = 0; i < which->len; i++)
        out[i] = ((mt_tensor *)outputs->pdata[i])->data;
    for (int i = 0; i < r->samples->n_inputs; i++)
        in[i] = r->samples->tensors[sample * r->samples->n_inputs + i]->data;
    if (!mt_session_run(session, in, out, error))
        return false;
    for (guint i = 0; i < which->len; i++)
        if (!r->visit(r->user, sample, (int)g_array_index(which, guint, i), outputs->pdata[i], error))
            return false;
    return true;
}

static bool run_part(const runs *r, guint first, guint n, GError **error)
{
    g_autoptr(GArray) which = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(mt_model) model = n == 0 ? NULL : make_model(r, first, n, which, error);
    g_autoptr(mt_session) session = NULL;

    if (n == 0 || (model != NULL && which->len == 0))
        return true;
    for (int sample = 0; model != NULL && sample < r->samples->n; sample++) {
        if (session == NULL || !same_shapes(r, sample, sample - 1)) {
            g_clear_pointer(&session, mt_session_free);
            session = bind(r, model, sample, error);
        }
        if (session == NULL)
            return false;
        if (sample == 0 && n > 1 && output_bytes(session, which->len) > HELD_BYTES) {
            g_clear_pointer(&session, mt_session_free);
            return run_part(r, first, n / 2, error) && run_part(r, first + n / 2, n - n / 2, error);
        }
        if (!run_sample(r, session, sample, which, error))
            return false;
    }
    return model != NULL;
}

static bool show_inputs(const runs *r, GError **error)
{
    for (guint i = 0; i < r->values->len; i++) {
        guint input;

        if (!g_ptr_array_find(r->graph->inputs, r->values->pdata[i], &input))
            continue;
        for (int sample = 0; sample < r->samples->n; sample++)
            if (!r->visit(r->user, sample, (int)i, r->samples->tensors[sample * r->samples->n_inputs + (int)input], error))
                return false;
    }
    return true;
}

bool mt_sample_runs(const mt_graph *graph, const GPtrArray *values, const mt_samples *samples, mt_visit_fn visit, void *user,
                    GError **error)
{
    runs r = {.graph = graph, .values = values, .samples = samples, .visit = visit, .user = user};

    return show_inputs(&r, error) && run_part(&r, 0, values->len, error);
}
