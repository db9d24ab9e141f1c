/* Folds on disk: CLAM's splits_<i>.csv with a column a side, and splits.csv with a column a fold. */
#include "src/base/csv.h"
#include "src/base/publish.h"
#include "src/train/splits_private.h"

#include <string.h>

#define FOLD_PREFIX "fold_"

static const char *const side_words[] = {"", "train", "val", "test"};

typedef struct reading {
    const char *path;
    GHashTable *by_id; /* id -> case + 1 */
    bool        allow_unknown;
} reading;

/* The case of an id; -1: not among the cases; -2 after an error. */
static int find_case(const reading *r, const char *id, GError **error)
{
    int i = GPOINTER_TO_INT(g_hash_table_lookup(r->by_id, id)) - 1;

    if (i < 0 && *id == '\'') /* what keeps a spreadsheet from running an id that looks like a formula */
        i = GPOINTER_TO_INT(g_hash_table_lookup(r->by_id, id + 1)) - 1;
    if (i >= 0 || r->allow_unknown)
        return i;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "splits %s: case %s is not among the cases to learn from", r->path, id);
    return -2;
}

static bool read_clam_column(const reading *r, const mt_csv *csv, int column, uint8_t side, uint8_t *sides, GError **error)
{
    for (guint row = 0; row < csv->rows->len; row++) {
        const char *id = mt_csv_cell(csv, row, column);
        int         i = *id != '\0' ? find_case(r, id, error) : -1;
        if (i == -2)
            return false;
        if (i >= 0 && sides[i] != MT_SIDE_NONE) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "splits %s: case %s stands there twice", r->path, id);
            return false;
        }
        if (i >= 0)
            sides[i] = side;
    }
    return true;
}

static bool read_clam_file(const reading *r, mt_splits *splits, const mt_csv *csv, GError **error)
{
    g_autofree char *name = g_strdup_printf("%d", mt_splits_n(splits));
    uint8_t         *sides = mt_splits_add(splits, name);

    for (uint8_t side = MT_SIDE_TRAIN; side <= MT_SIDE_TEST; side++) {
        int column = mt_csv_column(csv, side_words[side]);
        if (column >= 0 && !read_clam_column(r, csv, column, side, sides, error))
            return false;
    }
    return true;
}

static bool read_word(const reading *r, const char *id, const char *word, uint8_t *side, GError **error)
{
    for (uint8_t i = MT_SIDE_NONE; i <= MT_SIDE_TEST; i++)
        if (strcmp(side_words[i], word) == 0) {
            *side = i;
            return true;
        }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "splits %s: case %s says '%s': train, val, test or nothing is wanted", r->path, id, word);
    return false;
}

static bool read_own_file(const reading *r, mt_splits *splits, const mt_csv *csv, int ids, GError **error)
{
    for (guint column = 0; column < csv->header->len; column++) {
        const char *name = csv->header->pdata[column];
        if (!g_str_has_prefix(name, FOLD_PREFIX))
            continue;
        uint8_t *sides = mt_splits_add(splits, name + strlen(FOLD_PREFIX));
        for (guint row = 0; row < csv->rows->len; row++) {
            const char *id = mt_csv_cell(csv, row, ids);
            int         i = find_case(r, id, error);
            if (i == -2 || (i >= 0 && !read_word(r, id, mt_csv_cell(csv, row, (int)column), &sides[i], error)))
                return false;
        }
    }
    return true;
}

static bool read_file(reading *r, mt_splits *splits, const char *path, GError **error)
{
    g_autoptr(mt_csv) csv = mt_csv_read(path, error);

    if (csv == NULL)
        return false;
    r->path = path;
    if (mt_csv_column(csv, "train") >= 0)
        return read_clam_file(r, splits, csv, error);
    int before = mt_splits_n(splits), ids = mt_csv_column(csv, "id");
    if (ids >= 0 && !read_own_file(r, splits, csv, ids, error))
        return false;
    if (mt_splits_n(splits) > before)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "splits %s: columns train, val, test or id, fold_0, ... are wanted", path);
    return false;
}

/* CLAM's files in order, else splits.csv. */
static bool read_folder(reading *r, mt_splits *splits, const char *folder, GError **error)
{
    for (int i = 0;; i++) {
        g_autofree char *name = g_strdup_printf("splits_%d.csv", i), *path = g_build_filename(folder, name, NULL);
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
            break;
        if (!read_file(r, splits, path, error))
            return false;
    }
    g_autofree char *own = g_build_filename(folder, "splits.csv", NULL);
    if (mt_splits_n(splits) > 0)
        return true;
    if (g_file_test(own, G_FILE_TEST_EXISTS))
        return read_file(r, splits, own, error);
    g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "splits %s: no splits_0.csv and no splits.csv in that folder", folder);
    return false;
}

mt_splits *mt_splits_read(const char *path, const mt_split_case *cases, guint n, bool allow_unknown, GError **error)
{
    g_autoptr(mt_splits) splits = mt_splits_new(n);
    g_autoptr(GHashTable) by_id = g_hash_table_new(g_str_hash, g_str_equal);
    reading r = {.path = path, .by_id = by_id, .allow_unknown = allow_unknown};

    for (guint i = 0; i < n; i++)
        g_hash_table_insert(by_id, (gpointer)(uintptr_t)cases[i].id, GINT_TO_POINTER((int)i + 1));
    bool ok = g_file_test(path, G_FILE_TEST_IS_DIR) ? read_folder(&r, splits, path, error) : read_file(&r, splits, path, error);
    if (!ok || !mt_splits_check(splits, cases, error))
        return NULL;
    for (int fold = 0; fold < mt_splits_n(splits); fold++)
        if (mt_splits_count(splits, fold, MT_SIDE_TRAIN) == 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "splits %s: no case of fold %s is in train", path, mt_splits_name(splits, fold));
            return NULL;
        }
    return g_steal_pointer(&splits);
}

static bool publish(const char *folder, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return mt_publish_text(path, text, true, error);
}

static bool write_own_file(const mt_splits *splits, const mt_split_case *cases, const char *folder, GError **error)
{
    g_autoptr(GString) text = g_string_new("id,patient");

    for (int fold = 0; fold < mt_splits_n(splits); fold++) {
        g_autofree char *name = g_strconcat(FOLD_PREFIX, mt_splits_name(splits, fold), NULL);
        mt_csv_append_text(text, name, false);
    }
    g_string_append_c(text, '\n');
    for (guint i = 0; i < splits->n; i++) {
        mt_csv_append_text(text, cases[i].id, true);
        mt_csv_append_text(text, cases[i].patient, false);
        for (int fold = 0; fold < mt_splits_n(splits); fold++)
            mt_csv_append_text(text, side_words[mt_splits_side(splits, fold, i)], false);
        g_string_append_c(text, '\n');
    }
    return publish(folder, "splits.csv", text->str, error);
}

/* The next case of a side from *i on; NULL at the end. */
static const char *next_id(const mt_splits *splits, const mt_split_case *cases, int fold, mt_side side, guint *i)
{
    for (; *i < splits->n; (*i)++)
        if (mt_splits_side(splits, fold, *i) == side)
            return cases[(*i)++].id;
    return NULL;
}

/* As pandas writes it: a column without a name counts the rows. */
static bool write_clam_file(const mt_splits *splits, const mt_split_case *cases, const char *folder, int fold, GError **error)
{
    g_autofree char *name = g_strdup_printf("splits_%d.csv", fold);
    g_autoptr(GString) text = g_string_new(",train,val,test\n");
    guint at[MT_SIDE_TEST + 1] = {0};

    for (guint row = 0;; row++) {
        const char *ids[MT_SIDE_TEST + 1] = {NULL};
        bool        any = false;
        for (int side = MT_SIDE_TRAIN; side <= MT_SIDE_TEST; side++)
            any |= (ids[side] = next_id(splits, cases, fold, (mt_side)side, &at[side])) != NULL;
        if (!any)
            break;
        g_string_append_printf(text, "%u", row);
        for (int side = MT_SIDE_TRAIN; side <= MT_SIDE_TEST; side++)
            mt_csv_append_text(text, ids[side] != NULL ? ids[side] : "", false);
        g_string_append_c(text, '\n');
    }
    return publish(folder, name, text->str, error);
}

bool mt_splits_write(const mt_splits *splits, const mt_split_case *cases, guint n, const char *folder, GError **error)
{
    g_return_val_if_fail(n == splits->n, false);
    if (!write_own_file(splits, cases, folder, error))
        return false;
    for (int fold = 0; fold < mt_splits_n(splits); fold++)
        if (!write_clam_file(splits, cases, folder, fold, error))
            return false;
    return true;
}
