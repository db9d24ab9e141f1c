/* The reference backend: every node through its operator's definition, over row-major memory. */
#include "kernels/graph/fused.h"
#include "kernels/graph/session_private.h"
#include "kernels/reference/operator.h"
#include "kernels/tensor/mapped.h"

#include <string.h>

typedef struct reference_step {
    const mt_node *node;
    int            n_inputs, n_outputs;
    mt_tensor    **inputs, **outputs; /* views, their data set at each run; NULL where the node has none */
    mt_buffer    **input_buffers, **output_buffers;
    size_t        *offsets; /* of the inputs */
} reference_step;

static void free_reference_step(void *context)
{
    reference_step *r = context;

    for (int i = 0; i < r->n_inputs; i++)
        g_clear_pointer(&r->inputs[i], mt_tensor_unref);
    for (int i = 0; i < r->n_outputs; i++)
        g_clear_pointer(&r->outputs[i], mt_tensor_unref);
    g_free(r->inputs);
    g_free(r->outputs);
    g_free(r->input_buffers);
    g_free(r->output_buffers);
    g_free(r->offsets);
    g_free(r);
}

static bool run_reference_step(mt_step *step, mt_session *session, GError **error)
{
    reference_step *r = step->context;

    (void)session;
    for (int i = 0; i < r->n_inputs; i++)
        if (r->input_buffers[i] != NULL)
            r->inputs[i]->data = (char *)r->input_buffers[i]->data + r->offsets[i];
    for (int i = 0; i < r->n_outputs; i++)
        if (r->outputs[i] != NULL)
            r->outputs[i]->data = r->output_buffers[i]->data;
    return r->node->kernel->run(r->node, (const mt_tensor *const *)r->inputs, r->outputs, error);
}

static mt_tensor *view_of(const mt_value *value)
{
    return mt_tensor_new_view(value->dtype, value->rank, value->shape, NULL, NULL);
}

static bool set_input(mt_session *session, mt_step *step, reference_step *r, int i, mt_buffer *buffer, size_t offset, GError **error)
{
    const mt_value *value = mt_node_input(r->node, i);

    if (value == NULL)
        return true;
    if (value->constant != NULL) {
        r->inputs[i] = mt_tensor_aligned(value->constant, error);
        return r->inputs[i] != NULL;
    }
    r->inputs[i] = view_of(value);
    r->input_buffers[i] = buffer;
    r->offsets[i] = offset;
    mt_step_reads(session, step, buffer);
    return true;
}

bool mt_session_reference_step(mt_session *session, const mt_node *node, mt_buffer *const *inputs, const size_t *offsets,
                               mt_buffer *const *outputs, GError **error)
{
    if (node->kernel->run == NULL) {
        mt_node_error(node, error, "there is no implementation of this operator");
        return false;
    }
    reference_step *r = g_new0(reference_step, 1);
    mt_step        *step = mt_session_step(session, node->name, "reference", r, free_reference_step);

    step->run = run_reference_step;
    r->node = node;
    r->n_inputs = (int)mt_node_own_inputs(node);
    r->n_outputs = (int)node->outputs->len;
    r->inputs = g_new0(mt_tensor *, r->n_inputs + 1);
    r->outputs = g_new0(mt_tensor *, r->n_outputs + 1);
    r->input_buffers = g_new0(mt_buffer *, r->n_inputs + 1);
    r->output_buffers = g_new0(mt_buffer *, r->n_outputs + 1);
    r->offsets = g_new0(size_t, r->n_inputs + 1);
    for (int i = 0; i < r->n_inputs; i++)
        if (!set_input(session, step, r, i, inputs[i], offsets == NULL ? 0 : offsets[i], error))
            return false;
    for (int i = 0; i < r->n_outputs; i++) {
        if (outputs[i] == NULL)
            continue;
        r->outputs[i] = view_of(mt_node_output(node, i));
        r->output_buffers[i] = outputs[i];
        mt_step_writes(session, step, outputs[i]);
    }
    return true;
}

static mt_buffer *buffer_of(mt_session *session, GHashTable *places, const mt_value *value)
{
    mt_buffer *buffer = g_hash_table_lookup(places, value);

    if (buffer != NULL)
        return buffer;
    if (value->constant != NULL) {
        buffer = mt_session_constant(session, value->constant->data, mt_tensor_bytes(value->constant));
    } else {
        size_t bytes = mt_dtype_size(value->dtype);

        for (int i = 0; i < value->rank; i++)
            bytes *= (size_t)value->shape[i];
        buffer = mt_session_buffer(session, bytes);
    }
    g_hash_table_insert(places, (gpointer)value, buffer);
    return buffer;
}

static bool lower_node(mt_session *session, GHashTable *places, const mt_node *node, GError **error)
{
    g_autofree mt_buffer **inputs = g_new0(mt_buffer *, node->inputs->len + 1);
    g_autofree mt_buffer **outputs = g_new0(mt_buffer *, node->outputs->len + 1);

    for (guint i = 0; i < node->inputs->len; i++)
        if (node->inputs->pdata[i] != NULL)
            inputs[i] = buffer_of(session, places, node->inputs->pdata[i]);
    for (guint i = 0; i < node->outputs->len; i++)
        if (node->outputs->pdata[i] != NULL)
            outputs[i] = buffer_of(session, places, node->outputs->pdata[i]);
    return mt_session_reference_step(session, node, inputs, NULL, outputs, error);
}

bool mt_reference_lower(mt_session *session, GError **error)
{
    g_autoptr(GHashTable) places = g_hash_table_new(NULL, NULL);

    for (int i = 0; i < session->n_inputs; i++)
        g_hash_table_insert(places, session->graph->inputs->pdata[i], session->inputs[i]);
    for (guint i = 0; i < session->graph->nodes->len; i++) {
        session->lowering = session->graph->nodes->pdata[i];
        if (!lower_node(session, places, session->lowering, error))
            return false;
    }
    for (int i = 0; i < session->n_outputs; i++)
        session->results[i] = buffer_of(session, places, session->graph->outputs->pdata[i]);
    return true;
}
