/* Findings, each by itself: CheXpert's columns of 1, 0, -1 and blank, or ChestX-ray14's one column "Effusion|Mass". */
#include "src/base/alloc.h"
#include "src/evaluate/target_values.h"

#include <math.h>
#include <string.h>

#define NO_FINDING "No Finding"

static gint compare_words(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static float value_of(double number, mt_uncertain uncertain)
{
    if (number != -1)
        return (float)number;
    return uncertain == MT_UNCERTAIN_ZEROS ? 0 : uncertain == MT_UNCERTAIN_ONES ? 1 : NAN;
}

static bool read_column(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, int label, GError **error)
{
    guint n_labels = g_strv_length(t->labels);
    int   column = mt_target_column(labels, t->labels[label], " for the finding of that name", error);

    for (guint row = 0; column >= 0 && row < t->n; row++) {
        const char *cell = mt_labels_cell(labels, row, column);
        double      number = NAN;
        if (*cell != '\0' && (!mt_target_number(cell, &number) || (number != 0 && number != 1 && number != -1))) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "labels %s: line %u: '%s' in column '%s': 1, 0, -1 (uncertain) or nothing is wanted", mt_labels_path(labels),
                        mt_labels_line(labels, row), cell, t->labels[label]);
            return false;
        }
        t->holds[(gsize)row * n_labels + (guint)label] = value_of(number, params->uncertain);
    }
    return column >= 0;
}

static bool read_columns(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    for (int label = 0; t->labels[label] != NULL; label++)
        if (!read_column(t, labels, params, label, error))
            return false;
    return true;
}

static char **words_of_file(const mt_labels *labels, int column)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    for (guint row = 0; row < mt_labels_n(labels); row++) {
        g_auto(GStrv) words = g_strsplit(mt_labels_cell(labels, row, column), "|", -1);
        for (char **word = words; *word != NULL; word++)
            if (*g_strstrip(*word) != '\0' && strcmp(*word, NO_FINDING) != 0 && g_hash_table_add(seen, g_strdup(*word)))
                g_ptr_array_add(found, g_strdup(*word));
    }
    g_ptr_array_sort(found, compare_words);
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

static bool read_words(mt_targets *t, const mt_labels *labels, guint row, const char *cell, GError **error)
{
    guint  n_labels = g_strv_length(t->labels);
    float *holds = t->holds + (gsize)row * n_labels;
    g_auto(GStrv) words = g_strsplit(cell, "|", -1);

    for (guint label = 0; label < n_labels; label++)
        holds[label] = *cell != '\0' ? 0 : NAN;
    for (char **word = words; *word != NULL; word++) {
        int label = mt_target_index(t->labels, g_strstrip(*word));
        if (label >= 0)
            holds[label] = 1;
        else if (strcmp(*word, NO_FINDING) != 0 || g_strv_length(words) > 1) {
            g_autofree char *known = g_strjoinv(", ", t->labels);
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: line %u: unknown finding '%s'; known are: %s, or %s alone",
                        mt_labels_path(labels), mt_labels_line(labels, row), *word, known, NO_FINDING);
            return false;
        }
    }
    return true;
}

/* Rows by the rarest finding that holds, so that folds share the rare ones; those without any last. */
static void stratify(mt_targets *t)
{
    int               n_labels = (int)g_strv_length(t->labels);
    g_autofree guint *counts = g_new0(guint, (gsize)n_labels);

    for (guint row = 0; row < t->n; row++)
        for (int label = 0; label < n_labels; label++)
            counts[label] += t->holds[(gsize)row * (gsize)n_labels + (gsize)label] == 1;
    for (guint row = 0; row < t->n; row++) {
        const float *holds = t->holds + (gsize)row * (gsize)n_labels;
        int          rarest = n_labels;
        bool         known = false;
        for (int label = 0; label < n_labels; label++) {
            known |= !isnan(holds[label]);
            if (holds[label] == 1 && (rarest == n_labels || counts[label] < counts[rarest]))
                rarest = label;
        }
        t->strata[row] = known ? rarest : -1;
    }
}

/* One column of words: the one named, else "label" or ChestX-ray14's, unless the labels are columns themselves. */
static int words_column(const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    bool columns = params->labels != NULL && mt_labels_column(labels, params->labels[0]) >= 0;

    if (params->column != NULL)
        return mt_target_column(labels, params->column, ": name the column of the findings", error);
    if (columns)
        return -1;
    int column = mt_labels_column(labels, "label");
    if (column < 0)
        column = mt_labels_column(labels, "Finding Labels");
    if (column < 0 && params->labels != NULL)
        mt_target_column(labels, params->labels[0], " for the finding of that name", error);
    else if (column < 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "labels %s: no column 'label' with findings as A|B: name the columns that hold one finding each",
                    mt_labels_path(labels));
    return column;
}

bool mt_targets_read_findings(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    g_autoptr(GError) cause = NULL;
    int  column = words_column(labels, params, &cause);
    bool ok = cause == NULL;

    if (!ok) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    t->labels = params->labels != NULL ? g_strdupv((char **)(uintptr_t)params->labels) : words_of_file(labels, column);
    if (*t->labels == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: no row has a finding", mt_labels_path(labels));
        return false;
    }
    t->holds = g_new(float, (gsize)t->n *g_strv_length(t->labels));
    if (column < 0)
        ok = read_columns(t, labels, params, error);
    for (guint row = 0; ok && column >= 0 && row < t->n; row++)
        ok = read_words(t, labels, row, mt_labels_cell(labels, row, column), error);
    if (ok)
        stratify(t);
    return ok;
}
