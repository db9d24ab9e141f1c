/* The mean of the k largest tile scores, for each label by itself: p = sigmoid(W x + b) of each tile, score = mean of the k largest p.
 * A linear head (classifier) whose card says kind=topk and k= (10 where it does not).  Its logits are the log-odds of that mean;
 * attention: 1/k for the tiles that count. */
#include "mil/head_card.h"
#include "mil/tile_classifier.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define TILES 10

typedef struct topk {
    mt_tile_classifier tiles;
    int64_t            k;
} topk;

/* By its card alone: the keys are those of any linear head. */
static bool recognise(const mt_state_dict *dict)
{
    (void)dict;
    return false;
}

static void free_topk(void *data)
{
    topk *self = data;

    if (self == NULL)
        return;
    mt_tile_classifier_clear(&self->tiles);
    g_free(self);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    topk *self = g_new0(topk, 1);

    if (!mt_tile_classifier_take(dict, NULL, mt_tile_classifier_linear_key(dict), "topk", &self->tiles, shape, error)) {
        free_topk(self);
        return NULL;
    }
    return self;
}

static bool configure(void *data, mt_head_card *card, GError **error)
{
    topk *self = data;

    self->k = card->k > 0 ? card->k : TILES;
    mt_head_card_suggest_activation(card, MT_ACTIVATION_SIGMOID);
    if (card->activation == MT_ACTIVATION_SIGMOID)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "kind=topk scores each label by itself: activation=sigmoid is wanted");
    return false;
}

/* The k tiles of the largest logits of label c, the first of equal ones; their log-odds. */
static double pool_label(const mt_raw_output *raw, int64_t c, int64_t k, int64_t *tiles)
{
    double  yes = 0, no = 0;
    int64_t n = 0;

    for (int64_t i = 0; i < raw->n; i++) {
        int64_t at = n;
        while (at > 0 && raw->tile_logits[i * raw->n_logits + c] > raw->tile_logits[tiles[at - 1] * raw->n_logits + c])
            at--;
        if (at >= k)
            continue;
        n = MIN(n + 1, k);
        memmove(tiles + at + 1, tiles + at, (size_t)(n - 1 - at) * sizeof *tiles);
        tiles[at] = i;
    }
    for (int64_t j = 0; j < n; j++) {
        double logit = raw->tile_logits[tiles[j] * raw->n_logits + c];
        yes += 1 / (1 + exp(-logit));
        no += 1 / (1 + exp(logit));
        raw->attention[tiles[j] * raw->n_logits + c] = (float)(1 / (double)n);
    }
    return log(yes) - log(no);
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const topk *self = data;
    int64_t     k = MIN(self->k, bag->n);

    if (!mt_tile_classifier_run(&self->tiles, bag, options->threads, self->tiles.output.out, raw, error))
        return false;
    size_t   bytes = (size_t)(raw->n * raw->n_logits) * sizeof(float);
    int64_t *tiles = mt_alloc(k, sizeof(int64_t), error);
    if (tiles == NULL)
        return false;
    memset(raw->attention, 0, bytes);
    memcpy(raw->attention_logits, raw->tile_logits, bytes);
    for (int64_t c = 0; c < raw->n_logits; c++)
        raw->logits[c] = (float)pool_label(raw, c, k, tiles);
    mt_free(tiles);
    return true;
}

const mt_aggregator mt_aggregator_topk = {"topk", recognise, build, predict, free_topk, configure, "k"};
