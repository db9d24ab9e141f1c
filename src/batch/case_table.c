#include "src/batch/case_table.h"

#include "src/base/csv.h"
#include "src/base/hash.h"
#include "src/base/publish.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LIST_PREFIX "cases-"
#define COLUMN_ID 0
#define COLUMN_PATIENT 1
#define COLUMN_FILE 2

static void free_row(void *row)
{
    g_ptr_array_unref(row);
}

static int add_column(mt_case_table *table, const char *name)
{
    int column = mt_case_table_column(table, name);

    if (column >= 0)
        return column;
    g_ptr_array_add(table->columns, g_strdup(name));
    return (int)table->columns->len - 1;
}

mt_case_table *mt_case_table_new(void)
{
    mt_case_table *table = g_new0(mt_case_table, 1);

    table->columns = g_ptr_array_new_with_free_func(g_free);
    table->rows = g_ptr_array_new_with_free_func(free_row);
    table->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    add_column(table, "id");
    add_column(table, "patient");
    add_column(table, "file");
    return table;
}

void mt_case_table_free(mt_case_table *table)
{
    if (table == NULL)
        return;
    g_hash_table_unref(table->by_id);
    g_ptr_array_unref(table->rows);
    g_ptr_array_unref(table->columns);
    g_free(table);
}

int mt_case_table_column(const mt_case_table *table, const char *name)
{
    for (guint i = 0; i < table->columns->len; i++)
        if (strcmp(table->columns->pdata[i], name) == 0)
            return (int)i;
    return -1;
}

const char *mt_case_table_cell(const mt_case_table *table, guint row, int column)
{
    const GPtrArray *cells = table->rows->pdata[row];

    return column < 0 || (guint)column >= cells->len ? NULL : cells->pdata[column];
}

static void set_cell(mt_case_table *table, guint row, int column, const char *value)
{
    GPtrArray *cells = table->rows->pdata[row];

    if (value == NULL || *value == '\0')
        return;
    if (cells->len <= (guint)column)
        g_ptr_array_set_size(cells, column + 1);
    g_free(cells->pdata[column]);
    cells->pdata[column] = g_strdup(value);
}

guint mt_case_table_row(mt_case_table *table, const char *id)
{
    guint row = GPOINTER_TO_UINT(g_hash_table_lookup(table->by_id, id));

    if (row > 0)
        return row - 1;
    GPtrArray *cells = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(cells, g_strdup(id));
    g_ptr_array_add(table->rows, cells);
    g_hash_table_insert(table->by_id, cells->pdata[COLUMN_ID], GUINT_TO_POINTER(table->rows->len));
    return table->rows->len - 1;
}

static bool is_path_column(const char *name)
{
    return strcmp(name, "path") == 0 || strcmp(name, "case") == 0 || strcmp(name, "wsi") == 0;
}

void mt_case_table_add_cases(mt_case_table *table, GPtrArray *cases)
{
    for (guint i = 0; i < cases->len; i++) {
        const mt_batch_case *c = cases->pdata[i];
        g_autofree char     *file = c->shown != NULL ? g_strdup(c->shown) : g_path_get_basename(c->path);
        guint                row = mt_case_table_row(table, c->id);
        set_cell(table, row, COLUMN_PATIENT, c->patient);
        set_cell(table, row, COLUMN_FILE, file);
        for (char **pair = c->columns; pair != NULL && pair[0] != NULL; pair += 2) {
            g_autofree char *name = strcmp(pair[0], "recipe") == 0 ? g_path_get_basename(pair[1]) : NULL;
            if (strcmp(pair[0], "id") != 0 && !is_path_column(pair[0]))
                set_cell(table, row, add_column(table, pair[0]), name != NULL ? name : pair[1]);
        }
    }
}

bool mt_case_table_merge(mt_case_table *table, const char *path, GError **error)
{
    g_autoptr(mt_csv) csv = mt_csv_read(path, error);

    if (csv == NULL)
        return false;
    int             id = mt_csv_column(csv, "id");
    g_autofree int *columns = g_new0(int, csv->header->len);
    if (id < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: it has no column id", path);
        return false;
    }
    for (guint k = 0; k < csv->header->len; k++)
        columns[k] = add_column(table, csv->header->pdata[k]);
    for (guint i = 0; i < csv->rows->len; i++) {
        guint row = mt_case_table_row(table, mt_csv_cell(csv, i, id));
        for (guint k = 0; k < csv->header->len; k++)
            if (columns[k] != COLUMN_ID)
                set_cell(table, row, columns[k], mt_csv_cell(csv, i, (int)k));
    }
    return true;
}

char *mt_case_table_csv(const mt_case_table *table)
{
    GString *text = g_string_new(NULL);

    for (guint k = 0; k < table->columns->len; k++)
        mt_csv_append_text(text, table->columns->pdata[k], k == 0);
    g_string_append_c(text, '\n');
    for (guint i = 0; i < table->rows->len; i++) {
        for (guint k = 0; k < table->columns->len; k++) {
            const char *cell = mt_case_table_cell(table, i, (int)k);
            mt_csv_append_text(text, cell != NULL ? cell : "", k == 0);
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

typedef struct list_file {
    char  *path;
    gint64 time_ns;
} list_file;

static gint compare_lists(gconstpointer a, gconstpointer b)
{
    const list_file *first = a, *second = b;

    if (first->time_ns != second->time_ns)
        return first->time_ns < second->time_ns ? -1 : 1;
    return strcmp(first->path, second->path);
}

static void clear_list(void *list)
{
    g_free(((list_file *)list)->path);
}

/* The lists of the runs, the one given last at the end. */
static GArray *find_lists(const char *out)
{
    GArray          *lists = g_array_new(FALSE, FALSE, sizeof(list_file));
    g_autofree char *folder = g_build_filename(out, "runs", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    g_array_set_clear_func(lists, clear_list);
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat      status;
        if (!g_str_has_prefix(name, LIST_PREFIX) || !g_str_has_suffix(name, ".csv") || stat(path, &status) != 0)
            continue;
        list_file list = {g_steal_pointer(&path), (gint64)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec};
        g_array_append_val(lists, list);
    }
    g_array_sort(lists, compare_lists);
    return lists;
}

mt_case_table *mt_case_table_of_folder(const char *out)
{
    mt_case_table   *table = mt_case_table_new();
    g_autofree char *manifest = g_build_filename(out, "manifest.csv", NULL);
    g_autoptr(GArray) lists = find_lists(out);

    mt_case_table_merge(table, manifest, NULL);
    for (guint i = 0; i < lists->len; i++)
        mt_case_table_merge(table, g_array_index(lists, list_file, i).path, NULL);
    return table;
}

bool mt_case_table_refresh(const char *out, GError **error)
{
    g_autoptr(mt_case_table) table = mt_case_table_of_folder(out);
    g_autofree char *path = g_build_filename(out, "manifest.csv", NULL), *text = mt_case_table_csv(table), *now = NULL;

    if (table->rows->len == 0 || (g_file_get_contents(path, &now, NULL, NULL) && strcmp(now, text) == 0))
        return true;
    if (now != NULL && !g_str_has_prefix(now, "id,patient,file")) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "keep the list of cases in %s: a file that microtome did not write is there: move it out of the output folder", path);
        return false;
    }
    return mt_publish_text(path, text, true, error);
}

/* Named by its content: the same list given again, or by every task of an array, is one file, and the last given counts. */
static bool keep_list(const char *out, const char *text, GError **error)
{
    g_autofree char *hash = mt_hash_bytes(text, strlen(text)), *name = g_strdup_printf(LIST_PREFIX "%.16s.csv", hash);
    g_autofree char *path = g_build_filename(out, "runs", name, NULL);
    g_autoptr(GError) cause = NULL;

    if (utimensat(AT_FDCWD, path, NULL, 0) == 0 || mt_publish_text(path, text, false, &cause))
        return true;
    if (g_error_matches(cause, MT_ERROR, MT_ERROR_USAGE)) /* another task was faster */
        return true;
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

bool mt_case_table_record(const char *out, GPtrArray *cases, GError **error)
{
    g_autoptr(mt_case_table) given = mt_case_table_new();

    mt_case_table_add_cases(given, cases);
    g_autofree char *text = mt_case_table_csv(given);
    return keep_list(out, text, error) && mt_case_table_refresh(out, error);
}
