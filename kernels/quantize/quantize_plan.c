#include "kernels/quantize/quantize_plan.h"

#include "kernels/graph/match.h"

#include <math.h>

static bool is_weight(const mt_value *value, int rank_min, int rank_max)
{
    return value != NULL && value->constant != NULL && value->constant->dtype == MT_F32 && value->constant->rank >= rank_min &&
           value->constant->rank <= rank_max && mt_tensor_count(value->constant) > 0;
}

static bool is_plain_gemm(const mt_node *node)
{
    return mt_node_int(node, "transA", 0) == 0 && mt_node_float(node, "alpha", 1) == 1 && mt_node_float(node, "beta", 1) == 1;
}

/* The axis of the output channels in the weights of a layer; -1: not a layer. */
static int layer_axis(const mt_node *node)
{
    const mt_value *x = mt_node_input(node, 0), *weights = mt_node_input(node, 1);

    if (x == NULL || x->constant != NULL || x->dtype != MT_F32)
        return -1;
    if (mt_is(node, "Conv"))
        return is_weight(weights, 3, 5) ? 0 : -1;
    if (mt_is(node, "MatMul"))
        return is_weight(weights, 2, 2) ? 1 : -1;
    if (mt_is(node, "Gemm") && is_plain_gemm(node) && is_weight(weights, 2, 2))
        return mt_node_int(node, "transB", 0) != 0 ? 0 : 1;
    return -1;
}

/* A convolution over a single pixel is the gate of a channel attention: it costs nothing, and its error scales a whole channel. */
static bool is_gate(const mt_node *node)
{
    const mt_value *x = mt_node_input(node, 0);

    if (!mt_is(node, "Conv") || x->rank < 3)
        return false;
    for (int i = 2; i < x->rank; i++)
        if (x->shape[i] != 1)
            return false;
    return true;
}

mt_quantize_plan *mt_quantize_plan_new(mt_graph *graph)
{
    mt_quantize_plan *plan = g_new0(mt_quantize_plan, 1);
    int               convolutions = 0;

    plan->graph = graph;
    plan->layers = g_array_new(FALSE, FALSE, sizeof(mt_layer));
    plan->nodes = g_hash_table_new(NULL, NULL);
    plan->values = g_ptr_array_new();
    for (guint i = 0; i < graph->nodes->len; i++) {
        mt_layer layer = {.node = graph->nodes->pdata[i], .snr_db = NAN};

        layer.axis = layer_axis(layer.node);
        if (layer.axis < 0)
            continue;
        layer.keep = is_gate(layer.node) ? MT_KEEP_BY_KIND : MT_KEEP_NOT;
        convolutions += mt_is(layer.node, "Conv");
        g_array_append_val(plan->layers, layer);
    }
    plan->convolutional = 2 * convolutions > (int)plan->layers->len;
    mt_quantize_plan_update(plan);
    return plan;
}

void mt_quantize_plan_free(mt_quantize_plan *plan)
{
    if (plan == NULL)
        return;
    g_array_unref(plan->layers);
    g_hash_table_unref(plan->nodes);
    g_ptr_array_unref(plan->values);
    g_free(plan);
}

mt_layer *mt_quantize_plan_layer(const mt_quantize_plan *plan, guint i)
{
    return &g_array_index(plan->layers, mt_layer, i);
}

static bool is_activation(const mt_node *node)
{
    static const char *const names[] = {"Relu", "Clip", "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", NULL};

    return g_strv_contains(names, node->op);
}

/* The node whose numbers `value` holds, past activations: Relu, Clip, and x * Sigmoid(x). */
static mt_node *origin(const mt_value *value)
{
    mt_node *node = value->producer;

    while (node != NULL) {
        mt_value *in = mt_node_input(node, 0), *other = mt_node_input(node, 1);

        if (is_activation(node))
            node = in->producer;
        else if (mt_is(node, "Mul") && in != NULL && other != NULL && mt_made_by(other, "Sigmoid") &&
                 mt_node_input(other->producer, 0) == in)
            node = in->producer;
        else if (mt_is(node, "Mul") && in != NULL && other != NULL && mt_made_by(in, "Sigmoid") && mt_node_input(in->producer, 0) == other)
            node = other->producer;
        else
            break;
    }
    return node;
}

static bool hands_numbers_on(const mt_node *node)
{
    static const char *const names[] = {"Add", "MaxPool", "AveragePool", "Concat", "Flatten", NULL};

    return g_strv_contains(names, node->op);
}

/* All it reads was made in int8. */
static bool reads_int8(const mt_quantize_plan *plan, const mt_node *node)
{
    for (guint i = 0; i < node->inputs->len; i++) {
        const mt_value *input = node->inputs->pdata[i];
        mt_node        *from = input == NULL ? NULL : origin(input);

        if (from == NULL || input->dtype != MT_F32 || !g_hash_table_contains(plan->nodes, from))
            return false;
    }
    return mt_node_output(node, 1) == NULL;
}

/* Somebody reads it in int8, be it past an activation. */
static bool is_read_in_int8(const mt_quantize_plan *plan, const mt_uses *uses, const mt_value *value)
{
    for (int i = 0; i < mt_uses_count(uses, value); i++) {
        mt_node *user = mt_uses_nth(uses, value, i);

        if (user == NULL)
            continue;
        if (g_hash_table_contains(plan->nodes, user))
            return true;
        if (is_activation(user) && is_read_in_int8(plan, uses, mt_node_output(user, 0)))
            return true;
        if (mt_is(user, "GlobalAveragePool") && mt_uses_count(uses, value) == 1)
            return true;
    }
    return false;
}

/* Nodes between layers: candidates grow forwards from the layers, then those that nobody reads in int8 go, last first. */
static void add_nodes_between(mt_quantize_plan *plan)
{
    g_autoptr(mt_uses) uses = mt_uses_new(plan->graph);
    g_autoptr(GPtrArray) candidates = g_ptr_array_new();

    for (guint i = 0; i < plan->graph->nodes->len; i++) {
        mt_node *node = plan->graph->nodes->pdata[i];

        if (hands_numbers_on(node) && reads_int8(plan, node)) {
            g_hash_table_add(plan->nodes, node);
            g_ptr_array_add(candidates, node);
        }
    }
    for (guint i = candidates->len; i-- > 0;) {
        mt_node *node = candidates->pdata[i];

        g_hash_table_remove(plan->nodes, node);
        if (is_read_in_int8(plan, uses, mt_node_output(node, 0)))
            g_hash_table_add(plan->nodes, node);
    }
    /* What lost a source in between. */
    for (guint i = 0; i < candidates->len; i++)
        if (g_hash_table_contains(plan->nodes, candidates->pdata[i]) && !reads_int8(plan, candidates->pdata[i]))
            g_hash_table_remove(plan->nodes, candidates->pdata[i]);
    /* The pooling at a net's end reads 8 bits and writes features in full. */
    for (guint i = 0; i < plan->graph->nodes->len; i++) {
        mt_node *node = plan->graph->nodes->pdata[i];
        if (mt_is(node, "GlobalAveragePool") && mt_uses_count(uses, mt_node_input(node, 0)) == 1 && reads_int8(plan, node))
            g_hash_table_add(plan->nodes, node);
    }
}

static void add_value(mt_quantize_plan *plan, GHashTable *seen, mt_value *value)
{
    if (value != NULL && value->constant == NULL && value->dtype == MT_F32 && g_hash_table_add(seen, value))
        g_ptr_array_add(plan->values, value);
}

void mt_quantize_plan_update(mt_quantize_plan *plan)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL), layers = g_hash_table_new(NULL, NULL);

    g_hash_table_remove_all(plan->nodes);
    g_ptr_array_set_size(plan->values, 0);
    for (guint i = 0; i < plan->layers->len; i++)
        if (mt_quantize_plan_layer(plan, i)->keep == MT_KEEP_NOT) {
            g_hash_table_add(plan->nodes, mt_quantize_plan_layer(plan, i)->node);
            g_hash_table_add(layers, mt_quantize_plan_layer(plan, i)->node);
        }
    if (plan->convolutional)
        add_nodes_between(plan);
    for (guint i = 0; i < plan->graph->nodes->len; i++) {
        mt_node *node = plan->graph->nodes->pdata[i];

        if (!g_hash_table_contains(plan->nodes, node))
            continue;
        guint n = g_hash_table_contains(layers, node) ? 1 : node->inputs->len;
        for (guint k = 0; k < n; k++)
            add_value(plan, seen, node->inputs->pdata[k]);
    }
}

mt_value *mt_quantize_plan_source(const mt_quantize_plan *plan, mt_value *value)
{
    while ((mt_made_by(value, "MaxPool") || mt_made_by(value, "Flatten")) && g_hash_table_contains(plan->nodes, value->producer))
        value = mt_node_input(value->producer, 0);
    return value;
}
