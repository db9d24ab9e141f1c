/* The oneDNN backend: walks the graph and gives each node to its family, or to the reference operator. */
#include "kernels/onednn/lower.h"
#include "kernels/onednn/lowering_private.h"
#include "src/base/alloc.h"

#include <string.h>

static const mt_lower_entry *const families[] = {
    mt_lower_attention, mt_lower_binary,   mt_lower_concat, mt_lower_conv,   mt_lower_eltwise, mt_lower_matmul, mt_lower_norm,
    mt_lower_pool,      mt_lower_quantise, mt_lower_reduce, mt_lower_resize, mt_lower_softmax, mt_lower_views,
};

static void free_runtime(void *data)
{
    mt_runtime *runtime = data;

    g_ptr_array_unref(runtime->packed);
    g_ptr_array_unref(runtime->tensors);
    if (runtime->stream != NULL)
        dnnl_stream_destroy(runtime->stream);
    if (runtime->engine != NULL)
        dnnl_engine_destroy(runtime->engine);
    g_free(runtime);
}

static mt_runtime *new_runtime(GError **error)
{
    mt_runtime *runtime = g_new0(mt_runtime, 1);

    runtime->packed = g_ptr_array_new_with_free_func(mt_free);
    runtime->tensors = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    if (dnnl_engine_create(&runtime->engine, dnnl_cpu, 0) == dnnl_success &&
        dnnl_stream_create(&runtime->stream, runtime->engine, dnnl_stream_default_flags) == dnnl_success)
        return runtime;
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "oneDNN has no CPU engine here; use the reference backend");
    free_runtime(runtime);
    return NULL;
}

static void note_last_uses(mt_lowering *l)
{
    const mt_graph *graph = l->session->graph;

    for (guint i = 0; i < graph->nodes->len; i++) {
        const mt_node *node = graph->nodes->pdata[i];
        for (guint k = 0; k < node->inputs->len; k++)
            g_hash_table_insert(l->last_use, node->inputs->pdata[k], GINT_TO_POINTER((int)i + 1));
    }
    for (guint i = 0; i < graph->outputs->len; i++)
        g_hash_table_insert(l->last_use, graph->outputs->pdata[i], GINT_TO_POINTER((int)graph->nodes->len + 1));
}

static void put_inputs(mt_lowering *l)
{
    for (int i = 0; i < l->session->n_inputs; i++) {
        const mt_value *value = l->session->graph->inputs->pdata[i];
        mt_place        place = {.buffer = l->session->inputs[i], .type = value->dtype, .strided = true};

        mt_view_init(&place.view, value->rank, value->shape);
        mt_lower_put(l, value, &place);
    }
}

bool mt_is_f32(const mt_value *value)
{
    return value != NULL && value->dtype == MT_F32;
}

static size_t value_bytes(const mt_value *value)
{
    size_t bytes = mt_dtype_size(value->dtype);

    for (int i = 0; i < value->rank; i++)
        bytes *= (size_t)value->shape[i];
    return bytes;
}

/* Row-major place of an output of a reference step. */
static mt_place reference_output(mt_lowering *l, const mt_value *value)
{
    mt_place place = {.type = value->dtype, .strided = true};

    mt_view_init(&place.view, value->rank, value->shape);
    place.buffer = mt_session_buffer(l->session, value_bytes(value));
    return place;
}

static bool lower_by_reference(mt_lowering *l, const mt_node *node, GError **error)
{
    guint                  n_inputs = mt_node_own_inputs(node);
    g_autofree mt_buffer **inputs = g_new0(mt_buffer *, n_inputs + 1), **outputs = g_new0(mt_buffer *, node->outputs->len + 1);
    g_autofree size_t     *offsets = g_new0(size_t, n_inputs + 1);
    mt_place               first = {0};

    for (guint i = 0; i < n_inputs; i++) {
        const mt_value *value = node->inputs->pdata[i];
        const mt_place *place = value == NULL || value->constant != NULL ? NULL : mt_lower_plain(l, value, error);

        if (value == NULL || value->constant != NULL)
            continue;
        if (place == NULL)
            return false;
        inputs[i] = place->buffer;
        offsets[i] = place->offset;
    }
    for (guint i = 0; i < node->outputs->len; i++) {
        const mt_value *value = node->outputs->pdata[i];
        mt_place        place;

        if (value == NULL)
            continue;
        place = reference_output(l, value);
        outputs[i] = place.buffer;
        if (i == 0)
            first = place;
        if (i > 0 || node->fused == NULL)
            mt_lower_put(l, value, &place);
    }
    if (!mt_session_reference_step(l->session, node, inputs, offsets, outputs, error))
        return false;
    return node->fused == NULL || mt_posts_apart(l, node, 0, first, error);
}

static const mt_lower_entry *find_lowering(const char *op)
{
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        for (const mt_lower_entry *e = families[i]; e->op != NULL; e++)
            if (strcmp(e->op, op) == 0)
                return e;
    return NULL;
}

void mt_lower_decline(mt_lowering *l, const mt_node *node, const char *reason)
{
    mt_session_decline(l->session, node, reason);
}

/* Primitives speak of float32 and of something: empty values go to the reference. */
static bool is_lowerable(const mt_node *node)
{
    const mt_value *out = mt_node_output(node, 0);

    if (out == NULL || value_bytes(out) == 0)
        return false;
    for (guint i = 0; i < node->inputs->len; i++)
        if (node->inputs->pdata[i] != NULL && value_bytes(node->inputs->pdata[i]) == 0)
            return false;
    return true;
}

/* The type in which the node's float32 values are read and written. */
static mt_dtype storage_of(mt_lowering *l, const mt_lower_entry *entry, const mt_node *node)
{
    const mt_value *in = mt_node_input(node, 0);

    mt_dtype own =
        entry->storage >= MT_STORE_ORDER && mt_is_f32(in) && mt_lower_origin(l, in) != NULL ? mt_lower_origin(l, in)->type : MT_F32;

    if (entry->storage == MT_STORE_ANY || (entry->storage == MT_STORE_ORDER && !mt_is_quantised(own)))
        return l->compute;
    return own;
}

static bool lower_node(mt_lowering *l, const mt_node *node, GError **error)
{
    const mt_lower_entry *entry = find_lowering(node->op);
    mt_lowered            outcome = MT_NOT_HERE;

    l->session->lowering = node;
    if (entry == NULL) {
        mt_lower_decline(l, node, "no primitive does this operator");
    } else if (!is_lowerable(node)) {
        mt_lower_decline(l, node, "an operand or the result is empty");
    } else {
        mt_lower_decline(l, node, "no primitive takes these types, shapes or attributes"); /* until its family says more */
        l->type = storage_of(l, entry, node);
        outcome = entry->lower(l, node, error);
    }
    l->type = MT_F32;
    return outcome == MT_NOT_HERE ? lower_by_reference(l, node, error) : outcome == MT_LOWERED;
}

static bool set_results(mt_lowering *l, GError **error)
{
    for (int i = 0; i < l->session->n_outputs; i++) {
        const mt_place *place = mt_lower_plain(l, l->session->graph->outputs->pdata[i], error);

        if (place == NULL)
            return false;
        l->session->results[i] = place->buffer;
        l->session->result_offsets[i] = place->offset;
    }
    return true;
}

static bool lower_graph(mt_lowering *l, GError **error)
{
    const mt_graph *graph = l->session->graph;

    note_last_uses(l);
    put_inputs(l);
    for (guint i = 0; i < graph->nodes->len; i++) {
        const mt_node *node = graph->nodes->pdata[i];

        l->now = (int)i;
        if (lower_node(l, node, error))
            continue;
        g_prefix_error(error, "lower node '%s' (%s): ", node->name, node->op);
        return false;
    }
    l->session->lowering = NULL;
    return set_results(l, error);
}

/* Quantised nets compute the rest in bfloat16 where that is fast. */
static mt_dtype compute_type(const mt_session *session)
{
    bool bf16 =
        session->precision == MT_PRECISION_BF16 || (session->precision == MT_PRECISION_INT8 && mt_precision_is_native(MT_PRECISION_BF16));

    return bf16 ? MT_BF16 : MT_F32;
}

bool mt_onednn_lower(mt_session *session, GError **error)
{
    mt_lowering l = {.session = session, .runtime = new_runtime(error), .type = MT_F32, .compute = compute_type(session)};
    bool        done;

    if (l.runtime == NULL)
        return false;
    session->backend_data = l.runtime;
    session->backend_free = free_runtime;
    l.places = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
    l.holders = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
    l.last_use = g_hash_table_new(NULL, NULL);
    l.mds = g_ptr_array_new_with_free_func((GDestroyNotify)mt_md_free);
    l.extra = g_ptr_array_new_with_free_func(g_free);
    done = lower_graph(&l, error);
    g_hash_table_unref(l.places);
    g_hash_table_unref(l.holders);
    g_hash_table_unref(l.last_use);
    g_ptr_array_unref(l.mds);
    g_ptr_array_unref(l.extra);
    return done;
}
