/* STAMP's vision transformer over tiles (El Nahhas et al. 2024):
 *   tokens = class_token, gelu(project_features.0 x)      layers with the norm first, GELU      logits = mlp_head.0 LN(tokens)_class
 * In prediction nothing is masked.  With use_alibi the attention knows how far apart tokens are, in µm (mil/distance_attention.h);
 * STAMP puts the class token at the slide's corner, and so do we.
 * Attention: per head, the class token's scores on the tiles in the last layer; the softmax is over the tiles, without the class
 * token itself, and without what distance takes: that is the same whatever a tile shows. */
#include "kernels/graph/model_from_graph.h"
#include "mil/bag_rows.h"
#include "mil/encoder_layer.h"
#include "mil/tile_distances.h"
#include "mil/token_head.h"
#include "src/base/alloc.h"

typedef struct stamp_vit {
    mt_token_head head;   /* of mt_encoder_layer */
    mt_model     *alone;  /* x (-1,D), or with how far it is from the corner (-1,D+1) -> logits of each as a bag of one */
    bool          places; /* a layer wants them */
    int64_t       heads;  /* of the last layer */
} stamp_vit;

static const mt_encoder_layer_names names = {"0.norm", "0.mhsa", "1.0", "1.1", "1.4", "fc", true, "Gelu"};

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
        mt_encoder_layer *layer = mt_encoder_layer_new(dict, key, &names, self->head.dim, error);
        if (layer == NULL)
            return false;
        g_ptr_array_add(self->head.layers, layer);
        self->heads = mt_encoder_layer_heads(layer);
        self->places |= mt_encoder_layer_wants_places(layer);
    }
}

/* Of class token and tile: no distance but the one between them. */
static mt_value *pair_distances(mt_graph *graph, mt_value *distance, GError **error)
{
    mt_value *none = mt_layers_binary(graph, "Mul", distance, mt_layers_number(graph, 0, error), error);
    mt_value *token = mt_layers_join(graph, none, distance, error), *tile = mt_layers_join(graph, distance, none, error);

    return mt_layers_reshape(graph, mt_layers_join(graph, token, tile, error), 3, (int64_t[]){-1, 2, 2}, error);
}

/* Sequences of class token and tile: rows (B, dim) beside B times the token, as (2 B, dim). */
static mt_value *add_alone(const stamp_vit *self, mt_graph *graph, mt_value *input, GError **error)
{
    const mt_token_head *head = &self->head;
    mt_value            *x = self->places ? mt_layers_columns(graph, input, 0, head->embed.in, error) : input;
    mt_value *far = self->places ? pair_distances(graph, mt_layers_columns(graph, input, head->embed.in, 1, error), error) : NULL;
    mt_value *tile = mt_layers_unary(graph, "Gelu", mt_layers_linear(graph, head->embed.weight, head->embed.bias, x, error), error);
    mt_value *nothing = mt_layers_binary(graph, "Mul", tile, mt_layers_number(graph, 0, error), error);
    mt_value *token = mt_layers_binary(graph, "Add", nothing, mt_graph_add_constant(graph, NULL, head->class_token), error);
    mt_value *h = mt_layers_reshape(graph, mt_layers_join(graph, token, tile, error), 2, (int64_t[]){-1, head->dim}, error);

    for (guint i = 0; i < head->layers->len; i++)
        h = mt_encoder_layer_add(g_ptr_array_index(head->layers, i), graph, h, 2, far, error);
    h = mt_layers_reshape(graph, h, 2, (int64_t[]){-1, 2 * head->dim}, error);
    h = mt_layers_columns(graph, h, 0, head->dim, error);
    h = h != NULL ? mt_layers_norm(graph, &head->norm, h, error) : NULL;
    return mt_layers_linear(graph, head->classifier.weight, head->classifier.bias, h, error);
}

static mt_model *build_alone(const stamp_vit *self, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *x = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, self->head.embed.in + (self->places ? 1 : 0)});
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
    double rows = 2 * mt_bag_rows_bytes(self->head.embed.in + 16 * self->head.dim, threads), layer = 0;

    for (guint i = 0; i < self->head.layers->len; i++)
        layer = MAX(layer, mt_encoder_layer_bytes(self->head.layers->pdata[i], n + 1, threads));
    return layer + rows + (double)sizeof(float) * (double)n * (2 * (double)self->heads + 2 * (double)self->head.classifier.out);
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

static bool read_places(const mt_bag *bag, mt_encoder_tokens *tokens, GError **error)
{
    tokens->x[0] = tokens->y[0] = 0;
    return mt_tile_places_read(bag, tokens->x + 1, tokens->y + 1, error);
}

static bool score_tiles(const stamp_vit *self, const mt_bag *bag, const mt_encoder_tokens *tokens, float *logits, GError **error)
{
    mt_cornered_bag cornered = {.bag = bag, .x = tokens->x + 1, .y = tokens->y + 1};
    const mt_bag    placed = mt_cornered_bag_new(&cornered);

    return mt_bag_rows_run(self->alone, self->places ? &placed : bag, self->head.classifier.out, tokens->threads, logits, error);
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const stamp_vit     *self = data;
    const mt_token_head *head = &self->head;
    mt_encoder_tokens    tokens = {0};

    /* reading no row says what is missing */
    if ((self->places && !mt_bag_read_um(bag, 0, 0, NULL, error)) ||
        !mt_aggregator_check_memory("stamp_vit", bag->n, wanted_bytes(self, bag->n, options->threads), options, error) ||
        !mt_token_head_allocate(head, bag->n, self->heads, raw, error) ||
        (raw->tile_logits = mt_alloc(bag->n * raw->n_logits, sizeof(float), error)) == NULL)
        return false;
    bool ok = mt_encoder_tokens_allocate(&tokens, bag->n + 1, head->dim, self->places, options->threads, error) &&
              (!self->places || read_places(bag, &tokens, error)) && mt_token_head_begin(head, bag, options->threads, tokens.h, error) &&
              score_tiles(self, bag, &tokens, raw->tile_logits, error) && run_layers(self, &tokens, error);
    if (ok) {
        mt_encoder_layer_first_scores(head->layers->pdata[head->layers->len - 1], &tokens, raw->attention_logits);
        mt_token_head_finish(head, tokens.h, raw);
    }
    mt_encoder_tokens_clear(&tokens);
    return ok;
}

const mt_aggregator mt_aggregator_stamp_vit = {"stamp_vit", recognise, build, predict, free_vit, NULL, "heads"};
