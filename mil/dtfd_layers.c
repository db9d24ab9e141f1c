#include "mil/dtfd_layers.h"

#include "kernels/graph/model_from_graph.h"
#include "src/base/alloc.h"

#include <math.h>

#define BLOCKS_MAX 64

static void clear_attention(mt_dtfd_attention *attention)
{
    mt_linear_clear(&attention->tanh_branch);
    mt_linear_clear(&attention->gate);
    mt_linear_clear(&attention->logits);
}

void mt_dtfd_layers_clear(mt_dtfd_layers *layers)
{
    g_clear_pointer(&layers->reduce, mt_tensor_unref);
    g_clear_pointer(&layers->blocks, g_ptr_array_unref);
    clear_attention(&layers->first);
    clear_attention(&layers->second);
    mt_linear_clear(&layers->classifier);
    mt_linear_clear(&layers->slide_classifier);
}

bool mt_dtfd_recognise(const mt_state_dict *dict)
{
    return mt_state_dict_has_linear(dict, "dim_reduction.fc1") && mt_state_dict_has_linear(dict, "att_classifier.classifier.fc");
}

static bool take_attention(mt_state_dict *dict, const char *prefix, int64_t hidden, mt_dtfd_attention *attention, GError **error)
{
    g_autofree char *v = g_strconcat(prefix, "attention_V.0", NULL), *u = g_strconcat(prefix, "attention_U.0", NULL);
    g_autofree char *w = g_strconcat(prefix, "attention_weights", NULL);
    const mt_linear *branch = &attention->tanh_branch;

    return mt_state_dict_take_linear(dict, v, hidden, 0, NULL, &attention->tanh_branch, error) &&
           mt_state_dict_take_linear(dict, u, hidden, branch->out, branch, &attention->gate, error) &&
           mt_state_dict_take_linear(dict, w, branch->out, 1, branch, &attention->logits, error);
}

static bool take_blocks(mt_state_dict *dict, mt_dtfd_layers *layers, GError **error)
{
    int64_t square[] = {layers->hidden, layers->hidden};

    for (int i = 0; i < 2 * BLOCKS_MAX; i++) {
        g_autofree char *key = g_strdup_printf("dim_reduction.resBlocks.%d.block.%d.weight", i / 2, i % 2 * 2);
        if (i % 2 == 0 && mt_state_dict_find(dict, key) == NULL)
            return true;
        mt_tensor *weight = mt_state_dict_take_tensor(dict, key, 2, square, error);
        if (weight == NULL)
            return false;
        g_ptr_array_add(layers->blocks, weight);
    }
    return true;
}

bool mt_dtfd_layers_take(mt_state_dict *dict, mt_dtfd_layers *layers, GError **error)
{
    layers->blocks = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    layers->reduce = mt_state_dict_take_tensor(dict, "dim_reduction.fc1.weight", 2, (int64_t[]){-1, -1}, error);
    if (layers->reduce == NULL)
        return false;
    layers->hidden = layers->reduce->shape[0];
    layers->dim = layers->reduce->shape[1];
    if (!take_blocks(dict, layers, error) || !take_attention(dict, "attention.", layers->hidden, &layers->first, error) ||
        !mt_state_dict_take_linear(dict, "classifier.fc", layers->hidden, 0, NULL, &layers->classifier, error) ||
        !take_attention(dict, "att_classifier.attention.", layers->hidden, &layers->second, error))
        return false;
    layers->classes = layers->classifier.out;
    return mt_state_dict_take_linear(dict, "att_classifier.classifier.fc", layers->hidden, layers->classes, &layers->classifier,
                                     &layers->slide_classifier, error) &&
           mt_state_dict_check_used(dict, "dtfd", error);
}

static mt_value *linear(mt_graph *graph, const mt_linear *layer, mt_value *x, GError **error)
{
    return mt_layers_linear(graph, layer->weight, layer->bias, x, error);
}

static mt_value *add_hidden(mt_graph *graph, const mt_dtfd_layers *layers, GError **error)
{
    mt_value *x = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, layers->dim});
    mt_value *h = mt_layers_unary(graph, "Relu", mt_layers_linear(graph, layers->reduce, NULL, x, error), error);

    for (guint i = 0; i + 1 < layers->blocks->len; i += 2) {
        mt_value *y = h;
        for (guint j = i; j < i + 2; j++)
            y = mt_layers_unary(graph, "Relu", mt_layers_linear(graph, layers->blocks->pdata[j], NULL, y, error), error);
        h = mt_layers_binary(graph, "Add", h, y, error);
    }
    return h;
}

mt_model *mt_dtfd_model(const mt_dtfd_layers *layers, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *h = add_hidden(graph, layers, error), *outputs[MT_DTFD_N_OUTPUTS];
    mt_value *a = mt_layers_unary(graph, "Tanh", linear(graph, &layers->first.tanh_branch, h, error), error);
    mt_value *b = mt_layers_unary(graph, "Sigmoid", linear(graph, &layers->first.gate, h, error), error);

    outputs[MT_DTFD_ATTENTION] = linear(graph, &layers->first.logits, mt_layers_binary(graph, "Mul", a, b, error), error);
    outputs[MT_DTFD_SLIDE] = linear(graph, &layers->slide_classifier, h, error);
    outputs[MT_DTFD_CAM] = mt_layers_linear(graph, layers->classifier.weight, NULL, h, error);
    outputs[MT_DTFD_HIDDEN] = h;
    for (int i = 0; i < MT_DTFD_N_OUTPUTS; i++) {
        if (outputs[i] == NULL) {
            mt_graph_free(graph);
            return NULL;
        }
        mt_graph_mark_output(graph, outputs[i]);
    }
    return mt_model_new_from_graph(graph, "dtfd", error);
}

static double apply_row(const mt_linear *layer, int64_t row, const double *x)
{
    const float *w = (const float *)layer->weight->data + row * layer->in;
    double       sum = ((const float *)layer->bias->data)[row];

    for (int64_t j = 0; j < layer->in; j++)
        sum += w[j] * x[j];
    return sum;
}

bool mt_dtfd_second_tier(const mt_dtfd_layers *layers, const double *pseudo, int64_t n, double *weights, double *mean, double *logits,
                         GError **error)
{
    const mt_dtfd_attention *attention = &layers->second;
    int64_t                  width = attention->tanh_branch.out;
    double                  *gated = mt_alloc(width, sizeof(double), error), top = -INFINITY, total = 0;

    if (gated == NULL)
        return false;
    for (int64_t i = 0; i < n; i++) {
        const double *z = pseudo + i * layers->hidden;
        for (int64_t j = 0; j < width; j++)
            gated[j] = tanh(apply_row(&attention->tanh_branch, j, z)) / (1 + exp(-apply_row(&attention->gate, j, z)));
        weights[i] = apply_row(&attention->logits, 0, gated);
        top = fmax(top, weights[i]);
    }
    mt_free(gated);
    for (int64_t i = 0; i < n; i++)
        total += weights[i] = exp(weights[i] - top);
    for (int64_t j = 0; j < layers->hidden; j++)
        mean[j] = 0;
    for (int64_t i = 0; i < n; i++) {
        weights[i] /= total;
        for (int64_t j = 0; j < layers->hidden; j++)
            mean[j] += weights[i] * pseudo[i * layers->hidden + j];
    }
    for (int64_t c = 0; c < layers->classes; c++)
        logits[c] = apply_row(&layers->slide_classifier, c, mean);
    return true;
}
