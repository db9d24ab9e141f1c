#include "mil/dsmil_layers.h"

#include "kernels/graph/model_from_graph.h"

#include <math.h>

void mt_dsmil_layers_clear(mt_dsmil_layers *layers)
{
    mt_linear_clear(&layers->embed);
    mt_linear_clear(&layers->instance);
    mt_linear_clear(&layers->query_in);
    mt_linear_clear(&layers->query_out);
    mt_linear_clear(&layers->value);
    mt_layer_norm_clear(&layers->norm);
    g_clear_pointer(&layers->joined, mt_tensor_unref);
    g_clear_pointer(&layers->joined_bias, mt_tensor_unref);
}

static bool is_millab(const mt_state_dict *dict)
{
    return mt_state_dict_has_linear(dict, "i_classifier.inst_classifier");
}

bool mt_dsmil_recognise(const mt_state_dict *dict)
{
    return is_millab(dict) || mt_state_dict_has_linear(dict, "i_classifier.fc.0") || mt_state_dict_has_linear(dict, "i_classifier.fc");
}

static bool take_instance(mt_state_dict *dict, mt_dsmil_layers *layers, GError **error)
{
    const char *key = "i_classifier.fc";

    if (layers->millab) {
        if (!mt_state_dict_take_linear(dict, "patch_embed.0", 0, 0, NULL, &layers->embed, error))
            return false;
        key = "i_classifier.inst_classifier";
    } else if (mt_state_dict_has_linear(dict, "i_classifier.fc.0"))
        key = "i_classifier.fc.0";
    const mt_linear *before = layers->millab ? &layers->embed : NULL;
    if (!mt_state_dict_take_linear(dict, key, before != NULL ? before->out : 0, 0, before, &layers->instance, error))
        return false;
    layers->width = layers->instance.in;
    layers->classes = layers->instance.out;
    layers->dim = before != NULL ? before->in : layers->width;
    return true;
}

static bool take_query(mt_state_dict *dict, mt_dsmil_layers *layers, GError **error)
{
    bool        deep = mt_state_dict_has_linear(dict, "b_classifier.q.0");
    const char *key = deep ? "b_classifier.q.0" : "b_classifier.q";

    if (!mt_state_dict_take_linear(dict, key, layers->width, 0, &layers->instance, &layers->query_in, error))
        return false;
    layers->query = layers->query_in.out;
    if (!deep)
        return true;
    if (!mt_state_dict_take_linear(dict, "b_classifier.q.2", layers->query, 0, &layers->query_in, &layers->query_out, error))
        return false;
    layers->query = layers->query_out.out;
    return true;
}

static bool take_value(mt_state_dict *dict, mt_dsmil_layers *layers, GError **error)
{
    if (!layers->millab && !mt_state_dict_has_linear(dict, "b_classifier.v.1")) {
        layers->plain_values = true;
        return true;
    }
    return mt_state_dict_take_linear(dict, "b_classifier.v.1", layers->width, layers->width, &layers->instance, &layers->value, error) &&
           (!layers->millab || mt_layer_norm_take(dict, "b_classifier.norm", layers->width, &layers->norm, error));
}

static bool take_joined(mt_state_dict *dict, mt_dsmil_layers *layers, GError **error)
{
    const char *weight = layers->millab ? "classifier.weight" : "b_classifier.fcc.weight";
    const char *bias = layers->millab ? "classifier.bias" : "b_classifier.fcc.bias";

    layers->joined = mt_state_dict_take_tensor(dict, weight, 3, (int64_t[]){layers->classes, layers->classes, layers->width}, error);
    if (layers->joined != NULL)
        layers->joined_bias = mt_state_dict_take_tensor(dict, bias, 1, &layers->classes, error);
    return layers->joined_bias != NULL;
}

bool mt_dsmil_layers_take(mt_state_dict *dict, mt_dsmil_layers *layers, GError **error)
{
    layers->millab = is_millab(dict);
    if (layers->millab)
        mt_state_dict_leave_out(dict, "b_classifier.fcc.");
    else
        mt_state_dict_leave_out(dict, "i_classifier.feature_extractor.");
    return take_instance(dict, layers, error) && take_query(dict, layers, error) && take_value(dict, layers, error) &&
           take_joined(dict, layers, error) && mt_state_dict_check_used(dict, "dsmil", error);
}

static mt_value *linear(mt_graph *graph, const mt_linear *layer, mt_value *x, GError **error)
{
    return mt_layers_linear(graph, layer->weight, layer->bias, x, error);
}

/* What both streams see. */
static mt_value *add_input(mt_graph *graph, const mt_dsmil_layers *layers, GError **error)
{
    mt_value *x = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, layers->dim});

    return layers->millab ? mt_layers_unary(graph, "Relu", linear(graph, &layers->embed, x, error), error) : x;
}

static mt_model *finish_model(mt_graph *graph, mt_value *const *outputs, int n, const char *name, GError **error)
{
    for (int i = 0; i < n; i++) {
        if (outputs[i] == NULL) {
            mt_graph_free(graph);
            return NULL;
        }
        mt_graph_mark_output(graph, outputs[i]);
    }
    return mt_model_new_from_graph(graph, name, error);
}

mt_model *mt_dsmil_score_model(const mt_dsmil_layers *layers, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *scores = linear(graph, &layers->instance, add_input(graph, layers, error), error);

    return finish_model(graph, &scores, 1, "dsmil instances", error);
}

/* A bag of one tile has the same row for every class: the classifier's weights of a row add up. */
static mt_tensor *sum_classes(const mt_dsmil_layers *layers, GError **error)
{
    mt_tensor   *sum = mt_tensor_new(MT_F32, 2, (int64_t[]){layers->classes, layers->width}, error);
    const float *w = layers->joined->data;

    for (int64_t i = 0; sum != NULL && i < layers->classes * layers->width; i++) {
        int64_t row = i / layers->width, column = i % layers->width;
        double  total = 0;
        for (int64_t c = 0; c < layers->classes; c++)
            total += w[(row * layers->classes + c) * layers->width + column];
        ((float *)sum->data)[i] = (float)total;
    }
    return sum;
}

mt_model *mt_dsmil_value_model(const mt_dsmil_layers *layers, GError **error)
{
    g_autoptr(mt_tensor) summed = sum_classes(layers, error);

    if (summed == NULL)
        return NULL;
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *h = add_input(graph, layers, error), *q = linear(graph, &layers->query_in, h, error), *v = h;

    if (layers->query_out.weight != NULL)
        q = mt_layers_unary(graph, "Tanh", linear(graph, &layers->query_out, mt_layers_unary(graph, "Relu", q, error), error), error);
    if (!layers->plain_values)
        v = linear(graph, &layers->value, h, error);
    if (!layers->plain_values && !layers->millab)
        v = mt_layers_unary(graph, "Relu", v, error);
    mt_value *normed = layers->norm.weight != NULL && v != NULL ? mt_layers_norm(graph, &layers->norm, v, error) : v;
    mt_value *alone = mt_layers_linear(graph, summed, layers->joined_bias, normed, error);
    return finish_model(graph, (mt_value *const[]){q, alone, v}, layers->plain_values ? 2 : 3, "dsmil bag", error);
}

void mt_dsmil_normalise(const mt_dsmil_layers *layers, double *row)
{
    double mean = 0, square = 0, width = (double)layers->width;

    if (layers->norm.weight == NULL)
        return;
    for (int64_t j = 0; j < layers->width; j++)
        mean += row[j] / width;
    for (int64_t j = 0; j < layers->width; j++)
        square += (row[j] - mean) * (row[j] - mean) / width;
    for (int64_t j = 0; j < layers->width; j++)
        row[j] = (row[j] - mean) / sqrt(square + MT_LAYERS_NORM_EPSILON) * ((const float *)layers->norm.weight->data)[j] +
                 ((const float *)layers->norm.bias->data)[j];
}
