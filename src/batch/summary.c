#include "src/batch/summary.h"

#include "src/batch/case_table.h"
#include "src/export/summary_csv.h"

#include <microtome/result.h>

#include <string.h>

/* The manifest's columns that the summary does not have anyway: their numbers, and their names ended by NULL. */
static GArray *own_columns(const mt_case_table *table, GPtrArray *names)
{
    GArray *columns = g_array_new(FALSE, FALSE, sizeof(int));

    for (int k = 0; k < (int)table->columns->len; k++) {
        char *name = table->columns->pdata[k];
        if (strcmp(name, "id") == 0 || strcmp(name, "patient") == 0)
            continue;
        g_array_append_val(columns, k);
        g_ptr_array_add(names, name);
    }
    g_ptr_array_add(names, NULL);
    return columns;
}

static char *headline_of(const mt_folder *folder, const mt_folder_case *c, char **reason)
{
    g_autofree char *name = g_strconcat(c->id, ".h5", NULL), *path = g_build_filename(folder->out, "cases", name, NULL);
    g_autoptr(GError) error = NULL;
    char *line = mt_result_headline(path, &error);

    *reason = line == NULL ? g_strdup(error->message) : NULL;
    return line;
}

/* `owned` keeps the row's texts. */
static mt_summary_row make_row(const mt_folder *folder, const mt_folder_case *c, const GArray *columns, GPtrArray *owned)
{
    mt_summary_row row = {
        .id = c->id, .patient = c->patient, .seconds = c->seconds, .state = mt_case_state_name(c->state), .withheld = c->withheld};
    char *reason = c->state == MT_STATE_FAILED ? g_strdup(c->reason != NULL ? c->reason : "the record of why is damaged") : NULL;

    if (c->state == MT_STATE_DONE) {
        row.headline = headline_of(folder, c, &reason);
        row.state = "failed"; /* of a result that cannot be read */
    }
    row.error = reason;
    row.columns = g_new0(char *, columns->len + 1);
    for (guint k = 0; k < columns->len; k++)
        row.columns[k] = (char *)mt_case_table_cell(folder->table, c->row, g_array_index(columns, int, k));
    g_ptr_array_add(owned, (char *)row.headline);
    g_ptr_array_add(owned, reason);
    g_ptr_array_add(owned, row.columns);
    return row;
}

char *mt_folder_summary(const mt_folder *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder->out, "summary.csv", NULL);
    g_autoptr(GPtrArray) owned = g_ptr_array_new_with_free_func(g_free), names = g_ptr_array_new();
    g_autoptr(GArray) columns = own_columns(folder->table, names);
    g_autofree mt_summary_row *rows = g_new0(mt_summary_row, folder->cases->len + 1);

    for (guint i = 0; i < folder->cases->len; i++)
        rows[i] = make_row(folder, folder->cases->pdata[i], columns, owned);
    bool ok = mt_summary_csv_write(path, rows, (int)folder->cases->len, (const char *const *)names->pdata, error);
    return ok ? g_steal_pointer(&path) : NULL;
}
