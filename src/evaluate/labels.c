#include "src/evaluate/labels.h"

#include <string.h>

struct mt_labels {
    char       *path;
    mt_csv     *csv;
    int         id, patient;
    GHashTable *rows; /* id -> row + 1 */
};

void mt_labels_free(mt_labels *labels)
{
    if (labels == NULL)
        return;
    g_clear_pointer(&labels->rows, g_hash_table_unref);
    mt_csv_free(labels->csv);
    g_free(labels->path);
    g_free(labels);
}

const char *mt_labels_path(const mt_labels *labels)
{
    return labels->path;
}

guint mt_labels_n(const mt_labels *labels)
{
    return labels->csv->rows->len;
}

const char *mt_labels_id(const mt_labels *labels, guint row)
{
    return mt_csv_cell(labels->csv, row, labels->id);
}

const char *mt_labels_patient(const mt_labels *labels, guint row)
{
    const char *patient = labels->patient >= 0 ? mt_csv_cell(labels->csv, row, labels->patient) : "";

    return *patient != '\0' ? patient : mt_labels_id(labels, row);
}

int mt_labels_find(const mt_labels *labels, const char *id)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(labels->rows, id)) - 1;
}

int mt_labels_column(const mt_labels *labels, const char *name)
{
    return mt_csv_column(labels->csv, name);
}

const char *mt_labels_cell(const mt_labels *labels, guint row, int column)
{
    return mt_csv_cell(labels->csv, row, column);
}

guint mt_labels_line(const mt_labels *labels, guint row)
{
    (void)labels;
    return row + 2; /* the header is line 1; no cell of a labels file spans lines */
}

static void find_columns(mt_labels *labels)
{
    static const char *const names[] = {"id", "slide_id", "case", "wsi", "image", "Image Index", "Path"};

    labels->id = -1;
    for (guint i = 0; i < G_N_ELEMENTS(names) && labels->id < 0; i++)
        labels->id = mt_csv_column(labels->csv, names[i]);
    labels->patient = mt_csv_column(labels->csv, "patient");
    if (labels->patient < 0 && mt_csv_column(labels->csv, "slide_id") >= 0)
        labels->patient = mt_csv_column(labels->csv, "case_id"); /* CLAM's word for the patient */
}

static bool index_rows(mt_labels *labels, GError **error)
{
    for (guint row = 0; row < mt_labels_n(labels); row++) {
        const char *id = mt_labels_id(labels, row);
        int         before = mt_labels_find(labels, id);

        if (*id == '\0')
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: line %u names no case: give every row an id", labels->path,
                        mt_labels_line(labels, row));
        else if (before >= 0)
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: case %s stands in lines %u and %u: keep one of them", labels->path, id,
                        mt_labels_line(labels, (guint)before), mt_labels_line(labels, row));
        else {
            g_hash_table_insert(labels->rows, (gpointer)(uintptr_t)id, GINT_TO_POINTER((int)row + 1));
            continue;
        }
        return false;
    }
    return true;
}

mt_labels *mt_labels_read(const char *path, GError **error)
{
    g_autoptr(mt_labels) labels = g_new0(mt_labels, 1);

    labels->path = g_strdup(path);
    labels->rows = g_hash_table_new(g_str_hash, g_str_equal);
    labels->csv = mt_csv_read(path, error);
    if (labels->csv == NULL)
        return NULL;
    find_columns(labels);
    if (labels->id < 0 || mt_labels_n(labels) == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: %s", path,
                    labels->id < 0 ? "no column names the cases: call it id (slide_id, case, wsi and image are known too)"
                                   : "it has no rows");
        return NULL;
    }
    return index_rows(labels, error) ? g_steal_pointer(&labels) : NULL;
}
