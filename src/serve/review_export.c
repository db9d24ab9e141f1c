#include "src/serve/review_export.h"

#include "src/base/csv.h"
#include "src/base/refuse.h"
#include "src/result/headline.h"

#include <microtome/desk.h>
#include <microtome/folder.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void free_row(gpointer pointer)
{
    mt_review_row *r = pointer;
    char         **texts[] = {&r->id,         &r->patient, &r->decision,   &r->model_label, &r->label,       &r->reason,    &r->reader,
                              &r->decided_at, &r->opinion, &r->opinion_by, &r->opinion_at,  &r->revealed_at, &r->signed_by, &r->signed_at};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*texts[i]);
    g_free(r);
}

static void set(char **place, const char *text)
{
    g_free(*place);
    *place = g_strdup(text);
}

static void take_decision(mt_review_row *r, const mt_review_event *e, const json_t *body)
{
    const char *label = json_string_value(json_object_get(body, "label"));

    r->decided = true;
    r->agree = json_is_true(json_object_get(body, "agree"));
    set(&r->label, label);
    set(&r->reason, json_string_value(json_object_get(body, "reason")));
    set(&r->reader, e->user);
    set(&r->decided_at, e->at);
}

static void take_event(mt_review_row *r, const mt_review_event *e)
{
    json_t *body = json_loads(e->body, 0, NULL);

    r->version = MAX(r->version, e->version);
    switch (e->kind) {
    case MT_REVIEW_DECISION:
        take_decision(r, e, body);
        break;
    case MT_REVIEW_OPINION:
        if (r->opinion == NULL) { /* the first: what came later knew the model */
            set(&r->opinion, json_string_value(json_object_get(body, "label")));
            set(&r->opinion_by, e->user);
            set(&r->opinion_at, e->at);
        }
        break;
    case MT_REVIEW_REVEALED:
        if (r->revealed_at == NULL)
            set(&r->revealed_at, e->at);
        break;
    case MT_REVIEW_SIGN:
    case MT_REVIEW_REOPEN:
        r->signed_off = e->kind == MT_REVIEW_SIGN;
        set(&r->signed_by, r->signed_off ? e->user : NULL);
        set(&r->signed_at, r->signed_off ? e->at : NULL);
        break;
    default:
        break;
    }
    json_decref(body);
}

/* What the model calls the case: the positive label where it decides so, else the one of the highest score among the others; of two labels the
 * reader's no is the other one. */
static void take_model(mt_review_row *r, const char *out, const mt_folder_case *c)
{
    g_autofree char *file = g_strconcat(c->id, ".h5", NULL), *path = g_build_filename(out, "cases", file, NULL);
    g_autofree char *line = mt_result_headline(path, NULL);
    g_autoptr(mt_headline) h = line != NULL ? mt_headline_parse(line, path, NULL) : NULL;
    int best = -1, other = -1;

    set(&r->patient, c->patient);
    r->score = c->withheld == NULL ? c->score : NAN;
    set(&r->decision, c->withheld == NULL ? c->decision : NULL);
    if (h == NULL || r->decision == NULL || strcmp(r->decision, "none") == 0)
        return;
    bool called = strcmp(r->decision, "clear") != 0 && h->positive != NULL;
    for (int i = 0; i < h->n_scores; i++)
        if (h->labels[i] != NULL && g_strcmp0(h->labels[i], h->positive) != 0 && (best < 0 || h->scores[i] > h->scores[best]))
            best = i;
    set(&r->model_label, called ? h->positive : best >= 0 ? h->labels[best] : NULL);
    if (h->n_scores == 2 && r->model_label != NULL)
        other = g_strcmp0(h->labels[0], r->model_label) == 0 ? 1 : 0;
    if (r->decided && r->label == NULL)
        set(&r->label, r->agree ? r->model_label : other >= 0 ? h->labels[other] : NULL);
}

static gint by_id(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const mt_review_row *const *)a)->id, (*(const mt_review_row *const *)b)->id);
}

GPtrArray *mt_review_rows(const char *out, mt_review_store *store, GError **error)
{
    g_autoptr(GPtrArray) events = mt_review_store_events(store, NULL, error);
    g_autoptr(mt_folder) folder = events != NULL ? mt_folder_read(out, error) : NULL;
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(free_row);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);

    if (folder == NULL)
        return NULL;
    for (guint i = 0; i < events->len; i++) {
        const mt_review_event *e = events->pdata[i];
        mt_review_row         *r = g_hash_table_lookup(by_name, e->case_id);
        if (r == NULL) {
            r = g_new0(mt_review_row, 1);
            r->id = g_strdup(e->case_id);
            r->score = NAN;
            g_ptr_array_add(rows, r);
            g_hash_table_insert(by_name, r->id, r);
        }
        take_event(r, e);
    }
    for (guint i = 0; i < folder->cases->len; i++) {
        const mt_folder_case *c = folder->cases->pdata[i];
        mt_review_row        *r = g_hash_table_lookup(by_name, c->id);
        if (r != NULL && c->state == MT_STATE_DONE)
            take_model(r, out, c);
    }
    g_ptr_array_sort(rows, by_id);
    return g_steal_pointer(&rows);
}

static void add_cells(GString *text, const char *const *cells, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mt_csv_append_text(text, cells[i] != NULL ? cells[i] : "", i == 0);
    g_string_append_c(text, '\n');
}

static const char *yes(bool is)
{
    return is ? "yes" : "no";
}

char *mt_review_decisions_csv(const GPtrArray *rows)
{
    g_autoptr(GString) text =
        g_string_new("id,patient,decision_of_model,score,agree,label,reason,reader,decided_at,opinion,opinion_by,opinion_at,"
                     "revealed_at,signed_by,signed_at,version\n");

    for (guint i = 0; i < rows->len; i++) {
        const mt_review_row *r = rows->pdata[i];
        char                 score[G_ASCII_DTOSTR_BUF_SIZE] = "", version[24];
        if (isfinite(r->score))
            g_ascii_formatd(score, sizeof score, "%.9g", r->score);
        g_snprintf(version, sizeof version, "%" G_GINT64_FORMAT, r->version);
        const char *const cells[] = {r->id,         r->patient,    r->decision,    score,         r->decided ? yes(r->agree) : NULL,
                                     r->label,      r->reason,     r->reader,      r->decided_at, r->opinion,
                                     r->opinion_by, r->opinion_at, r->revealed_at, r->signed_by,  r->signed_at,
                                     version};
        add_cells(text, cells, G_N_ELEMENTS(cells));
    }
    return g_strdup(text->str);
}

static void put(json_t *o, const char *name, const char *text)
{
    json_object_set_new(o, name, text != NULL ? json_string(text) : json_null());
}

char *mt_review_decisions_json(const GPtrArray *rows)
{
    json_t *list = json_array();

    for (guint i = 0; i < rows->len; i++) {
        const mt_review_row *r = rows->pdata[i];
        json_t              *o = json_pack("{s:s s:I s:b}", "id", r->id, "version", (json_int_t)r->version, "signed", r->signed_off);
        put(o, "patient", r->patient);
        put(o, "decision_of_model", r->decision);
        json_object_set_new(o, "score", isfinite(r->score) ? json_real(r->score) : json_null());
        json_object_set_new(o, "agree", r->decided ? json_boolean(r->agree) : json_null());
        put(o, "label", r->label);
        put(o, "reason", r->reason);
        put(o, "reader", r->reader);
        put(o, "decided_at", r->decided_at);
        put(o, "opinion", r->opinion);
        put(o, "opinion_by", r->opinion_by);
        put(o, "opinion_at", r->opinion_at);
        put(o, "revealed_at", r->revealed_at);
        put(o, "signed_by", r->signed_by);
        put(o, "signed_at", r->signed_at);
        json_array_append_new(list, o);
    }
    char *text = json_dumps(list, JSON_INDENT(1)), *copy = g_strconcat(text, "\n", NULL);
    free(text);
    json_decref(list);
    return copy;
}

char *mt_review_labels_csv(const GPtrArray *rows)
{
    g_autoptr(GString) text = g_string_new("id,label,patient,reader,reader_with_model,signed\n");

    for (guint i = 0; i < rows->len; i++) {
        const mt_review_row *r = rows->pdata[i];
        const char *const    cells[] = {r->id, r->label, r->patient, r->opinion, r->label, yes(r->signed_off)};
        if (r->label != NULL)
            add_cells(text, cells, G_N_ELEMENTS(cells));
    }
    return g_strdup(text->str);
}

char *mt_review_file(const GPtrArray *rows, const char *name)
{
    if (strcmp(name, "decisions.csv") == 0)
        return mt_review_decisions_csv(rows);
    if (strcmp(name, "decisions.json") == 0)
        return mt_review_decisions_json(rows);
    return strcmp(name, "labels.csv") == 0 ? mt_review_labels_csv(rows) : NULL;
}

static mt_review_store *open_store(const char *out, GError **error)
{
    g_autofree char *path = g_build_filename(out, "review", "review.sqlite", NULL);

    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        mt_refuse(error, MT_ERROR_MISSING, "read the reviews of %s: nothing was reviewed there (no review/review.sqlite)", out);
        return NULL;
    }
    return mt_review_store_open(path, error);
}

char *mt_desk_export(const char *out, const char *name, GError **error)
{
    g_autoptr(mt_review_store) store = open_store(out, error);
    g_autoptr(GPtrArray) rows = store != NULL ? mt_review_rows(out, store, error) : NULL;
    char *text = rows != NULL ? mt_review_file(rows, name) : NULL;

    if (rows != NULL && text == NULL)
        mt_refuse(error, MT_ERROR_USAGE, "export reviews as %s: decisions.csv, decisions.json and labels.csv are known", name);
    return text;
}

bool mt_desk_check(const char *out, int64_t *events, GError **error)
{
    g_autoptr(mt_review_store) store = open_store(out, error);
    g_autoptr(GPtrArray) all = store != NULL && mt_review_store_check(store, error) ? mt_review_store_events(store, NULL, error) : NULL;

    *events = all != NULL ? all->len : 0;
    return all != NULL;
}
