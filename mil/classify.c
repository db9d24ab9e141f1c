/* The encoder classifies: its rows are the logits of its classes, or their probabilities where the card says so. */
#include "mil/head_card.h"
#include "mil/score_activation.h"
#include "mil/task_head.h"

#include <math.h>
#include <string.h>

/* What rounding may add to a probability. */
#define ABOVE_ONE 1.0001F

typedef struct classify {
    mt_combination combination;
    int64_t        first, width; /* columns of the row */
    bool           probabilities;
} classify;

static bool check_probabilities(const float *values, int64_t n, int64_t width, GError **error)
{
    for (int64_t i = 0; i < n * width; i++)
        if (values[i] < 0 || values[i] > ABOVE_ONE) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                        "output %" G_GINT64_FORMAT " of a tile is %g and the card says that outputs are probabilities: name the activation",
                        i % width, values[i]);
            return false;
        }
    return true;
}

static bool tile_logits(const void *data, const float *rows, int64_t n, int64_t dim, float *logits, GError **error)
{
    const classify *self = data;

    for (int64_t i = 0; i < n; i++)
        memcpy(logits + i * self->width, rows + i * dim + self->first, (size_t)self->width * sizeof(float));
    return !self->probabilities || check_probabilities(logits, n, self->width, error);
}

/* Of probabilities the mean is that of the probabilities; everything else happens among their logits. */
static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const classify *self = data;

    (void)options;
    if (!self->probabilities)
        return mt_task_run(self, tile_logits, &self->combination, bag, self->width, raw, error);
    const mt_combination mean = {.rule = MT_COMBINE_MEAN, .activation = self->combination.activation};
    if (!mt_task_run(self, tile_logits, &mean, bag, self->width, raw, error))
        return false;
    mt_activation_invert(mean.activation, raw->logits, raw->n_logits);
    mt_activation_invert(mean.activation, raw->tile_logits, raw->n * raw->n_logits);
    return self->combination.rule == MT_COMBINE_MEAN ||
           mt_combine_logits(&self->combination, raw->tile_logits, raw->n, raw->n_logits, raw->logits, error);
}

const mt_aggregator mt_aggregator_classify = {"classify", NULL, NULL, predict, g_free};
const mt_aggregator mt_aggregator_tiles = {"tiles", NULL, NULL, predict, g_free};

static bool check_activation(const mt_head_card *card, GError **error)
{
    if (!card->probabilities || card->activation == MT_ACTIVATION_SIGMOID || card->activation == MT_ACTIVATION_SOFTMAX)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "probabilities=true with activation=%s: softmax or sigmoid is wanted",
                mt_activation_name(card->activation));
    return false;
}

bool mt_classify_build(mt_head *head, const mt_task_settings *settings, GError **error)
{
    mt_head_card *card = head->card;
    classify     *self = g_new0(classify, 1);

    head->aggregator = &mt_aggregator_classify;
    head->state = self;
    head->sha256 = g_strdup("");
    head->shape = (mt_aggregator_shape){.dim = settings->dim, .n_logits = settings->width};
    self->first = settings->first;
    self->width = settings->width;
    if (card->reference != NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "the card names a reference, which is of features: task embed has one");
        return false;
    }
    mt_head_card_suggest_activation(card, settings->width == 1 ? MT_ACTIVATION_SIGMOID : MT_ACTIVATION_SOFTMAX);
    self->probabilities = card->probabilities;
    return check_activation(card, error) && mt_task_combination(head, settings, card->activation, &self->combination, error);
}

bool mt_head_class_column(const mt_head *head, int label, int64_t *column)
{
    const classify *self = head->state;

    if (head->aggregator != &mt_aggregator_classify && head->aggregator != &mt_aggregator_tiles)
        return false;
    if (head->card->activation == MT_ACTIVATION_ORDINAL) /* "more than grade k" speaks for grade k + 1; against all of them, for grade 0 */
        label = MAX(label - 1, 0);
    *column = self->first + MIN(label, self->width - 1);
    return true;
}
