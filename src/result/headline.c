#include "src/result/headline.h"

#include "src/base/decimal.h"
#include "src/base/limits.h"
#include "src/store/content_hash.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES (MT_RESULT_HEADLINE_BYTES - MT_CONTENT_HASH_BYTES) /* the hash is put in when the file is complete */
#define ELLIPSIS "\xe2\x80\xa6"

/* How much of what is long goes in. */
typedef struct cut {
    size_t text_bytes;
    int    scores;
} cut;

/* Valid UTF-8 of at most `bytes` bytes, cut between characters. */
static char *fit_text(const char *text, size_t bytes)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    const char      *end;

    if (strlen(valid) <= bytes)
        return g_steal_pointer(&valid);
    end = valid + bytes - strlen(ELLIPSIS);
    while ((*end & 0xc0) == 0x80)
        end--;
    return g_strdup_printf("%.*s" ELLIPSIS, (int)(end - valid), valid);
}

static void set_text(json_t *object, const char *name, const char *value, cut limit)
{
    g_autofree char *fitted = value != NULL ? fit_text(value, limit.text_bytes) : NULL;

    json_object_set_new(object, name, fitted != NULL ? json_string(fitted) : json_null());
}

static void set_number(json_t *object, const char *name, double value)
{
    json_object_set_new(object, name, isfinite(value) ? json_real(value) : json_null());
}

static json_t *make_scores(const mt_prediction *prediction, cut limit)
{
    json_t *scores = json_object();

    for (int i = 0; prediction->scores != NULL && i < MIN(prediction->n_labels, limit.scores); i++) {
        g_autofree char *label = fit_text(prediction->labels[i], limit.text_bytes);
        if (json_object_get(scores, label) != NULL) { /* two labels became equal */
            char *numbered = g_strdup_printf("%s~%d", label, i);
            g_free(label);
            label = numbered;
        }
        set_number(scores, label, mt_decimal_of_float(prediction->scores[i]));
    }
    return scores;
}

static void set_names(json_t *root, const mt_headline_facts *facts, cut limit)
{
    const cut whole = {64, 0};

    set_text(root, "mpp_source", facts->mpp_source, limit);
    set_text(root, "encoder", facts->encoder, limit);
    set_text(root, "head", facts->head, limit);
    set_text(root, "precision", facts->precision, limit);
    set_text(root, "recipe_sha256", facts->recipe_sha256, whole);
    set_text(root, "model_sha256", facts->model_sha256, whole);
    set_text(root, "head_sha256", facts->head_sha256, whole);
    set_text(root, "input_sha256", facts->input_sha256, whole);
    if (facts->demonstration)
        json_object_set_new(root, "demonstration", json_true());
}

static char *build(const mt_prediction *prediction, const mt_headline_facts *facts, cut limit)
{
    const cut whole = {MT_LIMIT_CASE_ID_BYTES, 0}, sentences = {4 * limit.text_bytes, 0};
    json_t   *root = json_object();
    char     *text, *copy;

    json_object_set_new(root, "schema", json_integer(MT_RESULT_SCHEMA));
    set_text(root, "id", facts->id, whole);
    set_text(root, "status", mt_status_name(prediction->status), whole);
    set_text(root, "decision", mt_decision_name(prediction->decision), whole);
    set_number(root, "score", isnan(prediction->score) ? (double)NAN : mt_decimal_of_float((float)prediction->score));
    set_number(root, "threshold", prediction->threshold);
    set_text(root, "positive", prediction->positive, limit);
    json_object_set_new(root, "scores", make_scores(prediction, limit));
    if (prediction->scores != NULL && limit.scores < prediction->n_labels)
        json_object_set_new(root, "scores_of", json_integer(prediction->n_labels));
    json_object_set_new(root, "tiles", json_integer(prediction->tiles));
    json_object_set_new(root, "invalid_tiles", json_integer(prediction->invalid_tiles));
    if (prediction->reason != NULL)
        set_text(root, "reason", prediction->reason, sentences);
    if (!isnan(prediction->disagreement))
        set_number(root, "disagreement", prediction->disagreement);
    if (prediction->distance_limit > 0)
        set_number(root, "distance", prediction->distance / prediction->distance_limit);
    if (prediction->audit)
        json_object_set_new(root, "audit", json_true());
    set_number(root, "tissue_mm2", facts->tissue_mm2 < 0 ? (double)NAN : facts->tissue_mm2);
    set_number(root, "mpp_x", facts->mpp_x > 0 ? facts->mpp_x : (double)NAN);
    set_number(root, "mpp_y", facts->mpp_y > 0 ? facts->mpp_y : (double)NAN);
    set_names(root, facts, limit);
    text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(15));
    copy = g_strdup(text);
    free(text);
    json_decref(root);
    return copy;
}

char *mt_headline_json(const mt_prediction *prediction, const mt_headline_facts *facts, GError **error)
{
    cut   limit = {256, prediction->n_labels};
    char *line = NULL;

    if (facts->id == NULL || strlen(facts->id) > MT_LIMIT_CASE_ID_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "write a headline: the case id is missing or over %d bytes",
                    MT_LIMIT_CASE_ID_BYTES);
        return NULL;
    }
    line = build(prediction, facts, limit);
    while (strlen(line) >= LINE_BYTES && (limit.text_bytes > 16 || limit.scores > 0)) {
        g_free(line);
        if (limit.text_bytes > 16)
            limit.text_bytes /= 2;
        else
            limit.scores /= 2;
        line = build(prediction, facts, limit);
    }
    if (strlen(line) < LINE_BYTES)
        return line;
    g_free(line);
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "write the headline of %s: it does not fit into %d bytes", facts->id, LINE_BYTES - 1);
    return NULL;
}

static char *get_text(json_t *root, const char *name)
{
    return g_strdup(json_string_value(json_object_get(root, name)));
}

static double get_number(json_t *root, const char *name)
{
    json_t *value = json_object_get(root, name);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void get_scores(mt_headline *headline, json_t *scores)
{
    const char *label;
    json_t     *value;
    size_t      n = json_object_size(scores);

    headline->labels = g_new0(char *, n + 1);
    headline->scores = g_new0(double, n + 1);
    json_object_foreach(scores, label, value)
    {
        headline->labels[headline->n_scores] = g_strdup(label);
        headline->scores[headline->n_scores++] = json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
}

static mt_headline *read_fields(json_t *root)
{
    mt_headline *headline = g_new0(mt_headline, 1);

    headline->id = get_text(root, "id");
    headline->status = get_text(root, "status");
    headline->decision = get_text(root, "decision");
    headline->positive = get_text(root, "positive");
    headline->reason = get_text(root, "reason");
    headline->score = get_number(root, "score");
    headline->threshold = get_number(root, "threshold");
    headline->tissue_mm2 = get_number(root, "tissue_mm2");
    headline->mpp_x = get_number(root, "mpp_x");
    headline->mpp_y = get_number(root, "mpp_y");
    headline->tiles = json_integer_value(json_object_get(root, "tiles"));
    headline->invalid_tiles = json_integer_value(json_object_get(root, "invalid_tiles"));
    headline->mpp_source = get_text(root, "mpp_source");
    headline->encoder = get_text(root, "encoder");
    headline->head = get_text(root, "head");
    headline->precision = get_text(root, "precision");
    headline->recipe_sha256 = get_text(root, "recipe_sha256");
    headline->model_sha256 = get_text(root, "model_sha256");
    headline->head_sha256 = get_text(root, "head_sha256");
    headline->input_sha256 = get_text(root, "input_sha256");
    headline->audit = json_is_true(json_object_get(root, "audit"));
    headline->demonstration = json_is_true(json_object_get(root, "demonstration"));
    get_scores(headline, json_object_get(root, "scores"));
    return headline;
}

mt_headline *mt_headline_parse(const char *line, const char *name, GError **error)
{
    json_error_t reason;
    json_t      *root = json_loads(line, JSON_REJECT_DUPLICATES, &reason);
    mt_headline *headline = NULL;

    if (json_is_object(root))
        headline = read_fields(root);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the headline of %s: %s", name, root == NULL ? reason.text : "no JSON object");
    json_decref(root);
    return headline;
}

void mt_headline_free(mt_headline *headline)
{
    if (headline == NULL)
        return;
    char **texts[] = {
        &headline->reason,       &headline->id,          &headline->status,      &headline->decision,  &headline->positive,
        &headline->mpp_source,   &headline->encoder,     &headline->head,        &headline->precision, &headline->recipe_sha256,
        &headline->model_sha256, &headline->head_sha256, &headline->input_sha256};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*texts[i]);
    g_strfreev(headline->labels);
    g_free(headline->scores);
    g_free(headline);
}
