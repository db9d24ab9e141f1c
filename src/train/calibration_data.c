#include "src/train/calibration_data.h"

#include "src/base/decimal.h"
#include "src/base/hash.h"
#include "src/evaluate/predictions.h"
#include "src/evaluate/targets.h"

#include <math.h>
#include <string.h>

void mt_calibration_data_free(mt_calibration_data *data)
{
    if (data == NULL)
        return;
    g_clear_pointer(&data->ids, g_ptr_array_unref);
    g_free(data->logits);
    g_free(data->holds);
    g_free(data->questions);
    g_free(data->sha256);
    g_free(data);
}

/* Where the logits come from: one of both. */
typedef struct source {
    const char      *path;
    mt_predictions  *results;
    const mt_labels *table;
    int             *columns; /* of the table, one a label */
} source;

static bool row_of_results(const source *s, const char *id, int64_t k, float *logits, GError **error)
{
    const mt_case_prediction *c = mt_predictions_find(s->results, id);

    if (c == NULL || c->logits == NULL || c->n_scores != k) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "calibrate with %s: case %s has a label and %s", s->path, id,
                    c == NULL ? "no result" : "a result without scores: leave it out of the labels");
        return false;
    }
    for (int64_t i = 0; i < k; i++)
        logits[i] = (float)c->logits[i];
    return true;
}

static bool row_of_table(const source *s, const char *id, int64_t k, float *logits, GError **error)
{
    int row = mt_labels_find(s->table, id);

    if (row < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "calibrate with %s: case %s has a label and no row", s->path, id);
        return false;
    }
    for (int64_t i = 0; i < k; i++) {
        const char *cell = mt_labels_cell(s->table, (guint)row, s->columns[i]);
        char       *end;
        logits[i] = (float)g_ascii_strtod(cell, &end);
        if (end != cell && *end == '\0' && isfinite(logits[i]))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "calibrate with %s: line %u: '%s' is no logit", s->path,
                    mt_labels_line(s->table, (guint)row), cell);
        return false;
    }
    return true;
}

/* 1, 0 or NAN of each label of the head; false when nothing is known of the row. */
static bool take_truth(const mt_targets *targets, guint row, const mt_head_card *card, int64_t k, float *holds)
{
    const char *const *names = mt_targets_labels(targets);
    bool               known = false;

    if (!mt_targets_known(targets, row))
        return false;
    for (int64_t i = 0; i < k; i++) {
        holds[i] = NAN;
        for (int t = 0; t < mt_targets_n_labels(targets); t++)
            if (strcmp(names[t], card->labels[i]) == 0)
                holds[i] = mt_targets_holds(targets, row, t);
        known |= !isnan(holds[i]);
    }
    return known;
}

/* What each logit of an ordinal or hazard head answers. */
static void take_questions(const mt_targets *targets, guint row, const mt_calibration_data *d, float *questions)
{
    int class = mt_targets_class(targets, row);
    bool event = mt_targets_event(targets, row), grades = mt_targets_task(targets) == MT_TASK_ORDINAL;

    for (int64_t j = 0; j < d->n_logits; j++)
        questions[j] = grades ? class > j : j > class ? NAN : j == class && event;
}

/* A result holds the logarithms of the grades' probabilities; what gave them, as far as it can be told, are the odds of more than grade k. */
static void take_odds(const float *log_shares, int64_t n_classes, float *logits)
{
    for (int64_t k = 0; k + 1 < n_classes; k++) {
        double below = 0, above = 0;
        for (int64_t c = 0; c < n_classes; c++)
            *(c <= k ? &below : &above) += exp(log_shares[c]);
        logits[k] = (float)(log(above) - log(below));
    }
}

/* False: nothing is known of the row. */
static bool take_row_truth(mt_calibration_data *d, const mt_targets *targets, guint row, const mt_head_card *card)
{
    bool known = take_truth(targets, row, card, d->n_classes, d->holds + d->n * d->n_classes);

    if (d->questions == NULL)
        return known;
    if (!mt_targets_known(targets, row))
        return false;
    take_questions(targets, row, d, d->questions + d->n * d->n_logits);
    return true;
}

static void append_row(GString *text, const char *id, const mt_calibration_data *d, const float *given)
{
    char digits[MT_DECIMAL_BYTES];

    g_string_append_printf(text, "%s", id);
    for (int64_t i = 0; i < d->n_classes; i++)
        g_string_append_printf(text, "\t%g\t%s", (double)d->holds[d->n * d->n_classes + i], mt_decimal_text(given[i], digits));
    for (int64_t i = 0; d->questions != NULL && i < d->n_logits; i++)
        g_string_append_printf(text, "\t%g", (double)d->questions[d->n * d->n_logits + i]);
    g_string_append_c(text, '\n');
}

static bool fill(mt_calibration_data *d, const source *s, const mt_labels *labels, const mt_targets *targets, const mt_head_card *card,
                 GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree float *given = g_new(float, (gsize)d->n_classes + 1);

    for (guint row = 0; row < mt_labels_n(labels); row++) {
        const char *id = mt_labels_id(labels, row);
        float      *logits = d->logits + d->n * d->n_logits;
        if (!take_row_truth(d, targets, row, card)) {
            d->n_unknown++;
            continue;
        }
        if (!(s->results != NULL ? row_of_results : row_of_table)(s, id, d->n_classes, given, error))
            return false;
        if (d->n_logits < d->n_classes)
            take_odds(given, d->n_classes, logits);
        else
            memcpy(logits, given, (gsize)d->n_logits * sizeof(float));
        append_row(text, id, d, given);
        g_ptr_array_add(d->ids, g_strdup(id));
        d->n++;
    }
    d->sha256 = mt_hash_bytes(text->str, text->len);
    if (d->n > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "calibrate with %s: no case has a label", s->path);
    return false;
}

static bool find_columns(source *s, const mt_head_card *card, int64_t k, GError **error)
{
    s->columns = g_new(int, (gsize)k);
    for (int64_t i = 0; i < k; i++) {
        g_autofree char *name = g_strconcat("logit_", card->labels[i], NULL);
        s->columns[i] = mt_labels_column(s->table, name);
        if (s->columns[i] < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "calibrate with %s: it has no column %s", s->path, name);
            return false;
        }
    }
    return true;
}

static bool check_head(const source *s, const mt_head *head, GError **error)
{
    for (guint i = 0; i < s->results->cases->len; i++) {
        const mt_case_prediction *c = s->results->cases->pdata[i];
        if (c->n_scores == 0 || c->head_sha256 == NULL || strcmp(c->head_sha256, mt_head_sha256(head)) == 0)
            continue;
        g_set_error(
            error, MT_ERROR, MT_ERROR_MODEL,
            "calibrate with %s: case %s was scored by another head (sha256 %.8s…, this one is %.8s…): score it with this head first",
            s->path, c->id, c->head_sha256, mt_head_sha256(head));
        return false;
    }
    return true;
}

static mt_targets *read_targets(const mt_labels *labels, const mt_head_card *card, int64_t k, const char *positive, GError **error)
{
    mt_targets_params params = {.task = mt_task_of_activation(card->activation, (guint)k),
                                .labels = k > 1 ? (const char *const *)card->labels : NULL,
                                .positive = k > 1 ? positive : card->labels[0]};

    if (card->activation == MT_ACTIVATION_SIGMOID && k == 1)
        params.task = MT_TASK_BINARY;
    if (params.task != MT_TASK_BINARY)
        params.positive = NULL;
    return mt_targets_new(labels, &params, error);
}

static mt_calibration_data *read_all(source *s, const mt_labels *labels, const mt_head *head, const char *positive, GError **error)
{
    const mt_head_card *card = mt_head_get_card(head);
    int64_t             k = (int64_t)g_strv_length(card->labels);
    g_autoptr(mt_targets) targets = read_targets(labels, card, k, positive, error);
    g_autoptr(mt_calibration_data) d = g_new0(mt_calibration_data, 1);

    if (targets == NULL || !(s->results != NULL ? check_head(s, head, error) : find_columns(s, card, k, error)))
        return NULL;
    gsize cells = (gsize)mt_labels_n(labels) * (gsize)k + 1;
    bool  asked = card->activation == MT_ACTIVATION_ORDINAL || card->activation == MT_ACTIVATION_HAZARD;
    d->n_classes = k;
    d->n_logits = card->activation == MT_ACTIVATION_ORDINAL ? k - 1 : k;
    d->questions = asked ? g_new0(float, cells) : NULL;
    d->ids = g_ptr_array_new_with_free_func(g_free);
    d->logits = g_new0(float, cells);
    d->holds = g_new0(float, cells);
    return fill(d, s, labels, targets, card, error) ? g_steal_pointer(&d) : NULL;
}

mt_calibration_data *mt_calibration_data_read(const char *predictions, const char *labels, const mt_head *head, const char *positive,
                                              GError **error)
{
    bool   folder = g_file_test(predictions, G_FILE_TEST_IS_DIR);
    source s = {.path = predictions};

    if (folder && labels == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "calibrate with %s: results do not say what was true: give --labels CSV", predictions);
        return NULL;
    }
    g_autoptr(mt_predictions) results = folder ? mt_predictions_read(predictions, MT_PREDICTIONS_CASES, true, error) : NULL;
    g_autoptr(mt_labels) table = folder ? NULL : mt_labels_read(predictions, error);
    g_autoptr(mt_labels) other = labels != NULL ? mt_labels_read(labels, results != NULL || table != NULL ? error : NULL) : NULL;
    if ((results == NULL && table == NULL) || (labels != NULL && other == NULL))
        return NULL;
    s.results = results;
    s.table = table;
    mt_calibration_data *data = read_all(&s, other != NULL ? other : table, head, positive, error);
    g_free(s.columns);
    return data;
}
