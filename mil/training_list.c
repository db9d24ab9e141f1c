#include "mil/training_list.h"

#include "mil/head_card.h"
#include "src/base/csv.h"
#include "src/base/hash.h"
#include "src/base/publish.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define HEADER "salt,side,case_sha256,patient_sha256\n"
#define DIGITS 64

struct mt_training_list {
    GPtrArray  *salts; /* char *, one a head */
    GHashTable *cases, *patients;
    guint       n;
    GString    *text; /* all rows, as in a file */
};

char *mt_training_list_path(const char *head_path)
{
    g_autofree char *card = mt_head_card_path(head_path);

    return g_strdup_printf("%.*s.trained.csv", (int)(strlen(card) - strlen(".card")), card);
}

char *mt_training_list_kept(const char *out, const char *head_sha256)
{
    g_autofree char *name = g_strconcat(head_sha256, ".csv", NULL);

    return g_build_filename(out, "trained", name, NULL);
}

/* A case and a patient of one name differ. */
static char *hash_name(const char *salt, const char *what, const char *name)
{
    g_autofree char *text = g_strjoin("\n", salt, what, name, NULL);

    return mt_hash_bytes(text, strlen(text));
}

/* The rows of the head that it began with. */
static bool append_begun(GString *text, const char *begun_with, GError **error)
{
    g_autofree char *path = begun_with != NULL ? mt_training_list_path(begun_with) : NULL;

    if (path == NULL || !g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    g_autoptr(mt_training_list) list = mt_training_list_read(path, error);
    if (list != NULL)
        g_string_append(text, list->text->str + strlen(HEADER));
    return list != NULL;
}

bool mt_training_list_write(const char *head_path, const char *begun_with, const mt_trained_case *cases, guint n, GError **error)
{
    g_autofree char *path = mt_training_list_path(head_path), *salt = mt_hash_file(head_path, error);
    g_autoptr(GString) text = g_string_new(HEADER);

    if (salt == NULL)
        return false;
    for (guint i = 0; i < n; i++) {
        g_autofree char *id = hash_name(salt, "case", cases[i].id), *patient = hash_name(salt, "patient", cases[i].patient);
        g_string_append_printf(text, "%s,%s,%s,%s\n", salt, cases[i].validation ? "val" : "train", id, patient);
    }
    return append_begun(text, begun_with, error) && mt_publish_text(path, text->str, true, error);
}

static mt_training_list *new_list(void)
{
    mt_training_list *list = g_new0(mt_training_list, 1);

    list->salts = g_ptr_array_new_with_free_func(g_free);
    list->cases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    list->patients = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    list->text = g_string_new(HEADER);
    return list;
}

void mt_training_list_free(mt_training_list *list)
{
    if (list == NULL)
        return;
    g_ptr_array_unref(list->salts);
    g_hash_table_unref(list->cases);
    g_hash_table_unref(list->patients);
    g_string_free(list->text, TRUE);
    g_free(list);
}

static bool is_hash(const char *text)
{
    return strlen(text) == DIGITS && strspn(text, "0123456789abcdef") == DIGITS;
}

static bool take_row(mt_training_list *list, const mt_csv *csv, guint row, const int columns[4])
{
    const char *cells[4];

    for (int i = 0; i < 4; i++) {
        cells[i] = mt_csv_cell(csv, row, columns[i]);
        if (i != 1 && !is_hash(cells[i]))
            return false;
    }
    guint salts = list->salts->len;
    if (salts == 0 || strcmp(list->salts->pdata[salts - 1], cells[0]) != 0)
        g_ptr_array_add(list->salts, g_strdup(cells[0]));
    g_hash_table_add(list->cases, g_strdup(cells[2]));
    g_hash_table_add(list->patients, g_strdup(cells[3]));
    g_string_append_printf(list->text, "%s,%s,%s,%s\n", cells[0], strcmp(cells[1], "val") == 0 ? "val" : "train", cells[2], cells[3]);
    list->n++;
    return true;
}

static bool take_file(mt_training_list *list, const char *path, GError **error)
{
    static const char *const names[4] = {"salt", "side", "case_sha256", "patient_sha256"};
    g_autoptr(mt_csv) csv = mt_csv_read(path, error);
    int columns[4];

    if (csv == NULL)
        return false;
    for (int i = 0; i < 4; i++)
        if ((columns[i] = mt_csv_column(csv, names[i])) < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read training list %s: it has no column %s", path, names[i]);
            return false;
        }
    for (guint row = 0; row < csv->rows->len; row++)
        if (!take_row(list, csv, row, columns)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read training list %s: line %u is no row of SHA-256 in 64 digits", path, row + 2);
            return false;
        }
    return true;
}

mt_training_list *mt_training_list_read(const char *path, GError **error)
{
    g_autoptr(mt_training_list) list = new_list();

    return take_file(list, path, error) ? g_steal_pointer(&list) : NULL;
}

/* NULL: a head by itself. */
static char **members_of(const char *head_path, GError **error)
{
    g_autoptr(mt_head_card) card = g_str_has_suffix(head_path, ".card") ? mt_head_card_load(head_path, error) : NULL;

    return card != NULL ? g_strdupv(card->members) : NULL;
}

static bool take_head(mt_training_list *list, const char *head_path, GError **error)
{
    g_autofree char *path = mt_training_list_path(head_path);

    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return take_file(list, path, error);
    g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "head %s: nothing beside it says whom it was trained on (%s), as a head of train has it",
                head_path, path);
    return false;
}

mt_training_list *mt_training_list_of_head(const char *head_path, GError **error)
{
    g_autoptr(mt_training_list) list = new_list();
    g_autoptr(GError) cause = NULL;
    g_auto(GStrv) members = members_of(head_path, &cause);
    g_autofree char *folder = g_path_get_dirname(head_path);

    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    if (members == NULL)
        return take_head(list, head_path, error) ? g_steal_pointer(&list) : NULL;
    for (char **member = members; *member != NULL; member++) {
        g_autofree char *path = g_path_is_absolute(*member) ? g_strdup(*member) : g_build_filename(folder, *member, NULL);
        if (!take_head(list, path, error))
            return NULL;
    }
    return g_steal_pointer(&list);
}

guint mt_training_list_n(const mt_training_list *list)
{
    return list->n;
}

static bool has(const mt_training_list *list, GHashTable *hashes, const char *what, const char *name)
{
    bool found = false;

    for (guint i = 0; i < list->salts->len && !found; i++) {
        g_autofree char *hash = hash_name(list->salts->pdata[i], what, name);
        found = g_hash_table_contains(hashes, hash);
    }
    return found;
}

bool mt_training_list_has_case(const mt_training_list *list, const char *id)
{
    return has(list, list->cases, "case", id);
}

bool mt_training_list_has_patient(const mt_training_list *list, const char *patient)
{
    return has(list, list->patients, "patient", patient);
}

bool mt_training_list_keep(const char *head_path, const char *head_sha256, const char *out, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(mt_training_list) list = mt_training_list_of_head(head_path, &cause);
    g_autofree char *path = mt_training_list_kept(out, head_sha256), *folder = g_path_get_dirname(path);

    if (g_error_matches(cause, MT_ERROR, MT_ERROR_MISSING))
        return true;
    if (list == NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (g_mkdir_with_parents(folder, 0755) == 0)
        return mt_publish_text(path, list->text->str, true, error);
    mt_publish_io_error(error, "create folder", folder, errno);
    return false;
}
