/* The members' calibrated scores of held-out cases stand in the ensemble's results; what was true says what each is worth. */
#include "src/train/stack.h"

#include "mil/score_calibration.h"
#include "src/evaluate/predictions.h"
#include "src/store/schema.h"
#include "src/train/calibration_data.h"
#include "src/train/card_copy.h"
#include "src/train/stack_weights.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define LEAST_REST 0x1p-24 /* as combine=stack takes log-odds of scores */

typedef struct stack {
    const mt_calibrate_params *params;
    mt_head                   *head;
    mt_head_card              *card;
    mt_calibration_data       *data;
    mt_predictions            *results;
    mt_feature_reference      *reference;
    int                        positive, members;
    int64_t                    n, n_positive;
    double                    *x; /* n x members */
    int                       *truth;
    double                    *weights;
    double                     before, after;
} stack;

static void stack_clear(stack *s)
{
    g_clear_pointer(&s->head, mt_head_unref);
    g_clear_pointer(&s->card, mt_head_card_free);
    g_clear_pointer(&s->data, mt_calibration_data_free);
    g_clear_pointer(&s->results, mt_predictions_free);
    g_clear_pointer(&s->reference, mt_feature_reference_free);
    g_free(s->x);
    g_free(s->truth);
    g_free(s->weights);
}

static bool check_params(const mt_calibrate_params *p, GError **error)
{
    bool point = p->sensitivity > 0 || p->specificity > 0 || p->npv > 0 || p->ppv > 0 || p->conformal > 0;

    if (p->method != NULL || point)
        g_set_error_literal(
            error, MT_ERROR, MT_ERROR_USAGE,
            "calibrate: --stack makes another head of the members: score held-out cases with it first, then choose a method, "
            "thresholds and sets");
    else if (!g_file_test(p->predictions, G_FILE_TEST_IS_DIR))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "calibrate with %s: --stack wants a folder of the ensemble's results: the scores of its members stand there",
                    p->predictions);
    else if (!p->force && g_file_test(p->card, G_FILE_TEST_EXISTS))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "calibrate: %s is there already: --force replaces it", p->card);
    else
        return true;
    return false;
}

static bool prepare(stack *s, GError **error)
{
    const mt_calibrate_params *p = s->params;

    s->head = mt_head_load(p->head, error);
    if (s->head == NULL)
        return false;
    const mt_head_card *card = mt_head_get_card(s->head);
    const char         *positive = p->positive != NULL ? p->positive : card->positive;
    s->positive = mt_head_card_label(card, positive);
    s->members = card->members != NULL ? (int)g_strv_length(card->members) : 0;
    if (s->members == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "calibrate %s: --stack is of an ensemble's card, this is one head", p->head);
    else if (s->positive < 0)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE, "calibrate: --stack is of one label's score: name it with --positive");
    else
        s->card = mt_card_copy(s->head, p->positive, error);
    if (s->card == NULL || !mt_card_move(s->card, p->head, p->card, &s->reference, error))
        return false;
    s->data = mt_calibration_data_read(p->predictions, p->labels, s->head, positive, error);
    s->results = s->data != NULL ? mt_predictions_read(p->predictions, MT_PREDICTIONS_CASES, false, error) : NULL;
    return s->results != NULL;
}

static double log_odds(double score)
{
    double p = CLAMP(score, LEAST_REST, 1 - LEAST_REST);

    return log(p) - log(1 - p);
}

/* A row of x from /prediction/members. */
static bool read_members(const stack *s, const char *id, double *x, GError **error)
{
    const mt_case_prediction *c = mt_predictions_find(s->results, id);
    g_autoptr(mt_result) result = mt_result_open(c->path, error);
    bool       there = result != NULL && mt_result_has(result, MT_OBJECT_MEMBERS);
    mt_tensor *scores = there ? mt_result_read(result, MT_OBJECT_MEMBERS, error) : NULL;
    int64_t    classes = s->data->n_classes;

    if (result == NULL || (there && scores == NULL))
        return false;
    bool fits =
        scores != NULL && scores->dtype == MT_F32 && scores->rank == 2 && scores->shape[0] == s->members && scores->shape[1] == classes;
    for (int m = 0; fits && m < s->members; m++)
        x[m] = log_odds(((const float *)scores->data)[m * classes + s->positive]);
    mt_tensor_unref(scores);
    if (!fits)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "calibrate with %s: case %s has no scores of the ensemble's %d members",
                    s->params->predictions, id, s->members);
    return fits;
}

static bool read_all(stack *s, GError **error)
{
    s->x = g_new(double, (gsize)(s->data->n * s->members) + 1);
    s->truth = g_new(int, (gsize)s->data->n + 1);
    for (int64_t i = 0; i < s->data->n; i++) {
        float holds = s->data->holds[i * s->data->n_classes + s->positive];
        if (isnan(holds))
            continue;
        if (!read_members(s, s->data->ids->pdata[i], s->x + s->n * s->members, error))
            return false;
        s->truth[s->n++] = holds == 1;
        s->n_positive += holds == 1;
    }
    return true;
}

/* What the card's own rule gives now: the logits of the results. */
static double likelihood_now(const stack *s)
{
    const mt_calibration_data *d = s->data;
    double                     sum = 0;

    for (int64_t i = 0, k = 0; i < d->n; i++) {
        float holds = d->holds[i * d->n_classes + s->positive];
        if (isnan(holds))
            continue;
        double odds = mt_score_log_odds(s->card->activation, d->logits + i * d->n_logits, d->n_logits, s->positive);
        double z = s->truth[k++] ? -odds : odds;
        sum += z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
    }
    return sum / (double)s->n;
}

static bool fit(stack *s, GError **error)
{
    s->weights = g_new0(double, (gsize)s->members + 1);
    if (!mt_stack_weights(s->x, s->truth, s->n, s->members, s->weights, error))
        return false;
    s->before = likelihood_now(s);
    s->after = mt_stack_likelihood(s->x, s->truth, s->n, s->members, s->weights);
    g_free(s->card->combine);
    g_free(s->card->weights);
    s->card->combine = g_strdup("stack");
    s->card->weights = g_memdup2(s->weights, ((gsize)s->members + 1) * sizeof(double));
    s->card->n_weights = s->members + 1;
    return true;
}

static char *make_json(const stack *s)
{
    g_autofree char *source = g_path_get_basename(s->params->predictions);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *date = s->params->date != NULL ? g_strdup(s->params->date) : g_date_time_format(now, "%Y-%m-%d");
    json_t          *weights = json_object();

    for (int m = 0; m < s->members; m++)
        json_object_set_new(weights, s->card->members[m], json_real(s->weights[m]));
    json_t *o = json_pack("{s:s s:s s:s s:s s:o s:f s:{s:f} s:{s:f} s:{s:s s:s s:I s:I s:I}}", "date", date, "fitted_on_head_sha256",
                          mt_head_sha256(s->head), "method", "stack", "positive", s->card->positive, "weights", weights, "constant",
                          s->weights[s->members], "before", "log_loss", s->before, "after", "log_loss", s->after, "data", "source", source,
                          "sha256", s->data->sha256, "cases", (json_int_t)s->n, "positives", (json_int_t)s->n_positive, "unknown",
                          (json_int_t)(s->data->n_unknown + s->data->n - s->n));
    char   *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(12)), *copy = g_strconcat(text, "\n", NULL);
    free(text);
    json_decref(o);
    return copy;
}

static char *make_text(const stack *s)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "stack of %d members, from %" G_GINT64_FORMAT " held-out cases, %" G_GINT64_FORMAT " of them %s\n",
                           s->members, s->n, s->n_positive, s->card->positive);
    for (int m = 0; m < s->members; m++)
        g_string_append_printf(text, "weight    %-10.4f %s\n", s->weights[m], s->card->members[m]);
    g_string_append_printf(text, "constant  %.4f\nlog loss  before %.4f, after %.4f\n", s->weights[s->members], s->before, s->after);
    return g_string_free(text, FALSE);
}

bool mt_stack_fit(const mt_calibrate_params *params, char **text, char **json, GError **error)
{
    stack s = {.params = params};
    bool  ok = check_params(params, error) && prepare(&s, error) && read_all(&s, error) && fit(&s, error);

    if (ok) {
        g_autofree char *points = make_json(&s);
        ok = mt_card_publish(s.card, params->card, s.reference, points, params->force, error);
        if (ok && text != NULL)
            *text = make_text(&s);
        if (ok && json != NULL)
            *json = g_steal_pointer(&points);
    }
    stack_clear(&s);
    return ok;
}
