#include "src/result/triage.h"

#include "mil/score_calibration.h"
#include "src/base/decimal.h"
#include "src/base/hash.h"
#include "src/result/conformal_set.h"
#include "src/result/modality_quality.h"
#include "src/result/reason.h"

#include <math.h>
#include <string.h>

#define DIGITS G_ASCII_DTOSTR_BUF_SIZE

mt_decision mt_triage_decide(mt_status status, double score, double low, double high)
{
    if (isnan(score) || isnan(low) || status == MT_STATUS_WITHHELD || status == MT_STATUS_EMBEDDED)
        return MT_DECISION_NONE;
    if (high > 0 && (float)score >= (float)high)
        return MT_DECISION_URGENT;
    /* both as float32: 0.7 stored as float32 reaches a threshold of 0.7 */
    if ((float)score >= (float)low)
        return MT_DECISION_REVIEW;
    return status == MT_STATUS_OK ? MT_DECISION_CLEAR : MT_DECISION_NONE;
}

bool mt_triage_drawn(const char *identity, double share)
{
    g_autofree char *text = g_strconcat("audit ", identity, NULL), *hash = mt_hash_bytes(text, strlen(text));

    hash[13] = '\0'; /* 52 bits */
    return (double)g_ascii_strtoull(hash, NULL, 16) < share * 4503599627370496.0;
}

static const char *number(double value, char digits[DIGITS])
{
    return g_ascii_formatd(digits, DIGITS, "%.4g", value);
}

/* Only what the card gives limits for, and what no head could read. */
static void limit_quality(const mt_head_card *card, const mt_prediction_facts *facts, GPtrArray *limits)
{
    const mt_image_quality *q = facts->quality;
    char                    a[DIGITS], b[DIGITS];

    if (q == NULL || !q->known)
        return;
    bool masked = q->field_share < 0.999; /* else black and white may be what lies beside the subject */
    if (masked && q->black_share > MT_TRIAGE_CLIPPED_SHARE)
        g_ptr_array_add(limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_DARK, "share", number(100 * q->black_share, a), NULL));
    else if (masked && q->white_share > MT_TRIAGE_CLIPPED_SHARE)
        g_ptr_array_add(limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_BRIGHT, "share", number(100 * q->white_share, a), NULL));
    else if (masked && q->black_share + q->white_share > MT_TRIAGE_CLIPPED_SHARE)
        g_ptr_array_add(
            limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_CLIPPED, "share", number(100 * (q->black_share + q->white_share), a), NULL));
    if (q->contrast < MT_TRIAGE_CONTRAST)
        g_ptr_array_add(limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_FLAT, "range", number(q->contrast, a), NULL));
    if (q->sharpness < card->min_sharpness)
        g_ptr_array_add(limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_BLURRED, "sharpness", number(q->sharpness, a), "wanted",
                                              number(card->min_sharpness, b), NULL));
    if (q->field_share < card->min_field_share)
        g_ptr_array_add(limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_SMALL_FIELD, "share", number(100 * q->field_share, a), "wanted",
                                              number(100 * card->min_field_share, b), NULL));
    mt_modality_quality_limit(card, q, limits);
}

GPtrArray *mt_triage_limits(const mt_head_card *card, const mt_head_output *output, const mt_prediction_facts *facts)
{
    GPtrArray *limits = g_ptr_array_new_with_free_func((GDestroyNotify)mt_reason_free);
    int64_t    readable = facts->tiles - facts->invalid_tiles;
    char       a[DIGITS], b[DIGITS], c[DIGITS];

    if (card == NULL || card->positive == NULL || isnan(card->threshold) || facts->tiles == 0)
        return limits;
    if (facts->tissue_mm2 > 0 && facts->tissue_mm2 < card->min_tissue_mm2)
        g_ptr_array_add(limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_LITTLE_TISSUE, "area", number(facts->tissue_mm2, a), "wanted",
                                              number(card->min_tissue_mm2, b), NULL));
    if (readable < card->min_tiles)
        g_ptr_array_add(limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_FEW_TILES, "count", number((double)readable, a), "wanted",
                                              number(card->min_tiles, b), NULL));
    limit_quality(card, facts, limits);
    if (output->distance_limit > 0 && !(output->distance <= output->distance_limit))
        g_ptr_array_add(limits, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_DISTANT, "distance", number(output->distance, a), "limit",
                                              number(output->distance_limit, b), "share", number(100 * output->distance_share, c), NULL));
    return limits;
}

/* Score and threshold as texts that differ where they do. */
static void pair(double score, double threshold, char a[MT_DECIMAL_BYTES], char b[MT_DECIMAL_BYTES])
{
    g_ascii_formatd(a, MT_DECIMAL_BYTES, "%.4g", score);
    g_ascii_formatd(b, MT_DECIMAL_BYTES, "%.4g", threshold);
    if (strcmp(a, b) != 0 || (float)score == (float)threshold)
        return;
    mt_decimal_text(mt_decimal_of_float((float)score), a);
    mt_decimal_text(mt_decimal_of_float((float)threshold), b);
}

static void say_found(const mt_prediction *p, GPtrArray *reasons)
{
    static const mt_message found[] = {[MT_DECISION_CLEAR] = MT_MESSAGE_CLEAR,
                                       [MT_DECISION_REVIEW] = MT_MESSAGE_REVIEW,
                                       [MT_DECISION_URGENT] = MT_MESSAGE_URGENT,
                                       [MT_DECISION_NONE] = MT_MESSAGE_BELOW};
    char                    score[MT_DECIMAL_BYTES], threshold[MT_DECIMAL_BYTES];

    if (isnan(p->score) || isnan(p->threshold))
        return;
    pair(p->score, p->decision == MT_DECISION_URGENT ? p->threshold_high : p->threshold, score, threshold);
    g_ptr_array_add(reasons,
                    mt_reason_new(MT_REASON_WHAT, found[p->decision], "label", p->positive, "score", score, "threshold", threshold, NULL));
}

/* As mt_prediction_label_score has it of the case. */
static float tile_score(const mt_head_output *output, int64_t tile, int label, bool grades)
{
    const float *scores = output->tile_scores + tile * output->n_classes;
    float        score = scores[label];

    for (int64_t worse = label + 1; grades && worse < output->n_classes; worse++)
        score += scores[worse];
    return score;
}

/* Tiles that would be positive as bags of their own. */
static void say_where(mt_prediction *p, const mt_head_output *output, int positive, bool grades, const mt_prediction_facts *facts,
                      GPtrArray *reasons)
{
    char       count[DIGITS], tiles[DIGITS], area[DIGITS];
    mt_message message = MT_MESSAGE_NO_HIGH_TILE;

    if (p->scores == NULL || output->tile_scores == NULL || positive < 0 || isnan(p->threshold))
        return;
    p->high_tiles = 0;
    for (int64_t i = 0; i < output->n; i++)
        p->high_tiles += tile_score(output, i, positive, grades) >= (float)p->threshold;
    if (facts->tile_mm2 > 0)
        p->high_mm2 = (double)p->high_tiles * facts->tile_mm2;
    if (p->high_tiles > 0)
        message = facts->tile_mm2 > 0 ? MT_MESSAGE_HIGH_TILES_AREA : MT_MESSAGE_HIGH_TILES;
    g_ascii_formatd(count, DIGITS, "%.0f", (double)p->high_tiles);
    g_ascii_formatd(tiles, DIGITS, "%.0f", (double)output->n);
    g_ptr_array_add(reasons,
                    mt_reason_new(MT_REASON_WHERE, message, "count", count, "tiles", tiles, "area", number(p->high_mm2, area), NULL));
}

static void say_members(mt_prediction *p, const mt_head_output *output, int positive, GPtrArray *reasons)
{
    double low = INFINITY, high = -INFINITY, mean = 0, variance = 0, m = (double)output->n_members;
    char   members[DIGITS], a[DIGITS], b[DIGITS], spread[DIGITS];

    if (output->n_members < 2 || positive < 0)
        return;
    for (int64_t i = 0; i < output->n_members; i++) {
        double score = output->member_scores[i * output->n_classes + positive];
        low = fmin(low, score);
        high = fmax(high, score);
        mean += score / m;
    }
    for (int64_t i = 0; i < output->n_members; i++)
        variance += pow(output->member_scores[i * output->n_classes + positive] - mean, 2) / (m - 1);
    p->disagreement = sqrt(variance);
    g_ptr_array_add(reasons, mt_reason_new(MT_REASON_SURE, MT_MESSAGE_MEMBERS, "members", number(m, members), "low", number(low, a), "high",
                                           number(high, b), "spread", number(p->disagreement, spread), NULL));
}

static void say_how_sure(mt_prediction *p, const mt_head_output *output, const mt_head_card *card, int positive, GPtrArray *reasons)
{
    char confidence[DIGITS];

    p->conformal_set = mt_conformal_set(card, p->scores);
    if (p->conformal_set != NULL) {
        g_autofree char *labels = g_strjoinv(", ", p->conformal_set);
        g_ptr_array_add(reasons, mt_reason_new(MT_REASON_SURE, *labels != '\0' ? MT_MESSAGE_SET : MT_MESSAGE_SET_EMPTY, "confidence",
                                               number(100 * (1 - card->conformal_alpha), confidence), "labels", labels, NULL));
    }
    say_members(p, output, positive, reasons);
    if (!isnan(p->threshold) && card->temperature == 1 && card->platt[0] <= 0 && card->n_isotonic == 0)
        g_ptr_array_add(reasons, mt_reason_new(MT_REASON_SURE, MT_MESSAGE_NOT_CALIBRATED, NULL));
}

/* What unread tiles did to the status; NULL: nothing. */
static mt_reason *unread(const mt_prediction *p, const mt_prediction_facts *facts)
{
    double share = facts->tiles > 0 ? (double)facts->invalid_tiles / (double)facts->tiles : 0;
    bool   withheld = p->status == MT_STATUS_WITHHELD;
    char   invalid[DIGITS], tiles[DIGITS], percent[DIGITS], limit[DIGITS];

    if (!withheld && (p->status == MT_STATUS_OK || !(share > facts->degraded_invalid)))
        return NULL;
    g_autofree char *cause = facts->invalid_reason != NULL ? g_strconcat(": ", facts->invalid_reason, NULL) : g_strdup("");
    g_ascii_formatd(invalid, DIGITS, "%.0f", (double)facts->invalid_tiles);
    g_ascii_formatd(tiles, DIGITS, "%.0f", (double)facts->tiles);
    g_ascii_formatd(percent, DIGITS, "%.3g", 100 * share);
    g_ascii_formatd(limit, DIGITS, "%.3g", 100 * (withheld ? facts->withheld_invalid : facts->degraded_invalid));
    return mt_reason_new(MT_REASON_LIMIT, withheld ? MT_MESSAGE_UNREAD_WITHHELD : MT_MESSAGE_UNREAD, "invalid", invalid, "tiles", tiles,
                         "share", percent, "limit", limit, "cause", cause, NULL);
}

static void say_limits(const mt_prediction *p, const mt_prediction_facts *facts, GPtrArray *limits, GPtrArray *reasons)
{
    g_ptr_array_extend_and_steal(reasons, limits);
    mt_reason *tiles = unread(p, facts);
    if (tiles != NULL)
        g_ptr_array_add(reasons, tiles);
    if (facts->off_contract && !isnan(p->threshold))
        g_ptr_array_add(reasons, mt_reason_new(MT_REASON_LIMIT, MT_MESSAGE_OFF_CONTRACT, NULL));
}

static void draw_audit(mt_prediction *p, const mt_head_card *card, const mt_prediction_facts *facts, GPtrArray *reasons)
{
    char share[DIGITS];

    p->audit = p->decision == MT_DECISION_CLEAR && facts->identity != NULL && mt_triage_drawn(facts->identity, card->audit_share);
    if (p->audit)
        g_ptr_array_add(reasons, mt_reason_new(MT_REASON_AUDIT, MT_MESSAGE_AUDIT, "share", number(100 * card->audit_share, share), NULL));
}

void mt_triage_apply(mt_prediction *p, const mt_head_output *output, const mt_head_card *card, const mt_prediction_facts *facts,
                     GPtrArray *limits)
{
    GPtrArray *reasons = p->reasons = g_ptr_array_new_with_free_func((GDestroyNotify)mt_reason_free);
    int        positive = card != NULL ? mt_head_card_label(card, card->positive) : -1;

    p->decision = mt_triage_decide(p->status, p->score, p->threshold, p->threshold_high);
    if (card != NULL && !isnan(card->threshold) && facts->tiles == 0)
        g_ptr_array_add(reasons, mt_reason_new(MT_REASON_WHAT, MT_MESSAGE_NO_TISSUE, NULL));
    say_found(p, reasons);
    if (p->scores != NULL) {
        say_where(p, output, positive, card->activation == MT_ACTIVATION_ORDINAL, facts, reasons);
        say_how_sure(p, output, card, positive, reasons);
    }
    say_limits(p, facts, limits, reasons);
    if (card != NULL)
        draw_audit(p, card, facts, reasons);
    if (reasons->len == 0)
        return;
    g_autofree const char **texts = mt_reason_texts(reasons, p->language);
    p->reason = g_strjoinv(" ", (char **)texts);
}
