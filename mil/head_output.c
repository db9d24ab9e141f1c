/* From an aggregator's raw output to scores, attention and tile scores; nothing that is not finite passes. */
#include "mil/head_private.h"
#include "mil/score_activation.h"
#include "mil/score_calibration.h"
#include "src/base/alloc.h"

#include <math.h>

void mt_head_output_free(mt_head_output *output)
{
    if (output == NULL)
        return;
    mt_free(output->logits);
    mt_free(output->scores);
    mt_free(output->attention);
    mt_free(output->attention_logits);
    mt_free(output->tile_scores);
    mt_free(output->embedding);
    mt_free(output->member_scores);
    g_free(output);
}

static bool check_finite(const char *what, const float *values, int64_t n, GError **error)
{
    for (int64_t i = 0; values != NULL && i < n; i++)
        if (!isfinite(values[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "%s: value %" G_GINT64_FORMAT " is not finite", what, i);
            return false;
        }
    return true;
}

static bool check_raw(const mt_raw_output *raw, GError **error)
{
    return check_finite("logits", raw->logits, raw->n_logits, error) &&
           check_finite("attention", raw->attention_logits, raw->n * raw->n_attention, error) &&
           check_finite("tile logits", raw->tile_logits, raw->n * raw->n_logits, error) &&
           check_finite("slide embedding", raw->embedding, raw->dim, error);
}

/* Softmax over the tiles, one column at a time, in double and in order. */
static void softmax_column(const float *logits, float *attention, int64_t n, int64_t k)
{
    double top = -INFINITY, sum = 0;

    for (int64_t i = 0; i < n; i++)
        top = fmax(top, logits[i * k]);
    for (int64_t i = 0; i < n; i++)
        sum += exp(logits[i * k] - top);
    for (int64_t i = 0; i < n; i++)
        attention[i * k] = (float)(exp(logits[i * k] - top) / sum);
}

static bool finish_attention(mt_raw_output *raw, mt_head_output *output, GError **error)
{
    output->n_attention = raw->n_attention;
    output->attention_heads = raw->heads;
    output->attention_logits = g_steal_pointer(&raw->attention_logits);
    output->attention = g_steal_pointer(&raw->attention);
    if (output->n_attention == 0 || output->attention != NULL)
        return true;
    output->attention = mt_alloc(output->n * output->n_attention, sizeof(float), error);
    for (int64_t k = 0; output->attention != NULL && k < output->n_attention; k++)
        softmax_column(output->attention_logits + k, output->attention + k, output->n, output->n_attention);
    return output->attention != NULL;
}

static bool invert_probabilities(const mt_head *head, mt_raw_output *raw, GError **error)
{
    for (int64_t i = 0; i < raw->n_logits; i++)
        if (raw->logits[i] < 0 || raw->logits[i] > 1.0001F) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "output '%s' should hold probabilities, value %" G_GINT64_FORMAT " is %g",
                        head->card->logits, i, raw->logits[i]);
            return false;
        }
    mt_activation_invert(head->card->activation, raw->logits, raw->n_logits);
    return true;
}

static bool finish_scores(const mt_head *head, mt_raw_output *raw, mt_head_output *output, GError **error)
{
    const mt_head_card *card = head->card;

    output->n_classes = mt_activation_n_classes(card->activation, raw->n_logits);
    if (output->n_classes == 0)
        return true;
    if (raw->probabilities && !invert_probabilities(head, raw, error))
        return false;
    output->logits = mt_alloc(output->n_classes, sizeof(float), error);
    output->scores = output->logits != NULL ? mt_alloc(output->n_classes, sizeof(float), error) : NULL;
    if (output->scores == NULL)
        return false;
    mt_activation_class_logits(card->activation, raw->logits, raw->n_logits, output->logits);
    int positive = mt_head_card_label(card, card->positive);
    mt_calibrated_scores(card, positive, raw->logits, raw->n_logits, output->scores);
    if (raw->tile_logits == NULL)
        return true;
    output->tile_scores = mt_alloc(output->n * output->n_classes, sizeof(float), error);
    for (int64_t i = 0; output->tile_scores != NULL && i < output->n; i++)
        mt_calibrated_scores(card, positive, raw->tile_logits + i * raw->n_logits, raw->n_logits,
                             output->tile_scores + i * output->n_classes);
    return output->tile_scores != NULL;
}

mt_head_output *mt_head_output_finish(const mt_head *head, mt_raw_output *raw, GError **error)
{
    g_autoptr(mt_head_output) output = g_new0(mt_head_output, 1);

    if (!check_raw(raw, error))
        return NULL;
    output->n = raw->n;
    output->dim = raw->dim;
    output->embedding = g_steal_pointer(&raw->embedding);
    output->n_members = raw->n_members;
    output->member_scores = g_steal_pointer(&raw->member_scores);
    if (!finish_attention(raw, output, error) || !finish_scores(head, raw, output, error) ||
        !check_finite("scores", output->scores, output->n_classes, error) ||
        !check_finite("tile scores", output->tile_scores, output->n * output->n_classes, error) ||
        !check_finite("attention", output->attention, output->n * output->n_attention, error))
        return NULL;
    return g_steal_pointer(&output);
}
