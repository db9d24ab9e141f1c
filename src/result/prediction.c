#include "src/result/prediction.h"

#include "mil/score_calibration.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

const char *mt_status_name(mt_status status)
{
    static const char *const names[] = {"ok", "degraded", "withheld", "insufficient", "embedded", "uncalibrated"};

    return names[status];
}

const char *mt_decision_name(mt_decision decision)
{
    static const char *const names[] = {"clear", "review", "urgent", "none"};

    return names[decision];
}

static bool check_output(const mt_head_output *output, const mt_head_card *card, GError **error)
{
    int64_t n_labels = card->labels != NULL ? (int64_t)g_strv_length(card->labels) : 0;

    if (n_labels != output->n_classes) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "predict: the head gives %" G_GINT64_FORMAT " scores, its card has %" G_GINT64_FORMAT " labels", output->n_classes,
                    n_labels);
        return false;
    }
    if (card->positive != NULL && mt_head_card_label(card, card->positive) < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "predict: the positive label %s is none of the head's labels", card->positive);
        return false;
    }
    for (int64_t i = 0; i < output->n_classes; i++)
        if (!isfinite(output->scores[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "predict: the score of %s is not a number", card->labels[i]);
            return false;
        }
    return true;
}

static mt_status judge(const mt_head_output *output, const mt_head_card *card, const mt_prediction_facts *facts)
{
    if (facts->tiles == 0)
        return MT_STATUS_INSUFFICIENT;
    /* a quotient of whole numbers rounds as the decimal that a recipe holds does: 3 of 10 is not above 0.3 */
    double share = (double)facts->invalid_tiles / (double)facts->tiles;
    if (share > facts->withheld_invalid || facts->invalid_tiles == facts->tiles)
        return MT_STATUS_WITHHELD;
    if (facts->off_contract || share > facts->degraded_invalid)
        return MT_STATUS_DEGRADED;
    if (card == NULL || output == NULL || output->scores == NULL)
        return MT_STATUS_EMBEDDED;
    return !card->has_card || card->positive == NULL || isnan(card->threshold) ? MT_STATUS_UNCALIBRATED : MT_STATUS_OK;
}

/* "12 of 90 tiles could not be read (13.3 %, withheld above 10 %): Bogus marker length"; NULL: the status has another cause. */
static char *explain(mt_status status, const mt_prediction_facts *facts)
{
    double      share = facts->tiles > 0 ? (double)facts->invalid_tiles / (double)facts->tiles : 0;
    bool        withheld = status == MT_STATUS_WITHHELD, degraded = status == MT_STATUS_DEGRADED && share > facts->degraded_invalid;
    double      limit = withheld ? facts->withheld_invalid : facts->degraded_invalid;
    const char *cause = facts->invalid_reason;

    if (!withheld && !degraded)
        return NULL;
    return g_strdup_printf("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles could not be read (%.3g %%, %s above %.3g %%)%s%s",
                           facts->invalid_tiles, facts->tiles, 100 * share, mt_status_name(status), 100 * limit, cause != NULL ? ": " : "",
                           cause != NULL ? cause : "");
}

static mt_decision decide(const mt_prediction *prediction)
{
    bool known = !isnan(prediction->score) && !isnan(prediction->threshold);

    /* both as float32, the precision of a score: 0.7 stored as float32 reaches a threshold of 0.7 */
    if (known && (float)prediction->score >= (float)prediction->threshold)
        return MT_DECISION_REVIEW;
    return known && prediction->status == MT_STATUS_OK ? MT_DECISION_CLEAR : MT_DECISION_NONE;
}

static void take_scores(mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card)
{
    int positive = mt_head_card_label(card, card->positive);

    prediction->n_labels = (int)output->n_classes;
    prediction->labels = g_strdupv(card->labels);
    prediction->positive = g_strdup(card->positive);
    prediction->threshold = card->has_card ? card->threshold : (double)NAN;
    if (prediction->status == MT_STATUS_WITHHELD)
        return;
    prediction->scores = g_memdup2(output->scores, (gsize)output->n_classes * sizeof(float));
    if (positive >= 0)
        prediction->score = output->scores[positive];
}

mt_prediction *mt_prediction_new(const mt_head_output *output, const mt_head_card *card, const mt_prediction_facts *facts, GError **error)
{
    bool scored = output != NULL && card != NULL && output->scores != NULL && facts->tiles > 0;
    g_autoptr(mt_prediction) prediction = g_new0(mt_prediction, 1);

    if (scored && !check_output(output, card, error))
        return NULL;
    prediction->status = judge(output, card, facts);
    prediction->score = prediction->threshold = NAN;
    prediction->tiles = facts->tiles;
    prediction->invalid_tiles = facts->invalid_tiles;
    prediction->reason = explain(prediction->status, facts);
    if (scored)
        take_scores(prediction, output, card);
    prediction->decision = decide(prediction);
    return g_steal_pointer(&prediction);
}

void mt_prediction_free(mt_prediction *prediction)
{
    if (prediction == NULL)
        return;
    g_free(prediction->positive);
    g_free(prediction->reason);
    g_strfreev(prediction->labels);
    g_free(prediction->scores);
    g_free(prediction);
}

static bool store_scores(const mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card, mt_store *store,
                         GError **error)
{
    g_autofree char *calibration = mt_calibration_text(card);

    return mt_schema_write_floats(store, MT_OBJECT_SCORES, output->scores, output->n_classes, error) &&
           mt_schema_write_floats(store, MT_OBJECT_LOGITS, output->logits, output->n_classes, error) &&
           mt_store_attr_strings(store, MT_OBJECT_SCORES, MT_ATTR_LABELS, (const char *const *)prediction->labels, error) &&
           mt_store_attr_strings(store, MT_OBJECT_LOGITS, MT_ATTR_LABELS, (const char *const *)prediction->labels, error) &&
           mt_store_attr_string(store, MT_OBJECT_SCORES, MT_ATTR_CALIBRATION, calibration, error) &&
           (prediction->positive == NULL || mt_store_attr_string(store, MT_OBJECT_SCORES, MT_ATTR_POSITIVE, prediction->positive, error)) &&
           (isnan(prediction->threshold) ||
            mt_store_attr_double(store, MT_OBJECT_SCORES, MT_ATTR_THRESHOLD, &prediction->threshold, 1, error));
}

/* What the columns of the attention are called: the classes, or head_0 ..; NULL: one gate for all classes has no label. */
static char **attention_labels(const mt_prediction *prediction, const mt_head_output *output)
{
    if (!output->attention_heads)
        return output->n_attention == prediction->n_labels ? g_strdupv(prediction->labels) : NULL;
    char **labels = g_new0(char *, (gsize)output->n_attention + 1);
    for (int64_t k = 0; k < output->n_attention; k++)
        labels[k] = g_strdup_printf(MT_HEAD_LABEL "%" G_GINT64_FORMAT, k);
    return labels;
}

bool mt_prediction_store(const mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card, const uint8_t *valid,
                         mt_store *store, GError **error)
{
    const char *const *labels = (const char *const *)prediction->labels;
    int64_t            n = prediction->tiles, k = output->n_attention;
    g_auto(GStrv) columns = attention_labels(prediction, output);
    const char *const *named = (const char *const *)columns;

    if (output->embedding != NULL && !mt_schema_write_floats(store, MT_OBJECT_EMBEDDING, output->embedding, output->dim, error))
        return false;
    if (output->attention != NULL &&
        !mt_schema_write_tile_table(store, MT_OBJECT_ATTENTION, output->attention, k, valid, n, 0, named, error))
        return false;
    if (output->attention_logits != NULL &&
        !mt_schema_write_tile_table(store, MT_OBJECT_ATTENTION_LOGITS, output->attention_logits, k, valid, n, -INFINITY, named, error))
        return false;
    if (prediction->scores == NULL)
        return true;
    if (output->tile_scores != NULL &&
        !mt_schema_write_tile_table(store, MT_OBJECT_TILE_SCORES, output->tile_scores, output->n_classes, valid, n, 0, labels, error))
        return false;
    return store_scores(prediction, output, card, store, error);
}
