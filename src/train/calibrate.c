/* The verb's work: read held-out predictions, fit, choose thresholds, write the card and what its numbers rest on. */
#include <microtome/calibrate.h>

#include "mil/score_calibration.h"
#include "src/evaluate/reliability.h"
#include "src/result/conformal_set.h"
#include "src/train/calibration.h"
#include "src/train/calibration_data.h"
#include "src/train/card_copy.h"
#include "src/train/conformal.h"
#include "src/train/operating_points.h"
#include "src/train/stack.h"
#include "src/train/training_reference.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define BINS 15
#define LEVEL 0.95

/* Of the positive label, where there is one, and of all that the head says. */
typedef struct quality {
    mt_estimate brier, loss;
    double      ece;
    double      likelihood; /* mean negative log likelihood of all labels; NAN under Platt's line and curves, which are of one label */
} quality;

typedef struct fit {
    const mt_calibrate_params *params;
    mt_head                   *head;
    mt_head_card              *card; /* to be written */
    mt_calibration_data       *data;
    int                        positive; /* -1: none */
    mt_calibration_method      method;
    int64_t                    n; /* rows where the positive label is known */
    double                    *scores;
    int                       *truth;
    quality                    before, after;
    mt_operating_point         points[2];
    int                        n_points;
    mt_feature_reference      *reference; /* NULL: not asked for */
    int                        low, high; /* index of the point behind each threshold; -1 */
} fit;

static void fit_clear(fit *f)
{
    g_clear_pointer(&f->head, mt_head_unref);
    g_clear_pointer(&f->card, mt_head_card_free);
    g_clear_pointer(&f->data, mt_calibration_data_free);
    g_free(f->scores);
    g_free(f->truth);
    g_clear_pointer(&f->reference, mt_feature_reference_free);
}

/* Scores of the positive label under the card as it stands. */
static void rescore(fit *f)
{
    const mt_calibration_data *d = f->data;
    g_autofree float          *scores = g_new(float, (gsize)d->n_classes + 1);

    f->n = 0;
    for (int64_t i = 0; f->positive >= 0 && i < d->n; i++) {
        float holds = d->holds[i * d->n_classes + f->positive];
        if (isnan(holds))
            continue;
        mt_calibrated_scores(f->card, f->positive, d->logits + i * d->n_logits, d->n_logits, scores);
        f->scores[f->n] = scores[f->positive];
        f->truth[f->n++] = holds == 1;
    }
}

/* Grades and intervals are questions of yes and no, one a logit. */
static const float *truth_of_logits(const fit *f, mt_activation *activation)
{
    *activation = f->data->questions != NULL ? MT_ACTIVATION_SIGMOID : f->card->activation;
    return f->data->questions != NULL ? f->data->questions : f->data->holds;
}

static bool measure(fit *f, quality *q, GError **error)
{
    const mt_calibration_data *d = f->data;
    mt_reliability_bin         bins[BINS];
    mt_activation              activation;
    const float               *truth = truth_of_logits(f, &activation);

    q->likelihood = NAN;
    if (f->card->platt[0] <= 0 && f->card->n_isotonic == 0)
        q->likelihood = mt_calibration_likelihood(activation, d->logits, truth, d->n, d->n_logits, f->card->temperature);
    rescore(f);
    if (f->positive < 0)
        return true;
    if (!mt_brier(f->scores, f->truth, f->n, &q->brier, error) || !mt_log_loss(f->scores, f->truth, f->n, &q->loss, error) ||
        !mt_reliability_curve(f->scores, f->truth, f->n, BINS, MT_BINS_EQUAL_WIDTH, bins, error))
        return false;
    q->ece = mt_calibration_error(bins, BINS).value;
    return true;
}

static bool fit_positive(fit *f, GError **error)
{
    const mt_calibration_data *d = f->data;
    g_autofree double         *x = g_new(double, (gsize)d->n + 1);
    g_autofree float          *holds = g_new(float, (gsize)d->n + 1);

    for (int64_t i = 0; i < d->n; i++) {
        double odds = mt_score_log_odds(f->card->activation, d->logits + i * d->n_logits, d->n_logits, f->positive);
        x[i] = f->method == MT_CALIBRATION_PLATT ? odds : odds >= 0 ? 1 / (1 + exp(-odds)) : exp(odds) / (1 + exp(odds));
        holds[i] = d->holds[i * d->n_classes + f->positive];
    }
    if (f->method == MT_CALIBRATION_PLATT)
        return mt_calibration_platt(x, holds, d->n, f->card->platt, error);
    GArray *corners = mt_calibration_isotonic(x, holds, d->n, error);
    if (corners == NULL)
        return false;
    g_free(f->card->isotonic);
    f->card->n_isotonic = (int)corners->len;
    f->card->isotonic = (mt_curve_point *)(void *)g_array_free(corners, FALSE);
    return true;
}

static bool fit_scores(fit *f, GError **error)
{
    const mt_calibration_data *d = f->data;

    if (f->method == MT_CALIBRATION_NONE)
        return true;
    if (f->method == MT_CALIBRATION_TEMPERATURE) {
        mt_activation activation;
        const float  *truth = truth_of_logits(f, &activation);
        return mt_calibration_temperature(activation, d->logits, truth, d->n, d->n_logits, &f->card->temperature, error);
    }
    if (f->positive >= 0)
        return fit_positive(f, error);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "calibrate: --method %s is of one label's score: name it with --positive",
                mt_calibration_name(f->method));
    return false;
}

static bool choose_point(fit *f, mt_operating_goal goal, double wanted, GError **error)
{
    mt_operating_claim claim = {.goal = goal,
                                .wanted = wanted,
                                .prevalence = f->params->prevalence,
                                .level = LEVEL,
                                .interval = f->params->clopper_pearson ? MT_PROPORTION_CLOPPER_PEARSON : MT_PROPORTION_WILSON};

    if (wanted == 0)
        return true;
    if (f->positive < 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE, "calibrate: a threshold is of one label's score: name it with --positive");
        return false;
    }
    if (!mt_operating_point_choose(f->scores, f->truth, f->n, &claim, &f->points[f->n_points], error))
        return false;
    f->n_points++;
    return true;
}

/* One point is the threshold; of two the one for ruling out is the lower, the other calls urgent where it lies above. */
static bool choose_points(fit *f, GError **error)
{
    const mt_calibrate_params *p = f->params;

    f->low = f->high = -1;
    if (!choose_point(f, MT_GOAL_SENSITIVITY, p->sensitivity, error) || !choose_point(f, MT_GOAL_NPV, p->npv, error))
        return false;
    int first = f->n_points;
    if (!choose_point(f, MT_GOAL_SPECIFICITY, p->specificity, error) || !choose_point(f, MT_GOAL_PPV, p->ppv, error))
        return false;
    if (f->n_points == 0)
        return true;
    f->low = 0;
    f->card->threshold = f->points[0].threshold;
    if (first == 1 && f->n_points == 2) {
        f->high = 1;
        f->card->threshold_high = fmax(f->points[1].threshold, f->points[0].threshold);
    }
    return true;
}

static bool fit_sets(fit *f, GError **error)
{
    const mt_calibration_data *d = f->data;
    int                        k = mt_conformal_n_classes(f->card), n = 0;
    double                     alpha = f->params->conformal;

    if (alpha == 0)
        return true;
    g_autofree double *scores = g_new(double, (gsize)(d->n * k) + 1);
    g_autofree int    *truth = g_new(int, (gsize)d->n + 1);
    g_autofree float  *row = g_new(float, (gsize)d->n_classes + 1);
    int                positive = mt_head_card_label(f->card, f->card->positive);
    for (int64_t i = 0; i < d->n; i++) {
        mt_calibrated_scores(f->card, positive, d->logits + i * d->n_logits, d->n_logits, row);
        truth[n] = k != d->n_classes ? d->holds[i] == 1 : -1;
        for (int c = 0; c < k; c++) {
            scores[(int64_t)n * k + c] = mt_conformal_score(f->card, row, c);
            if (k == d->n_classes && d->holds[i * k + c] == 1)
                truth[n] = c;
        }
        n += truth[n] >= 0;
    }
    g_free(f->card->conformal);
    f->card->conformal = g_new0(double, (gsize)k + 1);
    f->card->n_conformal = f->params->by_class ? k : 1;
    f->card->conformal_alpha = alpha;
    return mt_conformal_fit(scores, truth, n, k, alpha, f->params->by_class, f->card->conformal, error) &&
           mt_head_card_fit_decision(f->card, error);
}

static bool fit_reference(fit *f, GError **error)
{
    const mt_calibrate_params *p = f->params;

    if (p->reference != NULL) {
        g_autofree char *path = mt_feature_reference_path(p->card);
        f->reference = mt_training_reference(p->reference, f->head, error);
        if (f->reference == NULL)
            return false;
        g_free(f->card->reference);
        f->card->reference = g_path_get_basename(path);
        g_clear_pointer(&f->card->reference_sha256, g_free);
    }
    return mt_card_move(f->card, p->head, p->card, &f->reference, error);
}

static json_t *quality_json(const quality *q, bool positive)
{
    json_t *o = positive ? json_pack("{s:f s:f s:f}", "brier", q->brier.value, "ece", q->ece, "log_loss", q->loss.value) : json_object();

    if (isfinite(q->likelihood))
        json_object_set_new(o, "nll", json_real(q->likelihood));
    return o;
}

static json_t *point_json(const fit *f, int i)
{
    const mt_operating_point *p = &f->points[i];
    json_t                   *o =
        json_pack("{s:s s:f s:f s:f s:f s:s s:f s:s s:I s:I s:I s:I s:[f,f,f] s:[f,f,f]}", "goal", mt_operating_goal_name(p->claim.goal),
                  "wanted", p->claim.wanted, "value", p->value, "lower_bound", p->low, "level", p->claim.level, "interval",
                  p->claim.interval == MT_PROPORTION_WILSON ? "Wilson" : "Clopper-Pearson", "threshold", p->threshold, "use",
                  i == f->low    ? "threshold"
                  : i == f->high ? "threshold_high"
                                 : "none",
                  "true_positives", (json_int_t)p->tp, "false_negatives", (json_int_t)p->fn, "true_negatives", (json_int_t)p->tn,
                  "false_positives", (json_int_t)p->fp, "sensitivity", p->sensitivity.value, p->sensitivity.low, p->sensitivity.high,
                  "specificity", p->specificity.value, p->specificity.low, p->specificity.high);

    if (p->claim.goal == MT_GOAL_NPV || p->claim.goal == MT_GOAL_PPV)
        json_object_set_new(o, "prevalence", json_real(p->claim.prevalence));
    return o;
}

static char *today(const char *given)
{
    if (given != NULL)
        return g_strdup(given);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    return g_date_time_format(now, "%Y-%m-%d");
}

static char *points_json(const fit *f)
{
    g_autofree char *date = today(f->params->date), *calibration = mt_calibration_text(f->card);
    g_autofree char *name = g_path_get_basename(f->params->predictions);
    int64_t          positives = 0;

    for (int64_t i = 0; i < f->n; i++)
        positives += f->truth[i];
    json_t *points = json_array();
    for (int i = 0; i < f->n_points; i++)
        json_array_append_new(points, point_json(f, i));
    json_t *o = json_pack("{s:s s:s s:s s:s s:{s:s s:s s:I s:I s:I s:I} s:o}", "date", date, "head_sha256", mt_head_sha256(f->head),
                          "method", mt_calibration_name(f->method), "calibration", calibration, "data", "source", name, "sha256",
                          f->data->sha256, "cases", (json_int_t)f->data->n, "positives", (json_int_t)positives, "negatives",
                          (json_int_t)(f->n - positives), "unknown", (json_int_t)f->data->n_unknown, "points", points);
    if (f->positive >= 0)
        json_object_set_new(o, "positive", json_string(f->card->positive));
    json_object_set_new(o, "before", quality_json(&f->before, f->positive >= 0));
    json_object_set_new(o, "after", quality_json(&f->after, f->positive >= 0));
    if (f->card->n_conformal > 0)
        json_object_set_new(o, "conformal_alpha", json_real(f->card->conformal_alpha));
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9)), *copy = g_strconcat(text, "\n", NULL);
    free(text);
    json_decref(o);
    return copy;
}

static char *summary(const fit *f)
{
    GString         *text = g_string_new(NULL);
    g_autofree char *calibration = mt_calibration_text(f->card);

    g_string_append_printf(text, "calibration: %s, from %" G_GINT64_FORMAT " held-out cases", calibration, f->data->n);
    g_string_append_printf(text, f->data->n_unknown > 0 ? ", %" G_GINT64_FORMAT " without a label left out\n" : "\n", f->data->n_unknown);
    if (f->positive >= 0)
        g_string_append_printf(text, "          before     after\nBrier     %-10.4f %.4f\nECE       %-10.4f %.4f\nlog loss  %-10.4f %.4f\n",
                               f->before.brier.value, f->after.brier.value, f->before.ece, f->after.ece, f->before.loss.value,
                               f->after.loss.value);
    else
        g_string_append_printf(text, "negative log likelihood of a case: before %.4f, after %.4f\n", f->before.likelihood,
                               f->after.likelihood);
    for (int i = 0; i < f->n_points; i++) {
        const mt_operating_point *p = &f->points[i];
        g_string_append_printf(text,
                               "%s >= %g: threshold %.6g%s: observed %.4f, lower bound %.4f (%s, %g %%); sensitivity %" G_GINT64_FORMAT
                               "/%" G_GINT64_FORMAT ", specificity %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT "\n",
                               mt_operating_goal_name(p->claim.goal), p->claim.wanted, p->threshold, i == f->high ? " (urgent)" : "",
                               p->value, p->low, p->claim.interval == MT_PROPORTION_WILSON ? "Wilson" : "Clopper-Pearson",
                               100 * p->claim.level, p->tp, p->tp + p->fn, p->tn, p->tn + p->fp);
    }
    for (int i = 0; i < f->card->n_conformal; i++)
        g_string_append_printf(text, "conformal set at %g: scores from %.6g\n", f->card->conformal_alpha, 1 - f->card->conformal[i]);
    return g_string_free(text, FALSE);
}

static bool check_params(const mt_calibrate_params *p, fit *f, GError **error)
{
    const struct {
        const char *option;
        double      value;
    } shares[] = {{"sensitivity", p->sensitivity}, {"specificity", p->specificity}, {"npv", p->npv}, {"ppv", p->ppv},
                  {"prevalence", p->prevalence},   {"conformal", p->conformal}};

    for (size_t i = 0; i < G_N_ELEMENTS(shares); i++)
        if (!(shares[i].value >= 0 && shares[i].value < 1)) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "calibrate: --%s %g: a number between 0 and 1 is wanted", shares[i].option,
                        shares[i].value);
            return false;
        }
    if (!mt_calibration_parse(p->method != NULL ? p->method : "temperature", &f->method))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "calibrate: --method %s: temperature, platt, isotonic or none is wanted", p->method);
    else if ((p->sensitivity > 0 && p->npv > 0) || (p->specificity > 0 && p->ppv > 0))
        g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE,
                            "calibrate: give one of --sensitivity and --npv, and one of --specificity and --ppv");
    else if ((p->npv > 0 || p->ppv > 0) && p->prevalence == 0)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE,
                            "calibrate: NPV and PPV depend on how many of the tested have it: state it with --prevalence");
    else if (!p->force && g_file_test(p->card, G_FILE_TEST_EXISTS))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "calibrate: %s is there already: --force replaces it", p->card);
    else
        return true;
    return false;
}

/* Of which heads a method has a meaning. */
static bool check_meaning(const fit *f, const mt_head_card *card, GError **error)
{
    const mt_calibrate_params *p = f->params;
    bool                       one_label = f->method == MT_CALIBRATION_PLATT || f->method == MT_CALIBRATION_ISOTONIC;
    bool                       point = p->sensitivity > 0 || p->specificity > 0 || p->npv > 0 || p->ppv > 0;

    if (card->activation == MT_ACTIVATION_HAZARD && (one_label || point || p->conformal > 0 || p->positive != NULL))
        g_set_error(
            error, MT_ERROR, MT_ERROR_USAGE,
            "calibrate %s: a hazard head gives chances to live on, and of a case that was last seen alive nobody knows which side of a "
            "threshold it is: --method temperature is what it has, without a positive label, thresholds and sets",
            p->head);
    else if (card->activation == MT_ACTIVATION_ORDINAL && one_label)
        g_set_error(
            error, MT_ERROR, MT_ERROR_USAGE,
            "calibrate %s: --method %s moves one label alone, which would take the grades of an ordinal head out of their order: take "
            "temperature",
            p->head, mt_calibration_name(f->method));
    else if (card->activation == MT_ACTIVATION_ORDINAL && p->conformal > 0)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "calibrate %s: conformal sets want a softmax head, or a sigmoid head of one label: this one is ordinal", p->head);
    else
        return true;
    return false;
}

static bool prepare(fit *f, GError **error)
{
    const mt_calibrate_params *p = f->params;

    f->head = mt_head_load(p->head, error);
    if (f->head == NULL)
        return false;
    const mt_head_card *card = mt_head_get_card(f->head);
    const char         *positive = p->positive != NULL ? p->positive : card->positive;
    if (card->labels == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "calibrate %s: it gives no scores", p->head);
        return false;
    }
    if (!check_meaning(f, card, error))
        return false;
    int64_t n_logits = (int64_t)g_strv_length(card->labels) - (card->activation == MT_ACTIVATION_ORDINAL);
    f->card = mt_card_copy(f->head, p->positive, error);
    if (f->card == NULL || !mt_head_card_fit(f->card, mt_head_kind(f->head), n_logits, error))
        return false;
    f->positive = card->activation == MT_ACTIVATION_HAZARD ? -1 : mt_head_card_label(f->card, positive);
    f->data = mt_calibration_data_read(p->predictions, p->labels, f->head, positive, error);
    if (f->data == NULL)
        return false;
    f->scores = g_new(double, (gsize)f->data->n + 1);
    f->truth = g_new(int, (gsize)f->data->n + 1);
    return true;
}

bool mt_calibrate(const mt_calibrate_params *params, char **text, char **json, GError **error)
{
    fit f = {.params = params, .low = -1, .high = -1};
    if (params->stack)
        return mt_stack_fit(params, text, json, error);
    bool ok = check_params(params, &f, error) && prepare(&f, error) && measure(&f, &f.before, error) && fit_scores(&f, error) &&
              measure(&f, &f.after, error) && choose_points(&f, error) && fit_sets(&f, error) && fit_reference(&f, error);

    if (ok) {
        g_autofree char *points = points_json(&f);
        ok = mt_card_publish(f.card, params->card, f.reference, points, params->force, error);
        if (ok && text != NULL)
            *text = summary(&f);
        if (ok && json != NULL)
            *json = g_steal_pointer(&points);
    }
    fit_clear(&f);
    return ok;
}
