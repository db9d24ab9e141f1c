/* A patient who was trained on is not evaluated. */
#include "src/evaluate/evaluation.h"

#include <string.h>

/* Whom the training set holds: cases and patients by name, with where that stands. */
typedef struct trained {
    GHashTable *cases, *patients; /* name -> "case s12, line 14 of train.csv" */
} trained;

static void trained_clear(trained *t)
{
    g_hash_table_unref(t->cases);
    g_hash_table_unref(t->patients);
}

static void take_case(trained *t, const char *id, const char *patient, const char *path, guint line)
{
    g_hash_table_replace(t->cases, g_strdup(id), g_strdup_printf("line %u of %s", line, path));
    if (patient != NULL && !g_hash_table_contains(t->patients, patient))
        g_hash_table_insert(t->patients, g_strdup(patient), g_strdup_printf("case %s, line %u of %s", id, line, path));
}

/* A labels file: all of it, or with a column split what is not of the test split. */
static bool take_labels(trained *t, const char *path, GError **error)
{
    g_autoptr(mt_labels) labels = mt_labels_read(path, error);

    if (labels == NULL)
        return false;
    int split = mt_labels_column(labels, "split");
    for (guint row = 0; row < mt_labels_n(labels); row++)
        if (split < 0 || strcmp(mt_labels_cell(labels, row, split), "test") != 0)
            take_case(t, mt_labels_id(labels, row), mt_labels_patient(labels, row), path, mt_labels_line(labels, row));
    return true;
}

/* The patients of a split's cases stand in the labels file. */
static bool take_splits(trained *t, const mt_evaluation *e, const char *path, GError **error)
{
    static const char *const sides[] = {"train", "val"};
    g_autoptr(mt_csv) csv = mt_csv_read(path, error);

    if (csv == NULL)
        return false;
    if (mt_csv_column(csv, "train") < 0 || mt_csv_column(csv, "test") < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read splits %s: columns train, val and test are wanted, as in CLAM's splits_0.csv",
                    path);
        return false;
    }
    for (guint row = 0; row < csv->rows->len; row++)
        for (size_t s = 0; s < G_N_ELEMENTS(sides); s++) {
            int         column = mt_csv_column(csv, sides[s]);
            const char *id = column >= 0 ? mt_csv_cell(csv, row, column) : "";
            int         at = mt_labels_find(e->labels, id);
            if (*id != '\0')
                take_case(t, id, at >= 0 ? mt_labels_patient(e->labels, (guint)at) : NULL, path, row + 2);
        }
    return true;
}

GHashTable *mt_evaluation_test_cases(const char *splits, GError **error)
{
    g_autoptr(mt_csv) csv = mt_csv_read(splits, error);
    int column = csv != NULL ? mt_csv_column(csv, "test") : -1;

    if (csv == NULL)
        return NULL;
    g_autoptr(GHashTable) test = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint row = 0; row < csv->rows->len && column >= 0; row++)
        if (*mt_csv_cell(csv, row, column) != '\0')
            g_hash_table_add(test, g_strdup(mt_csv_cell(csv, row, column)));
    if (g_hash_table_size(test) > 0)
        return g_steal_pointer(&test);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read splits %s: its column test names no case", splits);
    return NULL;
}

/* The case that is tested: of a patient its first. */
static bool refuse(const mt_evaluation *e, const mt_subject *s, const char *where, bool patient, GError **error)
{
    if (patient)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "evaluate %s: patient %s was trained on (%s) and is tested (case %s): take the patient out of one of them", e->folder,
                    s->patient, where, mt_labels_id(e->labels, s->row));
    else
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "evaluate %s: case %s was trained on (%s) and is tested: take it out of one of them",
                    e->folder, mt_labels_id(e->labels, s->row), where);
    return false;
}

static bool search(const mt_evaluation *e, const trained *t, GError **error)
{
    for (guint i = 0; i < e->subjects->len; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        const char       *by_patient = g_hash_table_lookup(t->patients, s->patient);
        const char       *by_case = g_hash_table_lookup(t->cases, mt_labels_id(e->labels, s->row));
        if (by_case != NULL)
            return refuse(e, s, by_case, false, error);
        if (by_patient != NULL)
            return refuse(e, s, by_patient, true, error);
    }
    return true;
}

bool mt_evaluation_check_leaks(const mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    trained t = {.cases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
                 .patients = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
    bool    ok = (params->train_labels == NULL || take_labels(&t, params->train_labels, error)) &&
              (params->splits == NULL || take_splits(&t, e, params->splits, error)) && search(e, &t, error);

    trained_clear(&t);
    return ok;
}
