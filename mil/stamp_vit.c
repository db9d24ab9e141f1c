/* STAMP's vision transformer over tiles (El Nahhas et al. 2024):
 *   tokens = class_token, gelu(project_features.0 x)      layers with the norm first, 8 heads, GELU
 *   logits = mlp_head.0 LN(tokens)_class
 * In prediction nothing is masked.  The number of heads leaves no trace in a checkpoint: it is STAMP's default.  Checkpoints with
 * distances between tiles in the attention (use_alibi) are refused: a bag has no coordinates.
 * Attention: per head, the class token's scores on the tiles in the last layer; the softmax is over the tiles, without the class
 * token itself.  Each tile as a bag of one is what STAMP's own heatmaps show. */
#include "kernels/graph/model_from_graph.h"
#include "mil/aggregator.h"
#include "mil/bag_rows.h"
#include "mil/encoder_layer.h"
#include "src/base/alloc.h"

#include <string.h>

#define HEADS 8

typedef struct stamp_vit {
    mt_linear     embed, classifier;
    mt_tensor    *class_token; /* (1, dim) */
    mt_layer_norm norm;
    GPtrArray    *layers; /* mt_encoder_layer * */
    mt_model     *model;  /* x (-1,D) -> h (-1,dim) */
    mt_model     *alone;  /* x (-1,D) -> logits of each as a bag of one */
    int64_t       dim;
} stamp_vit;

static const mt_encoder_layer_names names = {"0.norm", "0.mhsa", "1.0", "1.1", "1.4", true, "Gelu"};

static void free_vit(void *data)
{
    stamp_vit *self = data;

    if (self == NULL)
        return;
    mt_linear_clear(&self->embed);
    mt_linear_clear(&self->classifier);
    g_clear_pointer(&self->class_token, mt_tensor_unref);
    mt_layer_norm_clear(&self->norm);
    g_ptr_array_unref(self->layers);
    g_clear_pointer(&self->model, mt_model_unref);
    g_clear_pointer(&self->alone, mt_model_unref);
    g_free(self);
}

static bool recognise(const mt_state_dict *dict)
{
    return mt_state_dict_find(dict, "class_token") != NULL && mt_state_dict_has_linear(dict, "project_features.0") &&
           mt_state_dict_has_linear(dict, "mlp_head.0");
}

static bool take_layers(stamp_vit *self, mt_state_dict *dict, GError **error)
{
    for (int i = 0;; i++) {
        g_autofree char *key = g_strdup_printf("transformer.layers.%d", i), *norm = g_strconcat(key, ".0.norm", NULL);
        if (i > 0 && !mt_state_dict_has_linear(dict, norm))
            return true;
        mt_encoder_layer *layer = mt_encoder_layer_new(dict, key, &names, self->dim, HEADS, error);
        if (layer == NULL)
            return false;
        g_ptr_array_add(self->layers, layer);
    }
}

static bool take_all(stamp_vit *self, mt_state_dict *dict, GError **error)
{
    if (mt_state_dict_mentions(dict, "mhsa.query_encoders")) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "stamp_vit with distances in its attention (use_alibi, keys 'mhsa.query_encoders') is not supported: train it "
                            "without, or export it as an ONNX graph");
        return false;
    }
    if (!mt_state_dict_take_linear(dict, "project_features.0", 0, 0, NULL, &self->embed, error))
        return false;
    self->dim = self->embed.out;
    g_autoptr(mt_tensor) token = mt_state_dict_take_tensor(dict, "class_token", 1, &self->dim, error);
    if (token == NULL)
        return false;
    self->class_token = mt_tensor_new(MT_F32, 2, (int64_t[]){1, self->dim}, error);
    if (self->class_token == NULL)
        return false;
    memcpy(self->class_token->data, token->data, mt_tensor_bytes(token));
    return take_layers(self, dict, error) && mt_layer_norm_take(dict, "transformer.norm", self->dim, &self->norm, error) &&
           mt_state_dict_take_linear(dict, "mlp_head.0", self->dim, 0, &self->embed, &self->classifier, error) &&
           mt_state_dict_check_used(dict, "stamp_vit", error);
}

/* Sequences of class token and tile: rows (B, dim) beside B times the token, as (2 B, dim). */
static mt_model *build_alone(const stamp_vit *self, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *x = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, self->embed.in});
    mt_value *tile = mt_layers_unary(graph, "Gelu", mt_layers_linear(graph, self->embed.weight, self->embed.bias, x, error), error);
    mt_value *nothing = mt_layers_binary(graph, "Mul", tile, mt_layers_number(graph, 0, error), error);
    mt_value *token = mt_layers_binary(graph, "Add", nothing, mt_graph_add_constant(graph, NULL, self->class_token), error);
    mt_value *h = mt_layers_reshape(graph, mt_layers_join(graph, token, tile, error), 2, (int64_t[]){-1, self->dim}, error);

    for (guint i = 0; i < self->layers->len; i++)
        h = mt_encoder_layer_add(g_ptr_array_index(self->layers, i), graph, h, 2, error);
    h = mt_layers_reshape(graph, h, 2, (int64_t[]){-1, 2 * self->dim}, error);
    h = mt_layers_columns(graph, h, 0, self->dim, error);
    h = h != NULL ? mt_layers_norm(graph, &self->norm, h, error) : NULL;
    h = mt_layers_linear(graph, self->classifier.weight, self->classifier.bias, h, error);
    if (h == NULL) {
        mt_graph_free(graph);
        return NULL;
    }
    mt_graph_mark_output(graph, h);
    return mt_model_new_from_graph(graph, "stamp_vit of one tile", error);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    stamp_vit *self = g_new0(stamp_vit, 1);

    self->layers = g_ptr_array_new_with_free_func((GDestroyNotify)mt_encoder_layer_free);
    if (!take_all(self, dict, error) || (self->model = mt_bag_rows_model(&self->embed, "Gelu", error)) == NULL ||
        (self->alone = build_alone(self, error)) == NULL) {
        free_vit(self);
        return NULL;
    }
    *shape = (mt_aggregator_shape){.dim = self->embed.in, .n_logits = self->classifier.out};
    return self;
}

static double wanted_bytes(const stamp_vit *self, int64_t n, int threads)
{
    double rows = 2 * mt_bag_rows_bytes(self->embed.in + 16 * self->dim, threads);

    return mt_encoder_layer_bytes(self->layers->pdata[0], n + 1, threads) + rows +
           (double)sizeof(float) * (double)n * (2 * HEADS + 2 * (double)self->classifier.out);
}

static bool allocate_raw(const stamp_vit *self, int64_t n, mt_raw_output *raw, GError **error)
{
    raw->n = n;
    raw->n_attention = HEADS;
    raw->heads = true;
    raw->n_logits = self->classifier.out;
    raw->dim = self->dim;
    return (raw->logits = mt_alloc(raw->n_logits, sizeof(float), error)) != NULL &&
           (raw->embedding = mt_alloc(raw->dim, sizeof(float), error)) != NULL &&
           (raw->tile_logits = mt_alloc(n * raw->n_logits, sizeof(float), error)) != NULL &&
           (raw->attention_logits = mt_alloc(n * HEADS, sizeof(float), error)) != NULL;
}

/* The last layer is wanted for the class token alone. */
static bool run_layers(const stamp_vit *self, mt_encoder_tokens *tokens, GError **error)
{
    for (guint i = 0; i < self->layers->len; i++)
        if (!mt_encoder_layer_run(self->layers->pdata[i], tokens, i + 1 < self->layers->len ? tokens->n : 1, error))
            return false;
    return true;
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const stamp_vit  *self = data;
    mt_encoder_tokens tokens = {0};

    if (!mt_aggregator_check_memory("stamp_vit", bag->n, wanted_bytes(self, bag->n, options->threads), options, error) ||
        !allocate_raw(self, bag->n, raw, error))
        return false;
    bool ok = mt_encoder_tokens_allocate(&tokens, bag->n + 1, self->dim, options->threads, error);
    if (ok)
        memcpy(tokens.h, self->class_token->data, mt_tensor_bytes(self->class_token));
    ok = ok && mt_bag_rows_run(self->model, bag, self->dim, options->threads, tokens.h + self->dim, error) &&
         mt_bag_rows_run(self->alone, bag, raw->n_logits, options->threads, raw->tile_logits, error) && run_layers(self, &tokens, error);
    if (ok) {
        mt_encoder_layer_first_scores(self->layers->pdata[self->layers->len - 1], &tokens, raw->attention_logits);
        mt_class_token_finish(tokens.h, &self->norm, &self->classifier, raw->embedding, raw->logits);
    }
    mt_encoder_tokens_clear(&tokens);
    return ok;
}

const mt_aggregator mt_aggregator_stamp_vit = {"stamp_vit", recognise, build, predict, free_vit};
