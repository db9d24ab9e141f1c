/* A card as text again: what calibrate writes. */
#include "mil/head_card.h"
#include "mil/score_activation.h"
#include "src/base/decimal.h"

#include <math.h>

static void put(GKeyFile *file, const char *key, const char *value)
{
    if (value != NULL)
        g_key_file_set_string(file, "head", key, value);
}

static void put_list(GKeyFile *file, const char *key, char **list)
{
    if (list != NULL)
        g_key_file_set_string_list(file, "head", key, (const char *const *)list, g_strv_length(list));
}

static void put_number(GKeyFile *file, const char *key, double value, bool said)
{
    char digits[MT_DECIMAL_BYTES];

    if (said)
        g_key_file_set_value(file, "head", key, mt_decimal_text(value, digits));
}

static void put_numbers(GKeyFile *file, const char *key, const double *values, int n)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char digits[MT_DECIMAL_BYTES];

    for (int i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ";" : "", mt_decimal_text(values[i], digits));
    if (n > 0)
        g_key_file_set_value(file, "head", key, text->str);
}

static void put_curve(GKeyFile *file, const mt_head_card *card)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char x[MT_DECIMAL_BYTES], y[MT_DECIMAL_BYTES];

    for (int i = 0; i < card->n_isotonic; i++)
        g_string_append_printf(text, "%s%s:%s", i > 0 ? ";" : "", mt_decimal_text(card->isotonic[i].x, x),
                               mt_decimal_text(card->isotonic[i].y, y));
    if (card->n_isotonic > 0)
        g_key_file_set_value(file, "head", "isotonic", text->str);
}

static void put_quality(GKeyFile *file, const mt_head_card *card)
{
    put_number(file, "min_exposure", card->min_exposure, card->min_exposure > 0);
    put_number(file, "max_exposure", card->max_exposure, card->max_exposure > 0);
    put_number(file, "max_clipping", card->max_clipping, card->max_clipping > 0);
    put_number(file, "max_blur", card->max_blur, card->max_blur > 0);
    put_number(file, "max_ghosting", card->max_ghosting, card->max_ghosting > 0);
    put_number(file, "min_illumination", card->min_illumination, card->min_illumination > 0);
    put_number(file, "min_field_complete", card->min_field_complete, card->min_field_complete > 0);
}

static void put_decision(GKeyFile *file, const mt_head_card *card)
{
    put_number(file, "temperature", card->temperature, card->temperature != 1);
    put_numbers(file, "platt", card->platt, card->platt[0] > 0 ? 2 : 0);
    put_curve(file, card);
    put_number(file, card->threshold_high > 0 ? "threshold_low" : "threshold", card->threshold, !isnan(card->threshold));
    put_number(file, "threshold_high", card->threshold_high, card->threshold_high > 0);
    put_number(file, "audit_share", card->audit_share, card->audit_share != MT_AUDIT_SHARE);
    put_number(file, "min_tissue_mm2", card->min_tissue_mm2, card->min_tissue_mm2 > 0);
    put_number(file, "min_tiles", card->min_tiles, card->min_tiles > 0);
    put_number(file, "min_sharpness", card->min_sharpness, card->min_sharpness > 0);
    put_number(file, "min_field_share", card->min_field_share, card->min_field_share > 0);
    put_quality(file, card);
    put_number(file, "conformal_alpha", card->conformal_alpha, card->n_conformal > 0);
    put_numbers(file, "conformal", card->conformal, card->n_conformal);
    put(file, "reference", card->reference);
    put(file, "reference_sha256", card->reference_sha256);
}

/* One for each label, - for a label without. */
static void put_shares(GKeyFile *file, const char *key, const double *values, int n)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char digits[MT_DECIMAL_BYTES];

    for (int i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ";" : "", values[i] > 0 ? mt_decimal_text(values[i], digits) : "-");
    if (n > 0)
        g_key_file_set_value(file, "head", key, text->str);
}

static void put_task(GKeyFile *file, const mt_head_card *card)
{
    put(file, "probabilities", card->probabilities ? "true" : NULL);
    put_shares(file, "op_norm", card->op_norm, card->n_op_norm);
    put_shares(file, "thresholds", card->thresholds, card->n_thresholds);
    put_number(file, "logit_scale", card->logit_scale, card->logit_scale > 0);
}

/* The keys of single kinds. */
static void put_pooling(GKeyFile *file, const mt_head_card *card)
{
    static const char *const distill[] = {[MT_DISTILL_AFS] = NULL, [MT_DISTILL_MAXS] = "maxs", [MT_DISTILL_MAXMINS] = "maxmins"};

    put(file, "average", card->average ? "true" : NULL);
    put(file, "distill", distill[card->distill]);
    put_number(file, "groups", card->groups, card->groups > 0);
    put_number(file, "repeats", card->repeats, card->repeats > 0);
    put_number(file, "k", card->k, card->k > 0);
    put_number(file, "seed", card->seed, card->seeded);
    put_number(file, "heads", card->heads, card->heads > 0);
}

char *mt_head_card_text(const mt_head_card *card)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    put(file, "kind", card->kind);
    put_list(file, "members", card->members);
    put(file, "combine", card->combine);
    put_numbers(file, "weights", card->weights, card->n_weights);
    put(file, "encoder", card->encoder);
    put(file, "encoder_sha256", card->encoder_sha256);
    put_number(file, "target_mpp", card->target_mpp, card->target_mpp > 0);
    put_list(file, "labels", card->labels);
    put(file, "positive", card->positive);
    put(file, "activation", mt_activation_name(card->activation));
    put(file, "logits", card->logits);
    put(file, "attention", card->attention);
    put_pooling(file, card);
    put_decision(file, card);
    put_task(file, card);
    if (card->demonstration)
        put(file, "demonstration", "true");
    return g_key_file_to_data(file, NULL, NULL);
}
