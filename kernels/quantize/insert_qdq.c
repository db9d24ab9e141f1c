#include "kernels/quantize/insert_qdq.h"

#include "kernels/graph/match.h"
#include "kernels/quantize/quantize_weights.h"

typedef struct {
    const mt_insert_qdq *insert;
    mt_graph            *graph;  /* the copy */
    GHashTable          *copies; /* value or node of the plan's graph -> of the copy */
    GHashTable          *wide;   /* quantised value of the plan's graph -> its dequantised one in the copy */
} inserter;

static void map_list(GHashTable *map, const GPtrArray *from, const GPtrArray *to)
{
    for (guint i = 0; i < from->len; i++)
        g_hash_table_insert(map, from->pdata[i], to->pdata[i]);
}

static mt_value *add_constant(inserter *in, const char *stem, const char *suffix, mt_tensor *tensor)
{
    g_autofree char *name = g_strconcat(stem, suffix, NULL);

    return mt_graph_add_constant(in->graph, name, tensor);
}

static mt_value *add_node(inserter *in, const char *op, const char *stem, const char *suffix, int n, mt_value *const *inputs,
                          mt_node *before, GError **error)
{
    g_autofree char *name = g_strconcat(stem, suffix, NULL);
    mt_node         *node = mt_graph_add_node(in->graph, op, name, inputs, n, 1, before, error);

    if (node == NULL)
        return NULL;
    mt_value *output = mt_node_output(node, 0);
    g_free(output->name);
    output->name = g_strconcat(name, "_Output", NULL);
    return output;
}

static mt_tensor *scalar(mt_dtype dtype, const void *data, GError **error)
{
    mt_tensor *tensor = mt_tensor_new(dtype, 0, NULL, error);

    if (tensor != NULL)
        memcpy(tensor->data, data, mt_dtype_size(dtype));
    return tensor;
}

/* value -> QuantizeLinear -> DequantizeLinear; the last one's output. */
static mt_value *round_value(inserter *in, const mt_value *original, mt_node *before, GError **error)
{
    const mt_affine *range = g_hash_table_lookup(in->insert->ranges, original);
    mt_value        *value = g_hash_table_lookup(in->copies, original);
    g_autoptr(mt_tensor) scale = scalar(MT_F32, &range->scale, error);
    g_autoptr(mt_tensor) zero = scale == NULL ? NULL : scalar(MT_U8, &range->zero, error);

    if (zero == NULL)
        return NULL;
    mt_value *inputs[3] = {value, add_constant(in, value->name, "_scale", scale), add_constant(in, value->name, "_zero_point", zero)};
    inputs[0] = add_node(in, "QuantizeLinear", value->name, "_QuantizeLinear", 3, inputs, before, error);
    return inputs[0] == NULL ? NULL : add_node(in, "DequantizeLinear", value->name, "_DequantizeLinear", 3, inputs, before, error);
}

static mt_node *node_behind(const inserter *in, const mt_node *node)
{
    guint index = 0;

    if (node == NULL)
        return in->graph->nodes->pdata[0];
    return g_ptr_array_find(in->graph->nodes, node, &index) && index + 1 < in->graph->nodes->len ? in->graph->nodes->pdata[index + 1]
                                                                                                 : NULL;
}

/* In a convolutional net everybody reads the rounded value, so that it is stored once, in 8 bits; the caller of the graph gets the
 * whole.  In a transformer only the layers read it. */
static void redirect(inserter *in, const mt_value *original, mt_value *to)
{
    mt_value *from = g_hash_table_lookup(in->copies, original);

    for (guint i = 0; i < in->insert->plan->graph->nodes->len; i++) {
        mt_node *node = in->insert->plan->graph->nodes->pdata[i], *copy = g_hash_table_lookup(in->copies, node);

        if (!in->insert->plan->convolutional && !g_hash_table_contains(in->insert->plan->nodes, node))
            continue;
        for (guint k = 0; k < copy->inputs->len; k++)
            if (copy->inputs->pdata[k] == from)
                copy->inputs->pdata[k] = to;
    }
}

static bool round_values(inserter *in, bool redirected, GError **error)
{
    const mt_quantize_plan *plan = in->insert->plan;

    for (guint i = 0; i < plan->values->len; i++) {
        const mt_value *original = plan->values->pdata[i], *copy = g_hash_table_lookup(in->copies, original);
        mt_value       *wide = round_value(in, original, node_behind(in, copy->producer), error);

        if (wide == NULL)
            return false;
        g_hash_table_insert(in->wide, (gpointer)original, wide);
        if (redirected)
            redirect(in, original, wide);
    }
    return true;
}

/* integers -> DequantizeLinear with one scale for each entry of the axis. */
static mt_value *widen_constant(inserter *in, const char *stem, mt_tensor *integers, mt_tensor *scale, int axis, mt_node *before,
                                GError **error)
{
    if (in->insert->widened) {
        g_autoptr(mt_tensor) wide = mt_int_weights_widen(integers, scale, axis, error);
        return wide == NULL ? NULL : add_constant(in, stem, "_rounded", wide);
    }
    g_autoptr(mt_tensor) zero = mt_tensor_new(integers->dtype, 1, scale->shape, error);
    if (zero == NULL)
        return NULL;
    mt_value *inputs[3] = {add_constant(in, stem, "_quantized", integers), add_constant(in, stem, "_scale", scale),
                           add_constant(in, stem, "_zero_point", zero)};
    mt_value *wide = add_node(in, "DequantizeLinear", stem, "_DequantizeLinear", 3, inputs, before, error);
    if (wide != NULL)
        mt_node_set_int(wide->producer, "axis", axis);
    return wide;
}

/* The name that a constant's integers are called by; a pass's own constants have none worth it. */
static char *stem_of(const mt_layer *layer, int input)
{
    const mt_value *value = mt_node_input(layer->node, input);

    if (value == NULL)
        return NULL;
    if (!g_str_has_prefix(value->name, "mt.value."))
        return g_strdup(value->name);
    return g_strconcat(layer->node->name, input == 1 ? "_weight" : "_bias", NULL);
}

/* A bias that integers can stand for: one number for each output channel. */
static const mt_tensor *bias_of(const mt_layer *layer)
{
    const mt_value *bias = mt_node_input(layer->node, 2);
    int64_t         channels = mt_node_input(layer->node, 1)->constant->shape[layer->axis];

    return mt_is_vector(bias, channels) && bias->constant->rank == 1 ? bias->constant : NULL;
}

/* Gives `node`, the layer or its twin, weights and bias made of integers. */
static bool round_weights(inserter *in, const mt_layer *layer, mt_node *node, GError **error)
{
    const mt_affine *range = g_hash_table_lookup(in->insert->ranges, mt_node_input(layer->node, 0));
    const mt_tensor *weights = mt_node_input(layer->node, 1)->constant;
    g_autofree char *weights_stem = stem_of(layer, 1), *bias_stem = stem_of(layer, 2);
    mt_int_weights   made;

    if (!mt_int_weights_init(&made, weights, layer->axis, bias_of(layer), range->scale, error))
        return false;
    mt_value *wide = widen_constant(in, weights_stem, made.weights, made.scale, layer->axis, node, error);
    bool      done = wide != NULL;
    if (done)
        node->inputs->pdata[1] = wide;
    if (done && made.bias != NULL) {
        wide = widen_constant(in, bias_stem, made.bias, made.bias_scale, 0, node, error);
        done = wide != NULL;
        if (done)
            node->inputs->pdata[2] = wide;
    }
    mt_int_weights_clear(&made);
    return done;
}

static bool is_quantized(const inserter *in, const mt_layer *layer)
{
    return g_hash_table_contains(in->insert->plan->nodes, layer->node);
}

static bool round_layers(inserter *in, GError **error)
{
    for (guint i = 0; i < in->insert->plan->layers->len; i++) {
        const mt_layer *layer = mt_quantize_plan_layer(in->insert->plan, i);

        if (is_quantized(in, layer) && !round_weights(in, layer, g_hash_table_lookup(in->copies, layer->node), error))
            return false;
    }
    return true;
}

static void begin(inserter *in, const mt_insert_qdq *insert)
{
    const mt_graph *graph = insert->plan->graph;

    *in = (inserter){.insert = insert, .graph = mt_graph_clone(graph)};
    in->copies = g_hash_table_new(NULL, NULL);
    in->wide = g_hash_table_new(NULL, NULL);
    map_list(in->copies, graph->values, in->graph->values);
    map_list(in->copies, graph->nodes, in->graph->nodes);
}

static mt_graph *end(inserter *in, bool done)
{
    g_hash_table_unref(in->copies);
    g_hash_table_unref(in->wide);
    if (!done)
        g_clear_pointer(&in->graph, mt_graph_free);
    return in->graph;
}

mt_graph *mt_insert_qdq_run(const mt_insert_qdq *insert, GError **error)
{
    inserter in;

    begin(&in, insert);
    bool done = round_values(&in, true, error) && round_layers(&in, error);
    if (done)
        mt_graph_sweep(in.graph);
    return end(&in, done);
}

static mt_value *sum_of_squares(inserter *in, const char *stem, const char *suffix, mt_value *value, GError **error)
{
    mt_value *sum = add_node(in, "ReduceSumSquare", stem, suffix, 1, &value, NULL, error);

    if (sum != NULL)
        mt_node_set_int(sum->producer, "keepdims", 0);
    return sum;
}

static bool add_twin(inserter *in, const mt_layer *layer, GPtrArray *sums, GError **error)
{
    mt_node  *copy = g_hash_table_lookup(in->copies, layer->node);
    mt_value *inputs[3] = {g_hash_table_lookup(in->wide, mt_node_input(layer->node, 0)), mt_node_input(copy, 1), mt_node_input(copy, 2)};
    mt_value *twin = add_node(in, copy->op, copy->name, "_twin", (int)copy->inputs->len, inputs, NULL, error);

    if (twin == NULL)
        return false;
    g_hash_table_unref(twin->producer->attrs);
    twin->producer->attrs = mt_attrs_copy(copy->attrs);
    if (!round_weights(in, layer, twin->producer, error))
        return false;
    mt_value *pair[2] = {mt_node_output(copy, 0), twin};
    mt_value *difference = add_node(in, "Sub", copy->name, "_difference", 2, pair, NULL, error);
    mt_value *noise = difference == NULL ? NULL : sum_of_squares(in, copy->name, "_noise", difference, error);
    mt_value *signal = noise == NULL ? NULL : sum_of_squares(in, copy->name, "_signal", pair[0], error);
    if (signal == NULL)
        return false;
    g_ptr_array_add(sums, signal);
    g_ptr_array_add(sums, noise);
    return true;
}

mt_graph *mt_insert_qdq_twins(const mt_insert_qdq *insert, GPtrArray **sums, GError **error)
{
    inserter in;

    begin(&in, insert);
    *sums = g_ptr_array_new();
    bool done = round_values(&in, false, error);
    for (guint i = 0; done && i < insert->plan->layers->len; i++) {
        const mt_layer *layer = mt_quantize_plan_layer(insert->plan, i);
        if (is_quantized(&in, layer))
            done = add_twin(&in, layer, *sums, error);
    }
    if (!done)
        g_clear_pointer(sums, g_ptr_array_unref);
    return end(&in, done);
}
