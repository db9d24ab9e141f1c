#include "mil/score_calibration.h"

#include "mil/score_activation.h"

#include <math.h>
#include <string.h>

int mt_head_card_label(const mt_head_card *card, const char *label)
{
    for (int i = 0; label != NULL && card->labels != NULL && card->labels[i] != NULL; i++)
        if (strcmp(card->labels[i], label) == 0)
            return i;
    return -1;
}

double mt_score_log_odds(mt_activation activation, const float *logits, int64_t n_logits, int label)
{
    double top = -INFINITY, sum = 0;

    if (activation != MT_ACTIVATION_SOFTMAX || n_logits < 2)
        return logits[label];
    for (int64_t i = 0; i < n_logits; i++)
        top = i != label ? fmax(top, logits[i]) : top;
    for (int64_t i = 0; i < n_logits; i++)
        sum += i != label ? exp(logits[i] - top) : 0;
    return logits[label] - top - log(sum);
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

double mt_curve_at(const mt_curve_point *curve, int n, double x)
{
    if (!(x > curve[0].x))
        return curve[0].y;
    for (int i = 1; i < n; i++)
        if (x < curve[i].x) {
            double share = (x - curve[i - 1].x) / (curve[i].x - curve[i - 1].x);
            return curve[i - 1].y + share * (curve[i].y - curve[i - 1].y);
        }
    return curve[n - 1].y;
}

/* torchxrayvision's: straight from 0 to a label's point of operation, which becomes 0.5, and straight on to 1. */
static void stretch(const mt_head_card *card, float *scores)
{
    for (int i = 0; i < card->n_op_norm; i++) {
        double at = card->op_norm[i], p = scores[i];
        if (at > 0)
            scores[i] = (float)(p < at ? p / (2 * at) : 1 - (1 - p) / (2 * (1 - at)));
    }
}

void mt_calibrated_scores(const mt_head_card *card, int positive, const float *logits, int64_t n_logits, float *scores)
{
    mt_activation_scores(card->activation, card->temperature, logits, n_logits, scores);
    stretch(card, scores);
    if (positive < 0 || (card->platt[0] <= 0 && card->n_isotonic == 0))
        return;
    double odds = mt_score_log_odds(card->activation, logits, n_logits, positive);
    double score =
        card->platt[0] > 0 ? sigmoid(card->platt[0] * odds + card->platt[1]) : mt_curve_at(card->isotonic, card->n_isotonic, sigmoid(odds));
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n_logits; i++)
        top = i != positive ? fmax(top, logits[i]) : top;
    for (int64_t i = 0; i < n_logits; i++)
        sum += i != positive ? exp(logits[i] - top) : 0;
    scores[positive] = (float)score;
    for (int64_t i = 0; card->activation == MT_ACTIVATION_SOFTMAX && i < n_logits; i++)
        if (i != positive)
            scores[i] = (float)((1 - score) * exp(logits[i] - top) / sum);
}

char *mt_calibration_text(const mt_head_card *card)
{
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];

    if (card->n_isotonic > 0)
        return g_strdup_printf("isotonic (%d corners)", card->n_isotonic);
    if (card->platt[0] > 0)
        return g_strdup_printf("platt=%s;%s", g_ascii_formatd(a, sizeof a, "%.6g", card->platt[0]),
                               g_ascii_formatd(b, sizeof b, "%.6g", card->platt[1]));
    if (card->n_op_norm > 0)
        return g_strdup_printf("op_norm (%d labels)", card->n_op_norm);
    if (card->temperature == 1)
        return g_strdup("none");
    return g_strdup_printf("temperature=%s", g_ascii_formatd(a, sizeof a, "%.6g", card->temperature));
}
