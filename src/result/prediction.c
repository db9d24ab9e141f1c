#include "src/result/prediction.h"

#include "mil/score_calibration.h"
#include "src/result/reason.h"
#include "src/result/triage.h"
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

static mt_status judge(const mt_head_output *output, const mt_head_card *card, const mt_prediction_facts *facts, bool limited)
{
    if (facts->tiles == 0)
        return MT_STATUS_INSUFFICIENT;
    /* a quotient of whole numbers rounds as the decimal that a recipe holds does: 3 of 10 is not above 0.3 */
    double share = (double)facts->invalid_tiles / (double)facts->tiles;
    if (share > facts->withheld_invalid || facts->invalid_tiles == facts->tiles)
        return MT_STATUS_WITHHELD;
    if (limited)
        return MT_STATUS_INSUFFICIENT;
    if (facts->off_contract || facts->incomplete || share > facts->degraded_invalid)
        return MT_STATUS_DEGRADED;
    if (card == NULL || output == NULL || output->scores == NULL)
        return MT_STATUS_EMBEDDED;
    return !card->has_card || card->positive == NULL || isnan(card->threshold) ? MT_STATUS_UNCALIBRATED : MT_STATUS_OK;
}

double mt_prediction_label_score(const mt_prediction *prediction, const mt_head_card *card, int label)
{
    double score = prediction->scores[label];

    for (int worse = label + 1; card->activation == MT_ACTIVATION_ORDINAL && worse < prediction->n_labels; worse++)
        score += prediction->scores[worse];
    return fmin(score, 1);
}

static void take_scores(mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card)
{
    int positive = mt_head_card_label(card, card->positive);

    prediction->n_labels = (int)output->n_classes;
    prediction->labels = g_strdupv(card->labels);
    prediction->positive = g_strdup(card->positive);
    prediction->threshold = card->has_card ? card->threshold : (double)NAN;
    prediction->threshold_high = card->has_card ? card->threshold_high : 0;
    if (prediction->status == MT_STATUS_WITHHELD)
        return;
    prediction->scores = g_memdup2(output->scores, (gsize)output->n_classes * sizeof(float));
    if (positive >= 0)
        prediction->score = mt_prediction_label_score(prediction, card, positive);
}

mt_prediction *mt_prediction_new(const mt_head_output *output, const mt_head_card *card, const mt_prediction_facts *facts, GError **error)
{
    bool scored = output != NULL && card != NULL && output->scores != NULL && facts->tiles > 0;
    g_autoptr(mt_prediction) prediction = g_new0(mt_prediction, 1);

    if (scored && !check_output(output, card, error))
        return NULL;
    GPtrArray *limits = mt_triage_limits(scored ? card : NULL, output, facts);
    prediction->status = judge(output, card, facts, limits->len > 0);
    prediction->score = prediction->threshold = prediction->disagreement = prediction->high_mm2 = NAN;
    prediction->high_tiles = -1;
    prediction->language = facts->language;
    prediction->distance = output != NULL ? output->distance : 0;
    prediction->distance_limit = output != NULL ? output->distance_limit : 0;
    prediction->tiles = facts->tiles;
    prediction->invalid_tiles = facts->invalid_tiles;
    if (scored)
        take_scores(prediction, output, card);
    mt_triage_apply(prediction, output, card, facts, limits);
    return g_steal_pointer(&prediction);
}

void mt_prediction_free(mt_prediction *prediction)
{
    if (prediction == NULL)
        return;
    g_free(prediction->positive);
    g_free(prediction->reason);
    g_clear_pointer(&prediction->reasons, g_ptr_array_unref);
    g_strfreev(prediction->conformal_set);
    g_strfreev(prediction->labels);
    g_free(prediction->scores);
    g_free(prediction);
}

/* How a head that cuts the bag into groups (DTFD-MIL) did it; without `seed` by stride. */
static bool store_groups(const mt_head_card *card, mt_store *store, GError **error)
{
    static const char *const distill[] = {[MT_DISTILL_AFS] = "afs", [MT_DISTILL_MAXS] = "maxs", [MT_DISTILL_MAXMINS] = "maxmins"};
    const int64_t            groups = card->groups, repeats = card->repeats, seed = card->seed;

    return groups == 0 || (mt_store_attr_int(store, MT_OBJECT_SCORES, "groups", &groups, 1, error) &&
                           mt_store_attr_int(store, MT_OBJECT_SCORES, "repeats", &repeats, 1, error) &&
                           mt_store_attr_string(store, MT_OBJECT_SCORES, "distill", distill[card->distill], error) &&
                           (!card->seeded || mt_store_attr_int(store, MT_OBJECT_SCORES, "seed", &seed, 1, error)));
}

/* Of a card that has a threshold for each label: those, and which labels reach theirs. */
static bool store_found(const mt_prediction *prediction, const mt_head_card *card, mt_store *store, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    if (card->n_thresholds == 0 || card->n_thresholds != prediction->n_labels)
        return true;
    for (int i = 0; i < prediction->n_labels; i++)
        if (prediction->scores[i] >= card->thresholds[i]) /* NaN: it has none */
            g_ptr_array_add(found, prediction->labels[i]);
    g_ptr_array_add(found, NULL);
    g_autofree char *text = g_strjoinv(";", (char **)found->pdata);
    return mt_store_attr_double(store, MT_OBJECT_SCORES, "thresholds", card->thresholds, card->n_thresholds, error) &&
           mt_store_attr_string(store, MT_OBJECT_SCORES, "found", text, error);
}

static bool store_scores(const mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card, mt_store *store,
                         GError **error)
{
    g_autofree char *calibration = mt_calibration_text(card);

    return mt_schema_write_floats(store, MT_OBJECT_SCORES, output->scores, output->n_classes, error) &&
           mt_schema_write_floats(store, MT_OBJECT_LOGITS, output->logits, output->n_classes, error) &&
           mt_store_attr_strings(store, MT_OBJECT_SCORES, MT_ATTR_LABELS, (const char *const *)prediction->labels, error) &&
           mt_store_attr_strings(store, MT_OBJECT_LOGITS, MT_ATTR_LABELS, (const char *const *)prediction->labels, error) &&
           mt_store_attr_string(store, MT_OBJECT_SCORES, MT_ATTR_CALIBRATION, calibration, error) && store_groups(card, store, error) &&
           store_found(prediction, card, store, error) &&
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

static bool store_members(const mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card, mt_store *store,
                          GError **error)
{
    if (output->n_members == 0)
        return true;
    g_autoptr(mt_tensor) scores =
        mt_tensor_new_view(MT_F32, 2, (int64_t[]){output->n_members, output->n_classes}, output->member_scores, NULL);
    return mt_store_write(store, MT_OBJECT_MEMBERS, scores, error) &&
           mt_store_attr_strings(store, MT_OBJECT_MEMBERS, MT_ATTR_LABELS, (const char *const *)prediction->labels, error) &&
           (card->members == NULL ||
            mt_store_attr_strings(store, MT_OBJECT_MEMBERS, "members", (const char *const *)card->members, error)) &&
           (isnan(prediction->disagreement) ||
            mt_store_attr_double(store, MT_OBJECT_MEMBERS, "disagreement", &prediction->disagreement, 1, error));
}

/* An empty set is the empty text. */
static bool store_set(const mt_prediction *prediction, const mt_head_card *card, mt_store *store, GError **error)
{
    if (prediction->conformal_set == NULL)
        return true;
    g_autofree char *labels = g_strjoinv(";", prediction->conformal_set);
    return mt_store_attr_string(store, MT_OBJECT_SCORES, "conformal_set", labels, error) &&
           mt_store_attr_double(store, MT_OBJECT_SCORES, "conformal_alpha", &card->conformal_alpha, 1, error);
}

/* One number more where it is known. */
static bool attr_known(mt_store *store, const char *name, double value, bool known, GError **error)
{
    return !known || mt_store_attr_double(store, MT_OBJECT_REASONS, name, &value, 1, error);
}

/* In the language of the run, and as attributes in every one. */
static bool store_languages(const mt_prediction *p, mt_store *store, GError **error)
{
    for (int l = -1; l < MT_LANGUAGES; l++) {
        g_autofree const char **texts = mt_reason_texts(p->reasons, l < 0 ? p->language : (mt_language)l);
        if (l < 0 ? !mt_store_write_strings(store, MT_OBJECT_REASONS, texts, p->reasons->len, error)
                  : !mt_store_attr_strings(store, MT_OBJECT_REASONS, mt_language_name((mt_language)l), texts, error))
            return false;
    }
    return true;
}

static bool store_reasons(const mt_prediction *p, mt_store *store, GError **error)
{
    int64_t audit = p->audit;

    if (p->reasons == NULL || p->reasons->len == 0)
        return true;
    g_autofree const char **kinds = mt_reason_kinds(p->reasons);
    return store_languages(p, store, error) && mt_store_attr_strings(store, MT_OBJECT_REASONS, "kinds", kinds, error) &&
           mt_store_attr_string(store, MT_OBJECT_REASONS, "language", mt_language_name(p->language), error) &&
           mt_store_attr_string(store, MT_OBJECT_REASONS, "status", mt_status_name(p->status), error) &&
           mt_store_attr_string(store, MT_OBJECT_REASONS, "decision", mt_decision_name(p->decision), error) &&
           mt_store_attr_int(store, MT_OBJECT_REASONS, "audit", &audit, 1, error) &&
           attr_known(store, MT_ATTR_THRESHOLD, p->threshold, !isnan(p->threshold), error) &&
           attr_known(store, "threshold_high", p->threshold_high, p->threshold_high > 0, error) &&
           attr_known(store, "high_tiles", (double)p->high_tiles, p->high_tiles >= 0, error) &&
           attr_known(store, "high_mm2", p->high_mm2, !isnan(p->high_mm2), error) &&
           attr_known(store, "distance", p->distance, p->distance_limit > 0, error) &&
           attr_known(store, "distance_limit", p->distance_limit, p->distance_limit > 0, error);
}

bool mt_prediction_store(const mt_prediction *prediction, const mt_head_output *output, const mt_head_card *card, const uint8_t *valid,
                         mt_store *store, GError **error)
{
    if (!store_reasons(prediction, store, error))
        return false;
    if (output == NULL)
        return true;
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
    return store_scores(prediction, output, card, store, error) && store_set(prediction, card, store, error) &&
           store_members(prediction, output, card, store, error);
}
