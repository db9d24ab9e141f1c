/* One label a case: binary, multiclass, ordinal. */
#include "src/evaluate/target_values.h"

#include <string.h>

#define MAX_GRADES 64

/* Integers by value, words by their bytes. */
static gint compare_labels(gconstpointer a, gconstpointer b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    gint64      i, j;

    if (mt_target_integer(x, &i) && mt_target_integer(y, &j) && i != j)
        return i < j ? -1 : 1;
    return strcmp(x, y);
}

static GPtrArray *labels_of_file(const mt_labels *labels, int column)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint row = 0; row < mt_labels_n(labels); row++) {
        const char *label = mt_labels_cell(labels, row, column);
        if (*label == '\0' || !g_hash_table_add(seen, (gpointer)(uintptr_t)label))
            continue;
        g_ptr_array_add(found, g_strdup(label));
    }
    g_ptr_array_sort(found, compare_labels);
    g_ptr_array_add(found, NULL);
    return found;
}

static char **take_labels(GPtrArray *found)
{
    return (char **)g_ptr_array_free(found, FALSE);
}

/* All grades from the lowest to the highest of a sorted list of integers. */
static char **grades(const mt_labels *labels, int column, char **found, GError **error)
{
    gint64 low = 0, high = 0, grade;

    for (guint row = 0; row < mt_labels_n(labels); row++) {
        const char *cell = mt_labels_cell(labels, row, column);
        if (*cell == '\0' || mt_target_integer(cell, &grade))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "labels %s: line %u: '%s' is no whole number: give grades as integers, or name them from the lowest to the highest",
                    mt_labels_path(labels), mt_labels_line(labels, row), cell);
        return NULL;
    }
    guint n = g_strv_length(found);
    if (n > 0) {
        mt_target_integer(found[0], &low);
        mt_target_integer(found[n - 1], &high);
    }
    if (high - low >= MAX_GRADES) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "labels %s: grades from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ": at most %d grades are learnt",
                    mt_labels_path(labels), low, high, MAX_GRADES);
        return NULL;
    }
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    for (grade = low; n > 0 && grade <= high; grade++)
        g_ptr_array_add(all, g_strdup_printf("%" G_GINT64_FORMAT, grade));
    g_ptr_array_add(all, NULL);
    return take_labels(g_steal_pointer(&all));
}

static const char *obvious_positive(char **labels)
{
    static const char *const pairs[][2] = {{"0", "1"}, {"no", "yes"}, {"false", "true"}, {"negative", "positive"}, {"neg", "pos"}};

    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++)
        if (g_ascii_strcasecmp(labels[0], pairs[i][0]) == 0 && g_ascii_strcasecmp(labels[1], pairs[i][1]) == 0)
            return labels[1];
    return NULL;
}

/* A list of one name is a head with one logit: what is not it is the other label of the file. */
static void complete_pair(mt_targets *t, char **found)
{
    for (char **label = found; *label != NULL && g_strv_length(t->labels) == 1; label++)
        if (strcmp(*label, t->labels[0]) != 0) {
            char **pair = g_new0(char *, 3);
            pair[0] = g_strdup(*label);
            pair[1] = g_strdup(t->labels[0]);
            g_strfreev(t->labels);
            t->labels = pair;
        }
}

static bool order_pair(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    const char *positive = params->positive != NULL ? params->positive
                           : params->labels != NULL ? t->labels[1]
                                                    : obvious_positive(t->labels);
    int         at = positive != NULL ? mt_target_index(t->labels, positive) : -1;

    if (positive == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "labels %s: which of '%s' and '%s' is the positive one? Say it with --positive",
                    mt_labels_path(labels), t->labels[0], t->labels[1]);
        return false;
    }
    if (at < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "the positive label '%s' is not among those of %s: %s, %s", positive,
                    mt_labels_path(labels), t->labels[0], t->labels[1]);
        return false;
    }
    if (at == 0) {
        char *first = t->labels[0];
        t->labels[0] = t->labels[1];
        t->labels[1] = first;
    }
    t->positive = g_strdup(t->labels[1]);
    return true;
}

static bool check_number(const mt_targets *t, const mt_labels *labels, const char *column, GError **error)
{
    guint            n = g_strv_length(t->labels);
    g_autofree char *known = g_strjoinv(", ", t->labels);

    if (n >= 2 && (t->task != MT_TASK_BINARY || n == 2))
        return true;
    if (n < 2)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: column '%s' holds %s%s: two labels at least are needed",
                    mt_labels_path(labels), column, n == 0 ? "no label" : "the one label ", known);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: column '%s' holds %u labels (%s): a binary task has two",
                    mt_labels_path(labels), column, n, known);
    return false;
}

static bool find_labels(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, int column, const char *name,
                        GError **error)
{
    g_auto(GStrv) found = take_labels(labels_of_file(labels, column));

    if (params->labels != NULL)
        t->labels = g_strdupv((char **)(uintptr_t)params->labels);
    else
        t->labels = t->task == MT_TASK_ORDINAL ? grades(labels, column, found, error) : g_steal_pointer(&found);
    if (t->labels == NULL)
        return false;
    if (t->task == MT_TASK_BINARY && params->labels != NULL)
        complete_pair(t, found);
    return check_number(t, labels, name, error) && (t->task != MT_TASK_BINARY || order_pair(t, labels, params, error));
}

bool mt_targets_read_classes(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    const char *name = params->column != NULL ? params->column : "label";
    int         column = mt_target_column(labels, name, ": name the column of the labels", error);

    if (column < 0 || !find_labels(t, labels, params, column, name, error))
        return false;
    t->classes = g_new(int, t->n);
    for (guint row = 0; row < t->n; row++) {
        const char *label = mt_labels_cell(labels, row, column);
        t->classes[row] = t->strata[row] = *label != '\0' ? mt_target_index(t->labels, label) : -1;
        if (*label == '\0' || t->classes[row] >= 0)
            continue;
        g_autofree char *known = g_strjoinv(", ", t->labels);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: line %u: unknown label '%s'; known are: %s", mt_labels_path(labels),
                    mt_labels_line(labels, row), label, known);
        return false;
    }
    return true;
}
