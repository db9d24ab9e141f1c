/* Noisy-or: at least one tile shows the finding, score = 1 - product of (1 - p) over the tiles, p = sigmoid(W x + b), for each label by
 * itself.  A linear head (classifier) whose card says kind=noisy_or.  Computed as a sum S of -log(1 - p) = log(1 + exp(logit)), so that
 * nothing is lost where the product is small: the log-odds of the score are log(exp(S) - 1).  Attention: a tile's share of S. */
#include "mil/head_card.h"
#include "mil/tile_classifier.h"

#include <math.h>
#include <string.h>

/* By its card alone: the keys are those of any linear head. */
static bool recognise(const mt_state_dict *dict)
{
    (void)dict;
    return false;
}

static void free_tiles(void *data)
{
    mt_tile_classifier *self = data;

    if (self == NULL)
        return;
    mt_tile_classifier_clear(self);
    g_free(self);
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    mt_tile_classifier *self = g_new0(mt_tile_classifier, 1);

    if (!mt_tile_classifier_take(dict, NULL, mt_tile_classifier_linear_key(dict), "noisy_or", self, shape, error)) {
        free_tiles(self);
        return NULL;
    }
    return self;
}

static bool configure(void *data, mt_head_card *card, GError **error)
{
    (void)data;
    mt_head_card_suggest_activation(card, MT_ACTIVATION_SIGMOID);
    if (card->activation == MT_ACTIVATION_SIGMOID)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "kind=noisy_or scores each label by itself: activation=sigmoid is wanted");
    return false;
}

/* log(1 + exp(x)) */
static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double pool_label(const mt_raw_output *raw, int64_t c)
{
    double sum = 0;

    for (int64_t i = 0; i < raw->n; i++)
        sum += softplus(raw->tile_logits[i * raw->n_logits + c]);
    for (int64_t i = 0; i < raw->n; i++)
        raw->attention[i * raw->n_logits + c] =
            (float)(sum > 0 ? softplus(raw->tile_logits[i * raw->n_logits + c]) / sum : 1 / (double)raw->n);
    return sum > 0 ? sum + log(-expm1(-sum)) : -1e4; /* no tile's p can be told from 0 */
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const mt_tile_classifier *self = data;

    if (!mt_tile_classifier_run(self, bag, options->threads, self->output.out, raw, error))
        return false;
    memcpy(raw->attention_logits, raw->tile_logits, (size_t)(raw->n * raw->n_logits) * sizeof(float));
    for (int64_t c = 0; c < raw->n_logits; c++)
        raw->logits[c] = (float)pool_label(raw, c);
    return true;
}

const mt_aggregator mt_aggregator_noisy_or = {"noisy_or", recognise, build, predict, free_tiles, configure};
