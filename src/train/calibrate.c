/* The verb's work: read held-out predictions, fit, choose thresholds, write the card and what its numbers rest on. */
#include <microtome/calibrate.h>

#include "mil/head_card.h"
#include "mil/score_calibration.h"
#include "src/base/publish.h"
#include "src/evaluate/reliability.h"
#include "src/result/conformal_set.h"
#include "src/train/calibration.h"
#include "src/train/calibration_data.h"
#include "src/train/conformal.h"
#include "src/train/operating_points.h"
#include "src/train/training_reference.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define BINS 15
#define LEVEL 0.95

/* Of the positive label; of a head without one the log likelihood of its classes alone. */
typedef struct quality {
    mt_estimate brier, loss;
    double      ece;
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
    char                      *reference_path;
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
    g_free(f->reference_path);
}

/* A card of our own with the head's keys. */
static mt_head_card *copy_card(const mt_head *head, const char *positive, GError **error)
{
    g_autofree char *text = mt_head_card_text(mt_head_get_card(head));
    g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GKeyFile) file = g_key_file_new();

    if (!g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, error))
        return NULL;
    g_auto(GStrv) names = g_key_file_get_keys(file, "head", NULL, NULL);
    for (char **name = names; name != NULL && *name != NULL; name++)
        g_hash_table_insert(keys, g_strdup(*name), g_key_file_get_string(file, "head", *name, NULL));
    if (positive != NULL)
        g_hash_table_insert(keys, g_strdup("positive"), g_strdup(positive));
    return mt_head_card_from_metadata(keys, "the head", false, error);
}

static void reset_decision(mt_head_card *card)
{
    card->temperature = 1;
    card->platt[0] = card->platt[1] = 0;
    card->n_isotonic = 0;
    card->threshold = NAN;
    card->threshold_high = 0;
    card->n_conformal = 0;
    card->conformal_alpha = 0;
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
        mt_calibrated_scores(f->card, f->positive, d->logits + i * d->n_classes, d->n_classes, scores);
        f->scores[f->n] = scores[f->positive];
        f->truth[f->n++] = holds == 1;
    }
}

static bool measure(fit *f, quality *q, GError **error)
{
    mt_reliability_bin bins[BINS];

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
        double odds = mt_score_log_odds(f->card->activation, d->logits + i * d->n_classes, d->n_classes, f->positive);
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
    if (f->method == MT_CALIBRATION_TEMPERATURE)
        return mt_calibration_temperature(f->card->activation, d->logits, d->holds, d->n, d->n_classes, &f->card->temperature, error);
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
        mt_calibrated_scores(f->card, positive, d->logits + i * d->n_classes, d->n_classes, row);
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
    if (f->params->reference == NULL)
        return true;
    f->reference = mt_training_reference(f->params->reference, f->head, error);
    f->reference_path = mt_feature_reference_path(f->params->card);
    g_free(f->card->reference);
    f->card->reference = g_path_get_basename(f->reference_path);
    g_clear_pointer(&f->card->reference_sha256, g_free);
    return f->reference != NULL;
}

static json_t *quality_json(const quality *q)
{
    return json_pack("{s:f s:f s:f}", "brier", q->brier.value, "ece", q->ece, "log_loss", q->loss.value);
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
    if (f->positive >= 0) {
        json_object_set_new(o, "positive", json_string(f->card->positive));
        json_object_set_new(o, "before", quality_json(&f->before));
        json_object_set_new(o, "after", quality_json(&f->after));
    }
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

static bool prepare(fit *f, GError **error)
{
    const mt_calibrate_params *p = f->params;

    f->head = mt_head_load(p->head, error);
    if (f->head == NULL)
        return false;
    const mt_head_card *card = mt_head_get_card(f->head);
    const char         *positive = p->positive != NULL ? p->positive : card->positive;
    if (card->labels == NULL || (card->activation != MT_ACTIVATION_SOFTMAX && card->activation != MT_ACTIVATION_SIGMOID)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "calibrate %s: only heads with softmax or sigmoid are calibrated", p->head);
        return false;
    }
    f->card = copy_card(f->head, p->positive, error);
    if (f->card == NULL || !mt_head_card_fit(f->card, mt_head_kind(f->head), (int64_t)g_strv_length(card->labels), error))
        return false;
    reset_decision(f->card);
    f->positive = mt_head_card_label(f->card, positive);
    f->data = mt_calibration_data_read(p->predictions, p->labels, f->head, positive, error);
    if (f->data == NULL)
        return false;
    f->scores = g_new(double, (gsize)f->data->n + 1);
    f->truth = g_new(int, (gsize)f->data->n + 1);
    return true;
}

static bool publish(const fit *f, const char *json, GError **error)
{
    g_autofree char *text = mt_head_card_text(f->card),
                    *card = g_strconcat("# fitted to held-out predictions by microtome calibrate\n", text, NULL);
    const char      *dot = strrchr(f->params->card, '.');
    int              stem = dot != NULL && strchr(dot, '/') == NULL ? (int)(dot - f->params->card) : (int)strlen(f->params->card);
    g_autofree char *points = g_strdup_printf("%.*s.points.json", stem, f->params->card);

    return (f->reference == NULL || mt_feature_reference_write(f->reference, f->reference_path, error)) &&
           mt_publish_text(points, json, true, error) && mt_publish_text(f->params->card, card, f->params->force, error);
}

bool mt_calibrate(const mt_calibrate_params *params, char **text, char **json, GError **error)
{
    fit  f = {.params = params, .low = -1, .high = -1};
    bool ok = check_params(params, &f, error) && prepare(&f, error) && measure(&f, &f.before, error) && fit_scores(&f, error) &&
              measure(&f, &f.after, error) && choose_points(&f, error) && fit_sets(&f, error) && fit_reference(&f, error);

    if (ok) {
        g_autofree char *points = points_json(&f);
        ok = publish(&f, points, error);
        if (ok && text != NULL)
            *text = summary(&f);
        if (ok && json != NULL)
            *json = g_steal_pointer(&points);
    }
    fit_clear(&f);
    return ok;
}
