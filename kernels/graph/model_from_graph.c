#include "kernels/graph/model_from_graph.h"

#include "kernels/onnx/model_private.h"

#include <string.h>

static mt_port *make_ports(const GPtrArray *values)
{
    mt_port *ports = g_new0(mt_port, values->len + 1);

    for (guint i = 0; i < values->len; i++) {
        const mt_value *value = values->pdata[i];
        ports[i] = (mt_port){.name = value->name, .dtype = value->dtype, .rank = value->rank};
        memcpy(ports[i].shape, value->shape, sizeof(ports[i].shape));
    }
    return ports;
}

static int64_t count_parameters(const mt_graph *graph)
{
    int64_t n = 0;

    for (guint i = 0; i < graph->values->len; i++) {
        const mt_value *value = graph->values->pdata[i];
        n += value->constant != NULL ? mt_tensor_count(value->constant) : 0;
    }
    return n;
}

mt_model *mt_model_new_from_graph(mt_graph *graph, const char *name, GError **error)
{
    mt_model *model = g_new0(mt_model, 1);

    model->ref_count = 1;
    model->graph = graph;
    model->name = g_strdup(name);
    model->opset = graph->opset;
    model->n_nodes = (int)graph->nodes->len;
    model->n_parameters = count_parameters(graph);
    model->operators = g_ptr_array_new();
    for (guint i = 0; i < graph->nodes->len; i++)
        g_ptr_array_add(model->operators, (gpointer)(uintptr_t)((const mt_node *)graph->nodes->pdata[i])->op);
    model->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    pthread_mutex_init(&model->compile_lock, NULL);
    bool ok = mt_graph_infer(graph, error);
    model->n_inputs = (int)graph->inputs->len;
    model->n_outputs = (int)graph->outputs->len;
    model->inputs = make_ports(graph->inputs);
    model->outputs = make_ports(graph->outputs);
    if (ok)
        return model;
    g_prefix_error(error, "compile %s: ", name);
    mt_model_unref(model);
    return NULL;
}
