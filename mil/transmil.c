/* TransMIL (Shao et al. 2021): a transformer of Nystroem attention over all tiles of a case.
 *   h = relu(W x + b); the first side^2 - N tiles again, side = ceil(sqrt(N)); the class token in front
 *   h = layer 1, positions (mil/ppeg.h), layer 2, ..       logits = W LN(h)_class + b
 * Two spellings:  TransMIL  _fc1.0, layer1 .. with attn, _fc2       MIL-Lab  patch_embed.0, blocks.0 .. with attention, classifier
 * The order of the tiles and their number matter: they must come as they lie in the file.
 * Attention: per head, the class token's row of A1 A2+ A3 in the last layer, over the tiles.  That row is an approximation and may
 * fall below 0; it is kept as it is in the attention logits, and the attention is its positive part scaled to a sum of 1.  What goes to
 * the copies that fill the square is dropped: added to their originals it would light up the first tiles of a case, whatever they
 * show, because of its number of tiles.  (The original code returns no attention.) */
#include "mil/bag_rows.h"
#include "mil/nystrom.h"
#include "mil/ppeg.h"
#include "mil/token_head.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define LAYERS_MAX 64

typedef struct spelling {
    const char *embed, *layer, *attention, *classifier;
    int         first; /* number of the first layer */
} spelling;

static const spelling spellings[] = {{"_fc1.0", "layer", "attn", "_fc2", 1}, {"patch_embed.0", "blocks.", "attention", "classifier", 0}};

typedef struct transmil {
    mt_token_head head; /* of mt_nystrom */
    mt_ppeg      *positions;
    int64_t       heads;
} transmil;

static void free_transmil(void *data)
{
    transmil *self = data;

    if (self == NULL)
        return;
    mt_token_head_clear(&self->head);
    mt_ppeg_free(self->positions);
    g_free(self);
}

static char *attention_key(const spelling *names, int layer)
{
    return g_strdup_printf("%s%d.%s", names->layer, names->first + layer, names->attention);
}

static bool has_layer(const mt_state_dict *dict, const spelling *names, int layer)
{
    g_autofree char *attention = attention_key(names, layer), *qkv = g_strconcat(attention, ".to_qkv", NULL);

    return mt_state_dict_has_linear(dict, qkv);
}

static const spelling *find_spelling(const mt_state_dict *dict)
{
    for (guint i = 0; i < G_N_ELEMENTS(spellings); i++)
        if (mt_state_dict_has_linear(dict, spellings[i].embed) && has_layer(dict, &spellings[i], 0))
            return &spellings[i];
    return NULL;
}

static bool recognise(const mt_state_dict *dict)
{
    return mt_state_dict_has_linear(dict, "pos_layer.proj") && find_spelling(dict) != NULL;
}

static bool take_layers(transmil *self, mt_state_dict *dict, const spelling *names, GError **error)
{
    for (int i = 0; i == 0 || (i < LAYERS_MAX && has_layer(dict, names, i)); i++) {
        g_autofree char *attention = attention_key(names, i), *norm = g_strdup_printf("%s%d.norm", names->layer, names->first + i);
        mt_nystrom      *layer = mt_nystrom_new(dict, norm, attention, self->head.dim, error);
        if (layer == NULL)
            return false;
        g_ptr_array_add(self->head.layers, layer);
    }
    self->heads = mt_nystrom_heads(g_ptr_array_index(self->head.layers, self->head.layers->len - 1));
    return true;
}

static bool take_all(transmil *self, mt_state_dict *dict, GError **error)
{
    const spelling *names = find_spelling(dict);

    if (names == NULL)
        names = &spellings[0]; /* named by a card: the first key that is missing is the message */
    if (!mt_token_head_take_first(&self->head, dict, names->embed, "cls_token", 3, error) || !take_layers(self, dict, names, error))
        return false;
    self->positions = mt_ppeg_new(dict, "pos_layer", self->head.dim, error);
    return self->positions != NULL && mt_token_head_take_last(&self->head, dict, "norm", names->classifier, "Relu", "transmil", error);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    transmil *self = g_new0(transmil, 1);

    mt_token_head_init(&self->head, (GDestroyNotify)mt_nystrom_free);
    if (!take_all(self, dict, error)) {
        free_transmil(self);
        return NULL;
    }
    *shape = mt_token_head_shape(&self->head);
    return self;
}

static int64_t side_of(int64_t n)
{
    int64_t side = (int64_t)sqrt((double)n);

    while (side * side < n)
        side++;
    return side;
}

/* Class token, tiles, the first tiles again. */
static bool make_tokens(const transmil *self, const mt_bag *bag, int64_t side, mt_nystrom_tokens *tokens, GError **error)
{
    int64_t dim = self->head.dim;

    if (!mt_token_head_begin(&self->head, bag, tokens->threads, tokens->h, error))
        return false;
    memcpy(tokens->h + (1 + bag->n) * dim, tokens->h + dim, (size_t)((side * side - bag->n) * dim) * sizeof(float));
    return true;
}

/* All layers but the last for every token, that one for the class token alone. */
static bool run_layers(const transmil *self, int64_t side, mt_nystrom_tokens *tokens, float *row, float *attention, GError **error)
{
    guint last = self->head.layers->len - 1;

    for (guint i = 0; i < last; i++) {
        if (!mt_nystrom_run(g_ptr_array_index(self->head.layers, i), tokens, error) ||
            (i == 0 && !mt_ppeg_run(self->positions, tokens->h, side, tokens->threads, tokens->q, error)))
            return false;
        if (i == 0) {
            float *swap = tokens->h;
            tokens->h = tokens->q;
            tokens->q = swap;
        }
    }
    return mt_nystrom_run_first(g_ptr_array_index(self->head.layers, last), tokens, row, attention, error);
}

/* The positive part of each column, scaled to a sum of 1; nothing positive: every tile alike. */
static void finish_attention(const float *row, int64_t n, int64_t heads, float *attention)
{
    for (int64_t k = 0; k < heads; k++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += fmax(0, row[i * heads + k]);
        for (int64_t i = 0; i < n; i++)
            attention[i * heads + k] = sum > 0 ? (float)(fmax(0, row[i * heads + k]) / sum) : (float)(1 / (double)n);
    }
}

static double wanted_bytes(const transmil *self, int64_t n, int64_t tokens, int threads)
{
    double layer = 0, group = 2 * mt_bag_rows_bytes(self->head.embed.in + 4 * self->head.dim, threads);

    for (guint i = 0; i < self->head.layers->len; i++)
        layer = fmax(layer, mt_nystrom_bytes(g_ptr_array_index(self->head.layers, i), tokens, threads));
    return layer + group + sizeof(float) * (double)self->heads * (2.0 * (double)n + (double)tokens);
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const transmil   *self = data;
    int64_t           side = side_of(bag->n), n_tokens = 1 + side * side;
    mt_nystrom_tokens tokens = {0};
    float            *row = NULL, *seen = NULL;

    if (!mt_aggregator_check_memory("transmil", bag->n, wanted_bytes(self, bag->n, n_tokens, options->threads), options, error) ||
        !mt_token_head_allocate(&self->head, bag->n, self->heads, raw, error) ||
        (raw->attention = mt_alloc(bag->n * self->heads, sizeof(float), error)) == NULL)
        return false;
    bool ok = mt_nystrom_tokens_allocate(&tokens, n_tokens, self->head.dim, options->threads, error) &&
              (row = mt_alloc(self->head.dim, sizeof(float), error)) != NULL &&
              (seen = mt_alloc((n_tokens - 1) * self->heads, sizeof(float), error)) != NULL &&
              make_tokens(self, bag, side, &tokens, error) && run_layers(self, side, &tokens, row, seen, error);
    if (ok) {
        mt_token_head_finish(&self->head, row, raw);
        memcpy(raw->attention_logits, seen, (size_t)(bag->n * self->heads) * sizeof *seen);
        finish_attention(seen, bag->n, self->heads, raw->attention);
    }
    mt_free(seen);
    mt_free(row);
    mt_nystrom_tokens_clear(&tokens);
    return ok;
}

const mt_aggregator mt_aggregator_transmil = {"transmil", recognise, build, predict, free_transmil};
