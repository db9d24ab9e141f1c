/* A patient who was trained on is not evaluated, unless that is what is wanted: then every output says so. */
#include "mil/training_list.h"
#include "src/evaluate/evaluation.h"

#include <microtome/head.h>

#include <string.h>

#define NAMED 5 /* patients that a message names */

/* Whom the training set holds: cases and patients by name, with where that stands, or as hashes. */
typedef struct trained {
    GHashTable       *cases, *patients; /* name -> "line 14 of train.csv", "case s12, line 14 of train.csv" */
    mt_training_list *list;             /* NULL: the head has none */
    char             *list_name;
} trained;

static void trained_clear(trained *t)
{
    g_hash_table_unref(t->cases);
    g_hash_table_unref(t->patients);
    mt_training_list_free(t->list);
    g_free(t->list_name);
}

static void take_case(trained *t, const char *id, const char *patient, const char *path, guint line)
{
    g_hash_table_replace(t->cases, g_strdup(id), g_strdup_printf("line %u of %s", line, path));
    if (patient != NULL && !g_hash_table_contains(t->patients, patient))
        g_hash_table_insert(t->patients, g_strdup(patient), g_strdup_printf("case %s, line %u of %s", id, line, path));
}

/* A labels file: all of it, or with a column split what is not of the test split. */
static bool take_labels(trained *t, mt_evaluation *e, const char *path, GError **error)
{
    g_autoptr(mt_labels) labels = mt_labels_read(path, error);

    if (labels == NULL)
        return false;
    int split = mt_labels_column(labels, "split");
    for (guint row = 0; row < mt_labels_n(labels); row++)
        if (split < 0 || strcmp(mt_labels_cell(labels, row, split), "test") != 0)
            take_case(t, mt_labels_id(labels, row), mt_labels_patient(labels, row), path, mt_labels_line(labels, row));
    g_ptr_array_add(e->leak_sources, g_strdup(path));
    return true;
}

/* Where a split does not say whose its cases are, the labels file does. */
static bool take_splits(trained *t, mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    g_autofree char *file = NULL;
    g_autoptr(GArray) rows = mt_evaluation_read_splits(params->splits, params->fold, &file, error);

    for (guint i = 0; rows != NULL && i < rows->len; i++) {
        const mt_split_row *row = &g_array_index(rows, mt_split_row, i);
        int                 at = mt_labels_find(e->labels, row->id);
        if (row->test)
            continue;
        take_case(t, row->id,
                  row->patient != NULL ? row->patient
                  : at >= 0            ? mt_labels_patient(e->labels, (guint)at)
                                       : NULL,
                  file, row->line);
    }
    if (rows != NULL)
        g_ptr_array_add(e->leak_sources, g_steal_pointer(&file));
    return rows != NULL;
}

static const char *hash_of(const mt_evaluation *e)
{
    const char *hash = ((const mt_subject *)e->subjects->pdata[0])->prediction->head_sha256;

    return hash != NULL ? hash : "";
}

/* A list of another head would let everybody through. */
static bool check_head(const mt_evaluation *e, const char *path, GError **error)
{
    g_autoptr(mt_head) head = mt_head_load(path, error);

    if (head == NULL || strcmp(mt_head_sha256(head), hash_of(e)) == 0)
        return head != NULL;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "--head %s: the scores of %s are of another head: its SHA-256 is %.8s…, theirs %.8s…",
                path, e->folder, mt_head_sha256(head), *hash_of(e) != '\0' ? hash_of(e) : "not said");
    return false;
}

/* What the head says by itself: beside it, or kept with its results. */
static bool take_list(trained *t, mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    g_autofree char *kept = mt_training_list_kept(e->folder, hash_of(e));

    if (params->head != NULL) {
        t->list_name = mt_training_list_path(params->head);
        t->list = check_head(e, params->head, error) ? mt_training_list_of_head(params->head, error) : NULL;
    } else if (*hash_of(e) != '\0' && g_file_test(kept, G_FILE_TEST_EXISTS)) {
        t->list_name = g_steal_pointer(&kept);
        t->list = mt_training_list_read(t->list_name, error);
    } else
        return true;
    if (t->list != NULL)
        g_ptr_array_add(e->leak_sources, g_strdup(t->list_name));
    return t->list != NULL;
}

/* Where it stands that this row's case, or its patient, was trained on; NULL: nowhere.  Free with g_free. */
static char *find(const mt_evaluation *e, const trained *t, guint row, bool *patient)
{
    const char *id = mt_labels_id(e->labels, row), *whose = mt_labels_patient(e->labels, row);
    const char *by_case = g_hash_table_lookup(t->cases, id), *by_patient = g_hash_table_lookup(t->patients, whose);

    *patient = false;
    if (by_case != NULL)
        return g_strdup(by_case);
    if (t->list != NULL && mt_training_list_has_case(t->list, id))
        return g_strdup(t->list_name);
    *patient = true;
    if (by_patient != NULL)
        return g_strdup(by_patient);
    return t->list != NULL && mt_training_list_has_patient(t->list, whose) ? g_strdup(t->list_name) : NULL;
}

/* A subject is found once, and a patient named once. */
typedef struct leaks {
    GHashTable *subjects; /* id -> mt_subject */
    GHashTable *patients; /* seen */
    GString    *names;
    guint       n_patients;
} leaks;

static void note_leak(mt_evaluation *e, leaks *l, mt_subject *s, guint row, const char *where, bool patient)
{
    const char *whose = mt_labels_patient(e->labels, row), *id = mt_labels_id(e->labels, row);

    e->n_trained_on += !s->trained_on;
    s->trained_on = true;
    if (!g_hash_table_add(l->patients, (gpointer)(uintptr_t)whose) || ++l->n_patients > NAMED)
        return;
    g_string_append(l->names, l->names->len > 0 ? "; " : "");
    if (!patient)
        g_string_append_printf(l->names, "case %s (%s)", id, where);
    else
        g_string_append_printf(l->names, "patient %s of case %s (%s)", whose, id, where);
}

static void search(mt_evaluation *e, const mt_evaluation_params *params, const trained *t, leaks *l)
{
    for (guint i = 0; i < e->subjects->len; i++)
        g_hash_table_insert(l->subjects, (gpointer)(uintptr_t)((mt_subject *)e->subjects->pdata[i])->id, e->subjects->pdata[i]);
    for (guint row = 0; row < mt_labels_n(e->labels); row++) {
        const char *id = params->by_patient ? mt_labels_patient(e->labels, row) : mt_labels_id(e->labels, row);
        mt_subject *s = mt_evaluation_wants(e, params, row) ? g_hash_table_lookup(l->subjects, id) : NULL;
        bool        patient;
        if (s == NULL)
            continue;
        g_autofree char *where = find(e, t, row, &patient);
        if (where != NULL)
            note_leak(e, l, s, row, where, patient);
    }
    if (l->n_patients > NAMED)
        g_string_append_printf(l->names, " and %u more patients", l->n_patients - NAMED);
}

static bool report(mt_evaluation *e, const mt_evaluation_params *params, const leaks *l, GError **error)
{
    guint n = e->n_trained_on, all = e->subjects->len;

    if (n == 0)
        return true;
    if (params->allow_trained) {
        mt_evaluation_warn(e, "TRAINED ON: the head learnt from %u of these %u %ss: what follows does not say how it does on others (%s)",
                           n, all, e->level, l->names->str);
        return true;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "evaluate %s: %u of its %u %ss %s trained on: %s: leave them out of %s, score them with a head that has not seen them, or "
                "say --allow-trained, and every output will",
                e->folder, n, all, e->level, n == 1 ? "was" : "were", l->names->str, e->labels_path);
    return false;
}

bool mt_evaluation_check_leaks(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    trained t = {.cases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
                 .patients = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
    leaks   l = {.subjects = g_hash_table_new(g_str_hash, g_str_equal),
                 .patients = g_hash_table_new(g_str_hash, g_str_equal),
                 .names = g_string_new(NULL)};
    bool    ok = (params->train_labels == NULL || take_labels(&t, e, params->train_labels, error)) &&
              (params->splits == NULL || take_splits(&t, e, params, error)) && take_list(&t, e, params, error);

    if (ok && e->leak_sources->len > 0) {
        search(e, params, &t, &l);
        ok = report(e, params, &l, error);
    }
    trained_clear(&t);
    g_hash_table_unref(l.subjects);
    g_hash_table_unref(l.patients);
    g_string_free(l.names, TRUE);
    return ok;
}
