/* STAMP's vision transformer over tiles (El Nahhas et al. 2024):
 *   tokens = class_token, gelu(project_features.0 x)      layers with the norm first, 8 heads, GELU
 *   logits = mlp_head.0 LN(tokens)_class
 * In prediction nothing is masked.  The number of heads leaves no trace in a checkpoint: it is STAMP's default.  Checkpoints with
 * distances between tiles in the attention (use_alibi) are refused: a bag has no coordinates.
 * Attention: per head, the class token's scores on the tiles in the last layer; the softmax is over the tiles, without the class
 * token itself.  Each tile as a bag of one is what STAMP's own heatmaps show. */
#include "kernels/graph/model_from_graph.h"
#include "mil/bag_rows.h"
#include "mil/encoder_layer.h"
#include "mil/token_head.h"
#include "src/base/alloc.h"

#define HEADS 8

typedef struct stamp_vit {
    mt_token_head head;  /* of mt_encoder_layer */
    mt_model     *alone; /* x (-1,D) -> logits of each as a bag of one */
} stamp_vit;

static const mt_encoder_layer_names names = {"0.norm", "0.mhsa", "1.0", "1.1", "1.4", true, "Gelu"};

static void free_vit(void *data)
{
    stamp_vit *self = data;

    if (self == NULL)
        return;
    mt_token_head_clear(&self->head);
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
        mt_encoder_layer *layer = mt_encoder_layer_new(dict, key, &names, self->head.dim, HEADS, error);
        if (layer == NULL)
            return false;
        g_ptr_array_add(self->head.layers, layer);
    }
}

/* Sequences of class token and tile: rows (B, dim) beside B times the token, as (2 B, dim). */
static mt_value *add_alone(const stamp_vit *self, mt_graph *graph, mt_value *x, GError **error)
{
    const mt_token_head *head = &self->head;
    mt_value *tile = mt_layers_unary(graph, "Gelu", mt_layers_linear(graph, head->embed.weight, head->embed.bias, x, error), error);
    mt_value *nothing = mt_layers_binary(graph, "Mul", tile, mt_layers_number(graph, 0, error), error);
    mt_value *token = mt_layers_binary(graph, "Add", nothing, mt_graph_add_constant(graph, NULL, head->class_token), error);
    mt_value *h = mt_layers_reshape(graph, mt_layers_join(graph, token, tile, error), 2, (int64_t[]){-1, head->dim}, error);

    for (guint i = 0; i < head->layers->len; i++)
        h = mt_encoder_layer_add(g_ptr_array_index(head->layers, i), graph, h, 2, error);
    h = mt_layers_reshape(graph, h, 2, (int64_t[]){-1, 2 * head->dim}, error);
    h = mt_layers_columns(graph, h, 0, head->dim, error);
    h = h != NULL ? mt_layers_norm(graph, &head->norm, h, error) : NULL;
    return mt_layers_linear(graph, head->classifier.weight, head->classifier.bias, h, error);
}

static mt_model *build_alone(const stamp_vit *self, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *x = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, self->head.embed.in});
    mt_value *logits = add_alone(self, graph, x, error);

    if (logits == NULL) {
        mt_graph_free(graph);
        return NULL;
    }
    mt_graph_mark_output(graph, logits);
    return mt_model_new_from_graph(graph, "stamp_vit of one tile", error);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    if (mt_state_dict_mentions(dict, "mhsa.query_encoders")) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "stamp_vit with distances in its attention (use_alibi, keys 'mhsa.query_encoders') is not supported: train it "
                            "without, or export it as an ONNX graph");
        return NULL;
    }
    stamp_vit *self = g_new0(stamp_vit, 1);
    mt_token_head_init(&self->head, (GDestroyNotify)mt_encoder_layer_free);
    if (!mt_token_head_take_first(&self->head, dict, "project_features.0", "class_token", 1, error) || !take_layers(self, dict, error) ||
        !mt_token_head_take_last(&self->head, dict, "transformer.norm", "mlp_head.0", "Gelu", "stamp_vit", error) ||
        (self->alone = build_alone(self, error)) == NULL) {
        free_vit(self);
        return NULL;
    }
    *shape = mt_token_head_shape(&self->head);
    return self;
}

static double wanted_bytes(const stamp_vit *self, int64_t n, int threads)
{
    double rows = 2 * mt_bag_rows_bytes(self->head.embed.in + 16 * self->head.dim, threads);

    return mt_encoder_layer_bytes(self->head.layers->pdata[0], n + 1, threads) + rows +
           (double)sizeof(float) * (double)n * (2 * HEADS + 2 * (double)self->head.classifier.out);
}

/* The last layer is wanted for the class token alone. */
static bool run_layers(const stamp_vit *self, mt_encoder_tokens *tokens, GError **error)
{
    const GPtrArray *layers = self->head.layers;

    for (guint i = 0; i < layers->len; i++)
        if (!mt_encoder_layer_run(layers->pdata[i], tokens, i + 1 < layers->len ? tokens->n : 1, error))
            return false;
    return true;
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const stamp_vit     *self = data;
    const mt_token_head *head = &self->head;
    mt_encoder_tokens    tokens = {0};

    if (!mt_aggregator_check_memory("stamp_vit", bag->n, wanted_bytes(self, bag->n, options->threads), options, error) ||
        !mt_token_head_allocate(head, bag->n, HEADS, raw, error) ||
        (raw->tile_logits = mt_alloc(bag->n * raw->n_logits, sizeof(float), error)) == NULL)
        return false;
    bool ok = mt_encoder_tokens_allocate(&tokens, bag->n + 1, head->dim, options->threads, error) &&
              mt_token_head_begin(head, bag, options->threads, tokens.h, error) &&
              mt_bag_rows_run(self->alone, bag, raw->n_logits, options->threads, raw->tile_logits, error) &&
              run_layers(self, &tokens, error);
    if (ok) {
        mt_encoder_layer_first_scores(head->layers->pdata[head->layers->len - 1], &tokens, raw->attention_logits);
        mt_token_head_finish(head, tokens.h, raw);
    }
    mt_encoder_tokens_clear(&tokens);
    return ok;
}

const mt_aggregator mt_aggregator_stamp_vit = {"stamp_vit", recognise, build, predict, free_vit};
