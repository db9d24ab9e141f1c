/* One fold of a split file: CLAM's splits_i.csv with a column a side, or train's splits.csv with a column a fold. */
#include "src/base/csv.h"
#include "src/evaluate/evaluation.h"

#include <string.h>

#define FOLD "fold_"

static void clear_row(void *pointer)
{
    mt_split_row *row = pointer;

    g_free(row->id);
    g_free(row->patient);
}

/* Without what keeps a spreadsheet from running an id that looks like a formula. */
static const char *plain(const char *cell)
{
    return cell[0] == '\'' && cell[1] != '\0' && strchr("=+-@", cell[1]) != NULL ? cell + 1 : cell;
}

static void add_row(GArray *rows, const char *id, const char *patient, bool test, guint line)
{
    mt_split_row row = {
        .id = g_strdup(plain(id)), .patient = patient != NULL ? g_strdup(plain(patient)) : NULL, .test = test, .line = line};

    g_array_append_val(rows, row);
}

static void read_clam(GArray *rows, const mt_csv *csv)
{
    static const char *const sides[] = {"train", "val", "test"};

    for (guint row = 0; row < csv->rows->len; row++)
        for (size_t s = 0; s < G_N_ELEMENTS(sides); s++) {
            int         column = mt_csv_column(csv, sides[s]);
            const char *id = column >= 0 ? mt_csv_cell(csv, row, column) : "";
            if (*id != '\0')
                add_row(rows, id, NULL, s == 2, row + 2);
        }
}

/* The column of the fold that is meant. */
static int choose_fold(const mt_csv *csv, const char *path, const char *fold, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    int n = 0, only = -1;

    for (guint i = 0; i < csv->header->len; i++) {
        const char *name = csv->header->pdata[i];
        if (!g_str_has_prefix(name, FOLD))
            continue;
        if (fold != NULL && strcmp(name + strlen(FOLD), fold) == 0)
            return (int)i;
        only = (int)i;
        g_string_append_printf(names, "%s%s", n++ > 0 ? ", " : "", name + strlen(FOLD));
    }
    if (n == 1 && fold == NULL)
        return only;
    if (n == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read splits %s: columns train, val and test are wanted, as in CLAM's splits_0.csv, or id and fold_0, ... as train "
                    "writes them",
                    path);
    else if (fold == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--splits %s: it has the folds %s: say with --fold which one made the head", path,
                    names->str);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--fold %s: %s has the folds %s", fold, path, names->str);
    return -1;
}

static bool read_own(GArray *rows, const mt_csv *csv, const char *path, const char *fold, GError **error)
{
    int id = mt_csv_column(csv, "id"), patient = mt_csv_column(csv, "patient"), column = choose_fold(csv, path, fold, error);

    if (column < 0)
        return false;
    if (id < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read splits %s: it has no column id", path);
        return false;
    }
    for (guint row = 0; row < csv->rows->len; row++) {
        const char *side = mt_csv_cell(csv, row, column);
        if (*side != '\0')
            add_row(rows, mt_csv_cell(csv, row, id), patient >= 0 ? mt_csv_cell(csv, row, patient) : NULL, strcmp(side, "test") == 0,
                    row + 2);
    }
    return true;
}

/* Of train's folder the one file that says of every fold, else CLAM's of the fold. */
static char *find_file(const char *path, const char *fold)
{
    g_autofree char *own = g_build_filename(path, "splits.csv", NULL);
    g_autofree char *name = g_strdup_printf("splits_%s.csv", fold != NULL ? fold : "0");

    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return g_strdup(path);
    return g_file_test(own, G_FILE_TEST_EXISTS) ? g_steal_pointer(&own) : g_build_filename(path, name, NULL);
}

GArray *mt_evaluation_read_splits(const char *path, const char *fold, char **file, GError **error)
{
    g_autofree char *name = find_file(path, fold);
    g_autoptr(mt_csv) csv = mt_csv_read(name, error);
    g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(mt_split_row));

    g_array_set_clear_func(rows, clear_row);
    if (csv == NULL)
        return NULL;
    if (mt_csv_column(csv, "train") >= 0 && mt_csv_column(csv, "test") >= 0)
        read_clam(rows, csv);
    else if (!read_own(rows, csv, name, fold, error))
        return NULL;
    *file = g_steal_pointer(&name);
    return g_steal_pointer(&rows);
}

GHashTable *mt_evaluation_test_cases(const char *splits, const char *fold, GError **error)
{
    g_autofree char *file = NULL;
    g_autoptr(GArray) rows = mt_evaluation_read_splits(splits, fold, &file, error);
    g_autoptr(GHashTable) test = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; rows != NULL && i < rows->len; i++)
        if (g_array_index(rows, mt_split_row, i).test)
            g_hash_table_add(test, g_strdup(g_array_index(rows, mt_split_row, i).id));
    if (rows == NULL || g_hash_table_size(test) > 0)
        return rows != NULL ? g_steal_pointer(&test) : NULL;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read splits %s: it names no case to test", file);
    return NULL;
}
