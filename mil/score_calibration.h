/* The scores that a card promises: activation at its temperature, then Platt's line or an isotonic curve on the positive label.
 * Both rise, so no two cases change their order.  What is not of the positive label shares the rest in its old proportions (softmax) or
 * stays (sigmoid).  All in double. */
#ifndef MT_SCORE_CALIBRATION_H
#define MT_SCORE_CALIBRATION_H

#include <microtome/head.h>

/* Index of `label`; -1: none of them, or NULL. */
int mt_head_card_label(const mt_head_card *card, const char *label);
/* n_logits logits give mt_activation_n_classes scores; `positive` is mt_head_card_label(card, card->positive). */
void mt_calibrated_scores(const mt_head_card *card, int positive, const float *logits, int64_t n_logits, float *scores);
/* The log-odds of one class at temperature 1: of softmax against all others together. */
double mt_score_log_odds(mt_activation activation, const float *logits, int64_t n_logits, int label);
/* Linear between corners of rising x, flat outside; n > 0. */
double mt_curve_at(const mt_curve_point *curve, int n, double x);
/* "none", "temperature=1.3", "platt=1.2;-0.3", "isotonic (12 corners)"; free with g_free. */
char *mt_calibration_text(const mt_head_card *card);

#endif
