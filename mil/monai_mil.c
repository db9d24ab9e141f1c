/* MONAI's MILModel without its backbone, by mode:
 *   mean, max    logits = mean or largest over tiles of myfc x       nothing in the checkpoint tells one from the other: a card must
 *   att          s = attention.2 tanh(attention.0 x), M = sum of softmax(s) x, logits = myfc M
 *   att_trans    the same on x after transformer.layers.i: the norm last, 8 heads where nothing says another number, ReLU
 * att_trans_pyramid takes the intermediate layers of its ResNet, not features: it is refused. */
#include "kernels/graph/model_from_graph.h"
#include "mil/aggregator.h"
#include "mil/attention_pool.h"
#include "mil/bag_rows.h"
#include "mil/encoder_layer.h"
#include "src/base/alloc.h"

#include <math.h>

typedef struct monai_mil {
    GPtrArray *layers; /* mt_encoder_layer *; none: att */
    void      *pool;   /* of mt_attention_pool */
    mt_model  *alone;  /* x (-1,D) -> logits of each as a bag of one; NULL for att, whose pool gives them */
    int64_t    dim, n_logits;
} monai_mil;

static const mt_encoder_layer_names names = {"norm1", "self_attn", "norm2", "linear1", "linear2", NULL, false, "Relu"};

static void free_monai(void *data)
{
    monai_mil *self = data;

    if (self == NULL)
        return;
    g_ptr_array_unref(self->layers);
    mt_attention_pool_free(self->pool);
    g_clear_pointer(&self->alone, mt_model_unref);
    g_free(self);
}

static bool recognise(const mt_state_dict *dict)
{
    return mt_state_dict_has_linear(dict, "myfc");
}

/* What is not a head of features at all, by name. */
static bool refuse_others(const mt_state_dict *dict, GError **error)
{
    if (mt_state_dict_mentions(dict, "transformer.1.") || mt_state_dict_mentions(dict, "transformer.2."))
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "MONAI's att_trans_pyramid takes the intermediate layers of its ResNet, not features: it is not supported");
    else if (mt_state_dict_find(dict, "net.conv1.weight") != NULL)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "this MILModel holds its backbone (keys 'net.'): export that as the encoder, and save this head without them");
    else
        return true;
    return false;
}

static bool take_layers(monai_mil *self, mt_state_dict *dict, int64_t dim, GError **error)
{
    for (int i = 0;; i++) {
        g_autofree char *key = g_strdup_printf("transformer.layers.%d", i), *norm = g_strconcat(key, ".norm1", NULL);
        if (!mt_state_dict_has_linear(dict, norm))
            return true;
        mt_encoder_layer *layer = mt_encoder_layer_new(dict, key, &names, dim, error);
        if (layer == NULL)
            return false;
        g_ptr_array_add(self->layers, layer);
    }
}

static mt_model *build_alone(const monai_mil *self, const mt_linear *classifier, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *h = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, self->dim});

    for (guint i = 0; i < self->layers->len; i++)
        h = mt_encoder_layer_add(self->layers->pdata[i], graph, h, 1, NULL, error);
    h = mt_layers_linear(graph, classifier->weight, classifier->bias, h, error);
    if (h == NULL) {
        mt_graph_free(graph);
        return NULL;
    }
    mt_graph_mark_output(graph, h);
    return mt_model_new_from_graph(graph, "monai_mil of one tile", error);
}

static bool build_parts(monai_mil *self, mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    g_auto(mt_attention_layers) layers = {0};

    if (!refuse_others(dict, error))
        return false;
    if (mt_state_dict_has_linear(dict, "myfc") && !mt_state_dict_has_linear(dict, "attention.0")) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "'myfc' alone is MONAI's mode mean as well as max: a card must say which (kind=monai_mean or kind=monai_max)");
        return false;
    }
    if (!mt_attention_layers_take(dict, NULL, "attention.0", NULL, "attention.2", &layers, error) ||
        !mt_attention_layers_one_branch(&layers, "monai_mil", error) || !mt_attention_layers_take_classifier(dict, "myfc", &layers, error))
        return false;
    self->dim = mt_attention_layers_hidden(&layers);
    self->n_logits = layers.classifier.out;
    if (!take_layers(self, dict, self->dim, error) || !mt_state_dict_check_used(dict, "monai_mil", error) ||
        (self->layers->len > 0 && (self->alone = build_alone(self, &layers.classifier, error)) == NULL))
        return false;
    self->pool = mt_attention_pool_new(&layers, shape, error);
    return self->pool != NULL;
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    monai_mil *self = g_new0(monai_mil, 1);

    self->layers = g_ptr_array_new_with_free_func((GDestroyNotify)mt_encoder_layer_free);
    if (!build_parts(self, dict, shape, error)) {
        free_monai(self);
        return NULL;
    }
    return self;
}

static double wanted_bytes(const monai_mil *self, int64_t n, int threads)
{
    double rows = 4 * mt_bag_rows_bytes(16 * self->dim, threads);

    return mt_encoder_layer_bytes(self->layers->pdata[0], n, threads) + rows +
           (double)sizeof(float) * (double)n * (2 + 2 * (double)self->n_logits);
}

static bool run_layers(const monai_mil *self, const mt_bag *bag, mt_encoder_tokens *tokens, GError **error)
{
    for (int64_t first = 0; first < bag->n; first += 1024)
        if (!mt_bag_read(bag, first, MIN(1024, bag->n - first), tokens->h + first * self->dim, error))
            return false;
    for (guint i = 0; i < self->layers->len; i++)
        if (!mt_encoder_layer_run(self->layers->pdata[i], tokens, tokens->n, error))
            return false;
    return true;
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const monai_mil  *self = data;
    mt_encoder_tokens tokens = {0};

    if (self->layers->len == 0)
        return mt_attention_pool_predict(self->pool, bag, options, raw, error);
    if (!mt_aggregator_check_memory("monai_mil", bag->n, wanted_bytes(self, bag->n, options->threads), options, error))
        return false;
    bool ok =
        mt_encoder_tokens_allocate(&tokens, bag->n, self->dim, false, options->threads, error) && run_layers(self, bag, &tokens, error);
    if (ok) {
        const mt_bag seen = mt_bag_from_memory(tokens.h, bag->n, self->dim);
        /* its tile logits are of tiles that have seen the others; these are of bags of one */
        ok = mt_attention_pool_predict(self->pool, &seen, options, raw, error) &&
             mt_bag_rows_run(self->alone, bag, self->n_logits, options->threads, raw->tile_logits, error);
    }
    mt_encoder_tokens_clear(&tokens);
    return ok;
}

static bool configure(void *data, mt_head_card *card, GError **error)
{
    const monai_mil *self = data;

    if (card->heads == 0 || self->layers->len > 0)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                        "the card says heads=: MONAI's mode att has none, att_trans has (transformer.layers)");
    return false;
}

const mt_aggregator mt_aggregator_monai_mil = {"monai_mil", recognise, build, predict, free_monai, configure, "heads"};

/* The two modes without attention. */
typedef struct monai_plain {
    mt_model *model; /* x -> logits */
    int64_t   n_logits;
} monai_plain;

static void free_plain(void *data)
{
    monai_plain *self = data;

    g_clear_pointer(&self->model, mt_model_unref);
    g_free(self);
}

static bool recognise_by_name_only(const mt_state_dict *dict)
{
    (void)dict;
    return false;
}

static void *build_plain(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    mt_linear    linear = {0};
    monai_plain *self = NULL;

    if (!refuse_others(dict, error) || !mt_state_dict_take_linear(dict, "myfc", 0, 0, NULL, &linear, error))
        return NULL;
    mt_model *model = mt_state_dict_check_used(dict, "monai_mean and monai_max", error) ? mt_bag_rows_model(&linear, NULL, error) : NULL;
    if (model != NULL) {
        self = g_new0(monai_plain, 1);
        *self = (monai_plain){.model = model, .n_logits = linear.out};
        *shape = (mt_aggregator_shape){.dim = linear.in, .n_logits = linear.out};
    }
    mt_linear_clear(&linear);
    return self;
}

static bool tile_logits(const monai_plain *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    raw->n = bag->n;
    raw->n_logits = self->n_logits;
    return (raw->logits = mt_alloc(raw->n_logits, sizeof(float), error)) != NULL &&
           (raw->tile_logits = mt_alloc(raw->n * raw->n_logits, sizeof(float), error)) != NULL &&
           mt_bag_rows_run(self->model, bag, raw->n_logits, options->threads, raw->tile_logits, error);
}

static bool predict_mean(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    if (!tile_logits(self, bag, options, raw, error))
        return false;
    for (int64_t c = 0; c < raw->n_logits; c++) {
        double sum = 0;
        for (int64_t i = 0; i < raw->n; i++)
            sum += raw->tile_logits[i * raw->n_logits + c];
        raw->logits[c] = (float)(sum / (double)raw->n);
    }
    return true;
}

static bool predict_max(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    if (!tile_logits(self, bag, options, raw, error))
        return false;
    for (int64_t c = 0; c < raw->n_logits; c++) {
        raw->logits[c] = -INFINITY;
        for (int64_t i = 0; i < raw->n; i++)
            raw->logits[c] = fmaxf(raw->logits[c], raw->tile_logits[i * raw->n_logits + c]);
    }
    return true;
}

const mt_aggregator mt_aggregator_monai_mean = {"monai_mean", recognise_by_name_only, build_plain, predict_mean, free_plain};
const mt_aggregator mt_aggregator_monai_max = {"monai_max", recognise_by_name_only, build_plain, predict_max, free_plain};
