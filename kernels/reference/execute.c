#include "kernels/reference/execute.h"

#include "kernels/reference/operator.h"
#include "kernels/tensor/mapped.h"

typedef struct {
    mt_tensor *tensor;
    int        uses; /* by nodes still to run and by graph outputs */
} live_value;

/* value -> live_value, for everything a node reads or a caller wants. */
static GHashTable *count_uses(const mt_graph *graph)
{
    GHashTable *live = g_hash_table_new_full(NULL, NULL, NULL, g_free);

    for (guint i = 0; i < graph->values->len; i++)
        g_hash_table_insert(live, graph->values->pdata[i], g_new0(live_value, 1));
    for (guint i = 0; i < graph->nodes->len; i++) {
        const mt_node *node = graph->nodes->pdata[i];

        for (guint k = 0; k < node->inputs->len; k++)
            if (node->inputs->pdata[k] != NULL)
                ((live_value *)g_hash_table_lookup(live, node->inputs->pdata[k]))->uses++;
    }
    for (guint i = 0; i < graph->outputs->len; i++)
        ((live_value *)g_hash_table_lookup(live, graph->outputs->pdata[i]))->uses++;
    return live;
}

static bool check_input(const mt_value *value, const mt_tensor *tensor, GError **error)
{
    bool same = tensor->dtype == value->dtype && tensor->rank == value->rank;

    for (int i = 0; i < tensor->rank && same; i++)
        same = tensor->shape[i] == value->shape[i];
    if (same)
        return true;
    g_autofree char *wanted = mt_shape_to_string(value->rank, value->shape), *given = mt_shape_to_string(tensor->rank, tensor->shape);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "input '%s': %s of %s is wanted, %s of %s was given", value->name,
                mt_dtype_name(value->dtype), wanted, mt_dtype_name(tensor->dtype), given);
    return false;
}

static void drop_use(GHashTable *live, mt_value *value)
{
    live_value *entry = g_hash_table_lookup(live, value);

    if (--entry->uses <= 0)
        g_clear_pointer(&entry->tensor, mt_tensor_unref);
}

static mt_tensor *tensor_of(GHashTable *live, const mt_value *value)
{
    return value->constant != NULL ? value->constant : ((live_value *)g_hash_table_lookup(live, value))->tensor;
}

/* A constant at any address is copied once, for as long as it is needed. */
static const mt_tensor *aligned_tensor_of(GHashTable *live, const mt_value *value, GError **error)
{
    mt_tensor  *tensor = tensor_of(live, value);
    live_value *entry = g_hash_table_lookup(live, value);

    if (mt_tensor_is_aligned(tensor))
        return tensor;
    if (entry->tensor == NULL)
        entry->tensor = mt_tensor_aligned(tensor, error);
    return entry->tensor;
}

static bool run_node(const mt_node *node, GHashTable *live, GError **error)
{
    guint                        n_inputs = node->inputs->len, n_outputs = node->outputs->len;
    g_autofree const mt_tensor **inputs = g_new0(const mt_tensor *, n_inputs + 1);
    g_autofree mt_tensor       **outputs = g_new0(mt_tensor *, n_outputs + 1);

    if (node->kernel->run == NULL) {
        mt_node_error(node, error, "it has no reference implementation");
        return false;
    }
    for (guint i = 0; i < n_inputs; i++) {
        const mt_value *value = node->inputs->pdata[i];

        if (value != NULL && (inputs[i] = aligned_tensor_of(live, value, error)) == NULL)
            return false;
    }
    for (guint i = 0; i < n_outputs; i++) {
        const mt_value *value = node->outputs->pdata[i];
        live_value     *entry = value == NULL ? NULL : g_hash_table_lookup(live, value);

        if (value == NULL)
            continue;
        if ((outputs[i] = mt_tensor_new(value->dtype, value->rank, value->shape, error)) == NULL)
            return false;
        g_clear_pointer(&entry->tensor, mt_tensor_unref);
        entry->tensor = outputs[i];
    }
    if (!node->kernel->run(node, inputs, outputs, error))
        return false;
    for (guint i = 0; i < n_inputs; i++)
        if (node->inputs->pdata[i] != NULL)
            drop_use(live, node->inputs->pdata[i]);
    for (guint i = 0; i < n_outputs; i++) { /* what nobody reads */
        live_value *entry = node->outputs->pdata[i] == NULL ? NULL : g_hash_table_lookup(live, node->outputs->pdata[i]);
        if (entry != NULL && entry->uses == 0)
            g_clear_pointer(&entry->tensor, mt_tensor_unref);
    }
    return true;
}

static bool run_all(const mt_graph *graph, const mt_tensor *const *inputs, GHashTable *live, GError **error)
{
    for (guint i = 0; i < graph->inputs->len; i++) {
        if (!check_input(graph->inputs->pdata[i], inputs[i], error))
            return false;
        ((live_value *)g_hash_table_lookup(live, graph->inputs->pdata[i]))->tensor = mt_tensor_ref((mt_tensor *)inputs[i]);
    }
    for (guint i = 0; i < graph->nodes->len; i++)
        if (!run_node(graph->nodes->pdata[i], live, error))
            return false;
    return true;
}

bool mt_reference_execute(mt_graph *bound, const mt_tensor *const *inputs, mt_tensor **outputs, GError **error)
{
    g_autoptr(GHashTable) live = count_uses(bound);
    bool ok = run_all(bound, inputs, live, error);

    for (guint i = 0; i < bound->outputs->len; i++)
        outputs[i] = ok ? mt_tensor_ref(tensor_of(live, bound->outputs->pdata[i])) : NULL;
    for (guint i = 0; i < bound->values->len; i++)
        mt_tensor_unref(((live_value *)g_hash_table_lookup(live, bound->values->pdata[i]))->tensor);
    return ok;
}
