/* The life of a session, whatever its backend: bind, lower, plan, run. */
#include "kernels/graph/session_private.h"

#include "kernels/graph/memory_plan.h"
#include "kernels/graph/passes.h"
#include "kernels/graph/work.h"
#include "kernels/onnx/model_private.h"
#include "src/base/alloc.h"

#include <omp.h>
#include <string.h>

#if MT_HAVE_ONEDNN
#define BEST_BACKEND MT_BACKEND_ONEDNN
#else
#define BEST_BACKEND MT_BACKEND_REFERENCE
#endif

static void free_step(gpointer data)
{
    mt_step *step = data;

    if (step->free != NULL)
        step->free(step->context);
    g_free(step->name);
    g_ptr_array_unref(step->reads);
    g_ptr_array_unref(step->writes);
    g_free(step);
}

mt_buffer *mt_session_buffer(mt_session *session, size_t bytes)
{
    mt_buffer *buffer = g_new0(mt_buffer, 1);

    *buffer = (mt_buffer){.kind = MT_BUFFER_ARENA, .bytes = bytes, .first = G_MAXINT, .last = -1};
    g_ptr_array_add(session->buffers, buffer);
    return buffer;
}

mt_buffer *mt_session_constant(mt_session *session, const void *data, size_t bytes)
{
    mt_buffer *buffer = mt_session_buffer(session, bytes);

    buffer->kind = MT_BUFFER_CONSTANT;
    buffer->data = (void *)data;
    return buffer;
}

mt_step *mt_session_step(mt_session *session, const char *name, const char *implementation, void *context, void (*free_context)(void *))
{
    mt_step *step = g_new0(mt_step, 1);

    step->name = g_strdup(name);
    step->implementation = implementation;
    step->context = context;
    step->free = free_context;
    step->node = session->lowering;
    step->reads = g_ptr_array_new();
    step->writes = g_ptr_array_new();
    g_ptr_array_add(session->steps, step);
    return step;
}

static void touch(const mt_session *session, mt_buffer *buffer)
{
    int now = (int)session->steps->len - 1;

    buffer->first = MIN(buffer->first, now);
    buffer->last = MAX(buffer->last, now);
}

void mt_step_reads(mt_session *session, mt_step *step, mt_buffer *buffer)
{
    g_ptr_array_add(step->reads, buffer);
    touch(session, buffer);
}

void mt_step_writes(mt_session *session, mt_step *step, mt_buffer *buffer)
{
    g_ptr_array_add(step->writes, buffer);
    touch(session, buffer);
}

static mt_buffer *owner_of(mt_buffer *buffer)
{
    while (buffer->shared != NULL)
        buffer = buffer->shared;
    return buffer;
}

/* Where a step may work in place and its source dies there, the result takes over the source's memory. */
static void share_buffers(mt_session *session)
{
    for (guint i = 0; i < session->steps->len; i++) {
        mt_step   *step = session->steps->pdata[i];
        mt_buffer *from = step->reuse_from, *to = step->reuse_to;

        if (from == NULL || to == NULL || from->kind != MT_BUFFER_ARENA || to->kind != MT_BUFFER_ARENA)
            continue;
        from = owner_of(from);
        if (to->shared != NULL || from == to || from->last != (int)i || to->first != (int)i || to->bytes > from->bytes)
            continue;
        to->shared = from;
        from->last = MAX(from->last, to->last);
    }
}

static bool plan_memory(mt_session *session, GError **error)
{
    g_autofree mt_extent *extents = g_new0(mt_extent, session->buffers->len + 1);
    int                   n = 0;

    for (int i = 0; i < session->n_outputs; i++)
        session->results[i]->last = (int)session->steps->len;
    share_buffers(session);
    for (guint i = 0; i < session->buffers->len; i++) {
        const mt_buffer *b = session->buffers->pdata[i];
        if (b->kind == MT_BUFFER_ARENA && b->shared == NULL)
            extents[n++] = (mt_extent){.bytes = b->bytes, .first = b->first, .last = MAX(b->first, b->last)};
    }
    session->arena_bytes = mt_memory_plan(extents, n);
    for (guint i = 0; i < session->steps->len; i++)
        session->scratch_bytes = MAX(session->scratch_bytes, ((mt_step *)session->steps->pdata[i])->scratch_bytes);
    session->arena = mt_alloc((int64_t)session->arena_bytes, 1, error);
    session->scratch = session->arena == NULL ? NULL : mt_alloc((int64_t)session->scratch_bytes, 1, error);
    if (session->scratch == NULL)
        return false;
    n = 0;
    for (guint i = 0; i < session->buffers->len; i++) {
        mt_buffer *b = session->buffers->pdata[i];
        if (b->kind == MT_BUFFER_ARENA && b->shared == NULL)
            b->data = (char *)session->arena + extents[n++].offset;
    }
    for (guint i = 0; i < session->buffers->len; i++) {
        mt_buffer *b = session->buffers->pdata[i];
        b->data = owner_of(b)->data;
    }
    return true;
}

static bool bind_steps(mt_session *session, GError **error)
{
    for (guint i = 0; i < session->steps->len; i++) {
        mt_step *step = session->steps->pdata[i];
        if (step->bind != NULL && !step->bind(step, session, error))
            return false;
    }
    return true;
}

/* Which inputs are fixed by value: none, lists of integers (shapes, axes, bounds), all. */
enum { FIX_NONE, FIX_LISTS, FIX_ALL };

static bool is_fixed(const mt_session_params *params, int i, int fix)
{
    const mt_port *port = &params->inputs[i];

    if (fix == FIX_NONE || params->values[i] == NULL)
        return false;
    return fix == FIX_ALL || (fix == FIX_LISTS && port->rank <= 1 && (port->dtype == MT_I64 || port->dtype == MT_I32));
}

static bool bind_input(mt_session *session, const mt_session_params *params, int i, int fix, GError **error)
{
    const mt_port  *port = &params->inputs[i];
    const mt_value *value = session->graph->inputs->pdata[i];

    if (port->dtype != value->dtype) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "bind input '%s': the model wants %s, %s was given", value->name,
                    mt_dtype_name(value->dtype), mt_dtype_name(port->dtype));
        return false;
    }
    if (!is_fixed(params, i, fix))
        return mt_graph_bind(session->graph, i, port->rank, port->shape, error);
    return mt_graph_bind_value(session->graph, i, (mt_tensor *)params->values[i], error);
}

static bool bind_all(mt_session *session, const mt_session_params *params, int fix, GError **error)
{
    for (int i = 0; i < params->n_inputs; i++)
        if (!bind_input(session, params, i, fix, error))
            return false;
    if (!mt_graph_infer(session->graph, error))
        return false;
    mt_graph_sweep(session->graph);
    return true;
}

/* By shapes alone; where that leaves a shape open and values are given, by those. */
static bool bind_shapes(mt_session *session, const mt_session_params *params, const mt_graph *graph, GError **error)
{
    int most = params->values != NULL ? FIX_ALL : FIX_NONE;

    for (int fix = FIX_NONE; fix <= most; fix++) {
        session->graph = mt_graph_clone(graph);
        session->graph->fold_quantised |= params->backend == MT_BACKEND_REFERENCE;
        if (bind_all(session, params, fix, fix == most ? error : NULL))
            return true;
        if (fix < most)
            g_clear_pointer(&session->graph, mt_graph_free);
    }
    return false;
}

static void note_outputs(mt_session *session)
{
    for (int i = 0; i < session->n_outputs; i++) {
        const mt_value *value = session->graph->outputs->pdata[i];
        mt_port        *port = &session->outputs[i];

        *port = (mt_port){.name = mt_model_output(session->model, i)->name, .dtype = value->dtype, .rank = value->rank};
        memcpy(port->shape, value->shape, sizeof port->shape);
    }
}

/* On a CPU without bfloat16 the library's product rounds differently for each number of threads: one it is. */
static int threads_of(const mt_session_params *params)
{
    return params->precision == MT_PRECISION_BF16 && !mt_precision_is_native(MT_PRECISION_BF16) ? 1 : params->threads;
}

static mt_session *new_empty(mt_model *model, const mt_session_params *params, const mt_graph *graph)
{
    mt_session *session = g_new0(mt_session, 1);

    session->model = mt_model_ref(model);
    session->backend = params->backend == MT_BACKEND_AUTO ? BEST_BACKEND : params->backend;
    session->precision = params->precision;
    session->threads = threads_of(params);
    session->profile = params->profile;
    session->n_inputs = (int)graph->inputs->len;
    session->n_outputs = (int)graph->outputs->len;
    session->outputs = g_new0(mt_port, session->n_outputs + 1);
    session->inputs = g_new0(mt_buffer *, session->n_inputs + 1);
    session->results = g_new0(mt_buffer *, session->n_outputs + 1);
    session->result_offsets = g_new0(size_t, session->n_outputs + 1);
    session->buffers = g_ptr_array_new_with_free_func(g_free);
    session->steps = g_ptr_array_new_with_free_func(free_step);
    session->declined = g_hash_table_new(NULL, NULL);
    return session;
}

static void make_inputs(mt_session *session)
{
    for (int i = 0; i < session->n_inputs; i++) {
        const mt_value *value = session->graph->inputs->pdata[i];
        size_t          bytes = mt_dtype_size(value->dtype);

        for (int k = 0; k < value->rank; k++)
            bytes *= (size_t)value->shape[k];
        session->inputs[i] = mt_session_buffer(session, bytes);
        session->inputs[i]->kind = MT_BUFFER_INPUT;
        session->inputs[i]->input = i;
    }
}

static bool lower(mt_session *session, GError **error)
{
#if MT_HAVE_ONEDNN
    if (session->backend == MT_BACKEND_ONEDNN)
        return mt_passes_of_session(session->graph, session->precision == MT_PRECISION_INT8, error) && mt_onednn_lower(session, error);
#endif
    return mt_reference_lower(session, error);
}

static bool prepare(mt_session *session, const mt_session_params *params, const mt_graph *graph, GError **error)
{
    if (!bind_shapes(session, params, graph, error))
        return false;
    note_outputs(session);
    make_inputs(session);
    session->flop = mt_graph_flop(session->graph);
    if (!lower(session, error))
        return false;
    mt_session_note_work(session);
    return plan_memory(session, error) && bind_steps(session, error);
}

static bool check_params(const mt_model *model, const mt_session_params *params, GError **error)
{
    if (params->threads < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "make a session: threads is %d, at least 1 is needed", params->threads);
        return false;
    }
    if (params->n_inputs != mt_model_n_inputs(model)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "make a session: shapes of %d inputs were given, the model has %d", params->n_inputs,
                    mt_model_n_inputs(model));
        return false;
    }
    if (params->precision == MT_PRECISION_INT8 && !mt_model_is_quantized(model)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "make a session in int8: the model has no QuantizeLinear nodes; `microtome model quantize` makes one that has");
        return false;
    }
    if (params->backend == MT_BACKEND_ONEDNN && BEST_BACKEND != MT_BACKEND_ONEDNN) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "make a session: this build has no oneDNN; use the reference backend");
        return false;
    }
    return true;
}

mt_session *mt_session_new(mt_model *model, const mt_session_params *params, GError **error)
{
    const mt_graph *graph = model->graph;
    mt_compiled    *compiled = NULL;

    if (!check_params(model, params, error))
        return NULL;
    if (params->backend != MT_BACKEND_REFERENCE && BEST_BACKEND == MT_BACKEND_ONEDNN) {
        compiled = mt_model_compiled(model, params->precision == MT_PRECISION_INT8, error);
        if (compiled == NULL)
            return NULL;
        graph = mt_compiled_graph(compiled);
    }
    g_autoptr(mt_session) session = new_empty(model, params, graph);
    session->compiled = compiled;
    int saved = omp_get_max_threads();
    omp_set_num_threads(session->threads); /* oneDNN splits work for the threads it sees when a primitive is made */
    bool ready = prepare(session, params, graph, error);
    omp_set_num_threads(saved);
    return ready ? g_steal_pointer(&session) : NULL;
}

void mt_session_free(mt_session *session)
{
    if (session == NULL)
        return;
    g_ptr_array_unref(session->steps);
    if (session->backend_free != NULL)
        session->backend_free(session->backend_data);
    g_ptr_array_unref(session->buffers);
    mt_free(session->arena);
    mt_free(session->scratch);
    g_hash_table_unref(session->declined);
    g_free(session->inputs);
    g_free(session->results);
    g_free(session->result_offsets);
    g_free(session->outputs);
    mt_graph_free(session->graph);
    mt_model_unref(session->model);
    g_free(session);
}

const mt_port *mt_session_output(const mt_session *session, int i)
{
    return i >= 0 && i < session->n_outputs ? &session->outputs[i] : NULL;
}

static bool run_step(mt_session *session, mt_step *step, GError **error)
{
    gint64 begin = session->profile ? g_get_monotonic_time() : 0;
    bool   done = step->run(step, session, error);

    if (session->profile)
        step->seconds += (double)(g_get_monotonic_time() - begin) * 1e-6;
    return done;
}

static bool run_steps(mt_session *session, GError **error)
{
    for (guint i = 0; i < session->steps->len; i++) {
        mt_step *step = session->steps->pdata[i];

        if (run_step(session, step, error))
            continue;
        g_prefix_error(error, "run node '%s': ", step->name);
        return false;
    }
    return true;
}

static void copy_results(const mt_session *session, void *const *outputs)
{
    for (int i = 0; i < session->n_outputs; i++) {
        const mt_port *port = &session->outputs[i];
        size_t         bytes = mt_dtype_size(port->dtype);

        for (int k = 0; k < port->rank; k++)
            bytes *= (size_t)port->shape[k];
        if (outputs[i] != NULL && bytes > 0)
            memcpy(outputs[i], (const char *)session->results[i]->data + session->result_offsets[i], bytes);
    }
}

static bool take_inputs(mt_session *session, const void *const *inputs, GError **error)
{
    for (int i = 0; i < session->n_inputs; i++) {
        const mt_tensor *fixed = ((const mt_value *)session->graph->inputs->pdata[i])->constant;
        size_t           bytes = session->inputs[i]->bytes;
        const char      *why = inputs[i] == NULL && bytes > 0 ? "is missing" : NULL;

        if (why == NULL && fixed != NULL && bytes > 0 && memcmp(fixed->data, inputs[i], bytes) != 0)
            why = "is not the one that the session's shapes follow from; make a session for it";
        if (why != NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "run the model: input '%s' %s", mt_model_input(session->model, i)->name, why);
            return false;
        }
        session->inputs[i]->data = (void *)inputs[i];
    }
    return true;
}

bool mt_session_run(mt_session *session, const void *const *inputs, void *const *outputs, GError **error)
{
    int saved = omp_get_max_threads();

    if (!take_inputs(session, inputs, error))
        return false;
    omp_set_num_threads(session->threads);
    bool done = run_steps(session, error);
    omp_set_num_threads(saved);
    session->n_runs++;
    if (done)
        copy_results(session, outputs);
    return done;
}

double mt_session_flop(const mt_session *session)
{
    return session->flop;
}

size_t mt_session_bytes(const mt_session *session)
{
    return session->arena_bytes + session->scratch_bytes;
}
