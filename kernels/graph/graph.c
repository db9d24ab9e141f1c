#include "kernels/graph/graph.h"

#include "kernels/reference/operator.h"

static void free_value(gpointer data)
{
    mt_value *value = data;

    g_free(value->name);
    g_clear_pointer(&value->constant, mt_tensor_unref);
    g_free(value);
}

static void free_node(gpointer data)
{
    mt_node *node = data;

    if (node->fused != NULL && node->fused_free != NULL)
        node->fused_free(node->fused);
    g_free(node->name);
    g_ptr_array_unref(node->inputs);
    g_ptr_array_unref(node->outputs);
    g_hash_table_unref(node->attrs);
    g_free(node);
}

mt_graph *mt_graph_new(int opset)
{
    mt_graph *graph = g_new0(mt_graph, 1);

    graph->values = g_ptr_array_new_with_free_func(free_value);
    graph->nodes = g_ptr_array_new_with_free_func(free_node);
    graph->inputs = g_ptr_array_new();
    graph->outputs = g_ptr_array_new();
    graph->opset = opset;
    return graph;
}

void mt_graph_free(mt_graph *graph)
{
    if (graph == NULL)
        return;
    g_ptr_array_unref(graph->inputs);
    g_ptr_array_unref(graph->outputs);
    g_ptr_array_unref(graph->nodes);
    g_ptr_array_unref(graph->values);
    g_free(graph);
}

/* Old pointer -> new pointer of everything in `from`, NULL staying NULL. */
static void copy_list(GPtrArray *to, const GPtrArray *from, GHashTable *map)
{
    for (guint i = 0; i < from->len; i++)
        g_ptr_array_add(to, from->pdata[i] == NULL ? NULL : g_hash_table_lookup(map, from->pdata[i]));
}

static mt_value *clone_value(const mt_value *value)
{
    mt_value *copy = g_memdup2(value, sizeof *value);

    copy->name = g_strdup(value->name);
    copy->constant = value->constant == NULL ? NULL : mt_tensor_ref(value->constant);
    copy->producer = NULL;
    return copy;
}

static mt_node *clone_node(const mt_node *node, GHashTable *map)
{
    mt_node *copy = g_memdup2(node, sizeof *node);

    copy->name = g_strdup(node->name);
    copy->inputs = g_ptr_array_new();
    copy->outputs = g_ptr_array_new();
    copy_list(copy->inputs, node->inputs, map);
    copy_list(copy->outputs, node->outputs, map);
    copy->attrs = mt_attrs_copy(node->attrs);
    copy->fused = NULL;
    copy->fused_free = NULL;
    for (guint i = 0; i < copy->outputs->len; i++)
        if (copy->outputs->pdata[i] != NULL)
            ((mt_value *)copy->outputs->pdata[i])->producer = copy;
    return copy;
}

mt_graph *mt_graph_clone(const mt_graph *graph)
{
    g_autoptr(GHashTable) map = g_hash_table_new(NULL, NULL);
    mt_graph *copy = mt_graph_new(graph->opset);

    for (guint i = 0; i < graph->values->len; i++) {
        mt_value *value = clone_value(graph->values->pdata[i]);

        g_ptr_array_add(copy->values, value);
        g_hash_table_insert(map, graph->values->pdata[i], value);
    }
    for (guint i = 0; i < graph->nodes->len; i++)
        g_ptr_array_add(copy->nodes, clone_node(graph->nodes->pdata[i], map));
    copy_list(copy->inputs, graph->inputs, map);
    copy_list(copy->outputs, graph->outputs, map);
    copy->fold_quantised = graph->fold_quantised;
    return copy;
}

mt_value *mt_graph_add_value(mt_graph *graph, const char *name, mt_dtype dtype, int rank, const int64_t *shape)
{
    mt_value *value = g_new0(mt_value, 1);

    value->name = name != NULL ? g_strdup(name) : g_strdup_printf("mt.value.%u", graph->values->len);
    value->dtype = dtype;
    value->rank = rank;
    for (int i = 0; i < rank; i++)
        value->shape[i] = shape[i];
    g_ptr_array_add(graph->values, value);
    return value;
}

mt_value *mt_graph_add_constant(mt_graph *graph, const char *name, mt_tensor *tensor)
{
    mt_value *value = mt_graph_add_value(graph, name, tensor->dtype, tensor->rank, tensor->shape);

    value->constant = mt_tensor_ref(tensor);
    return value;
}

mt_value *mt_graph_add_input(mt_graph *graph, const char *name, mt_dtype dtype, int rank, const int64_t *shape)
{
    mt_value *value = mt_graph_add_value(graph, name, dtype, rank, shape);

    g_ptr_array_add(graph->inputs, value);
    return value;
}

void mt_graph_mark_output(mt_graph *graph, mt_value *value)
{
    g_ptr_array_add(graph->outputs, value);
}

static int node_index(const mt_graph *graph, mt_node *node)
{
    guint index;

    return node != NULL && g_ptr_array_find(graph->nodes, node, &index) ? (int)index : -1;
}

mt_node *mt_graph_add_node(mt_graph *graph, const char *op, const char *name, mt_value *const *inputs, int n_inputs, int n_outputs,
                           mt_node *before, GError **error)
{
    const mt_operator *kernel = mt_operator_find(op);

    if (kernel == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "node '%s': operator '%s' (opset %d) is not supported", name != NULL ? name : "", op,
                    graph->opset);
        return NULL;
    }
    mt_node *node = g_new0(mt_node, 1);
    node->op = kernel->name;
    node->name = name != NULL ? g_strdup(name) : g_strdup_printf("mt.%s.%u", kernel->name, graph->values->len);
    node->opset = graph->opset;
    node->kernel = kernel;
    node->inputs = g_ptr_array_new();
    node->outputs = g_ptr_array_new();
    node->attrs = mt_attrs_new();
    for (int i = 0; i < n_inputs; i++)
        g_ptr_array_add(node->inputs, inputs[i]);
    for (int i = 0; i < n_outputs; i++) {
        mt_value *output = mt_graph_add_value(graph, NULL, MT_DTYPE_NONE, -1, NULL);

        output->producer = node;
        g_ptr_array_add(node->outputs, output);
    }
    g_ptr_array_insert(graph->nodes, node_index(graph, before), node);
    return node;
}

void mt_graph_remove_node(mt_graph *graph, mt_node *node)
{
    for (guint i = 0; i < node->outputs->len; i++) {
        mt_value *output = node->outputs->pdata[i];
        if (output != NULL && output->producer == node)
            output->producer = NULL;
    }
    g_ptr_array_remove(graph->nodes, node);
}

static void replace_in(GPtrArray *list, const mt_value *from, mt_value *to)
{
    for (guint i = 0; i < list->len; i++)
        if (list->pdata[i] == from)
            list->pdata[i] = to;
}

static int count_in(const GPtrArray *list, const mt_value *value)
{
    int n = 0;

    for (guint i = 0; i < list->len; i++)
        n += list->pdata[i] == value;
    return n;
}

void mt_graph_replace_uses(mt_graph *graph, mt_value *from, mt_value *to)
{
    for (guint i = 0; i < graph->nodes->len; i++)
        replace_in(((mt_node *)graph->nodes->pdata[i])->inputs, from, to);
    replace_in(graph->outputs, from, to);
}

int mt_graph_n_uses(const mt_graph *graph, const mt_value *value)
{
    int n = count_in(graph->outputs, value);

    for (guint i = 0; i < graph->nodes->len; i++)
        n += count_in(((const mt_node *)graph->nodes->pdata[i])->inputs, value);
    return n;
}

mt_node *mt_graph_only_user(const mt_graph *graph, const mt_value *value)
{
    mt_node *user = NULL;
    int      uses = count_in(graph->outputs, value);

    if (uses > 0)
        return NULL;
    for (guint i = 0; i < graph->nodes->len && uses < 2; i++) {
        mt_node *node = graph->nodes->pdata[i];
        int      n = count_in(node->inputs, value);

        uses += n;
        if (n > 0)
            user = node;
    }
    return uses == 1 ? user : NULL;
}

mt_value *mt_node_input(const mt_node *node, int i)
{
    return i >= 0 && (guint)i < node->inputs->len ? node->inputs->pdata[i] : NULL;
}

mt_value *mt_node_output(const mt_node *node, int i)
{
    return i >= 0 && (guint)i < node->outputs->len ? node->outputs->pdata[i] : NULL;
}

static void add_all(GHashTable *set, const GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++)
        if (list->pdata[i] != NULL)
            g_hash_table_add(set, list->pdata[i]);
}

static bool any_in(GHashTable *set, const GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++)
        if (list->pdata[i] != NULL && g_hash_table_contains(set, list->pdata[i]))
            return true;
    return false;
}

/* What `keep` holds moves forward in order; shrinking the list frees the rest. */
static void keep_only(GPtrArray *list, GHashTable *keep)
{
    guint kept = 0;

    for (guint i = 0; i < list->len; i++)
        if (g_hash_table_contains(keep, list->pdata[i])) {
            gpointer item = list->pdata[i];

            list->pdata[i] = list->pdata[kept];
            list->pdata[kept++] = item;
        }
    g_ptr_array_set_size(list, (gint)kept);
}

void mt_graph_sweep(mt_graph *graph)
{
    g_autoptr(GHashTable) values = g_hash_table_new(NULL, NULL), nodes = g_hash_table_new(NULL, NULL);

    add_all(values, graph->outputs);
    for (guint i = graph->nodes->len; i-- > 0;) {
        mt_node *node = graph->nodes->pdata[i];

        if (!any_in(values, node->outputs))
            continue;
        g_hash_table_add(nodes, node);
        add_all(values, node->inputs);
        add_all(values, node->outputs);
    }
    add_all(values, graph->inputs);
    /* A constant that lost its producer to folding keeps no pointer to a node that goes. */
    for (guint i = 0; i < graph->values->len; i++) {
        mt_value *value = graph->values->pdata[i];
        if (value->producer != NULL && !g_hash_table_contains(nodes, value->producer))
            value->producer = NULL;
    }
    keep_only(graph->nodes, nodes);
    keep_only(graph->values, values);
}
