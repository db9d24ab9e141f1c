/* microtome verify: every file of an output folder against what it says of itself. */
#include <microtome/folder.h>

#include "src/base/hash.h"
#include "src/batch/case_table.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

typedef struct checking {
    const mt_folder_check *check;
    mt_folder_checked     *checked;
    char                  *recipe_sha256; /* NULL: no recipe.ini */
    mt_case_table         *table;
    int64_t                total;
} checking;

static void G_GNUC_PRINTF(3, 4) tell(checking *c, const char *file, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_autofree char *what = g_strdup_vprintf(format, values);
    va_end(values);
    c->checked->problems++;
    c->check->problem(c->check->user, file, what);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of OUT/folder, sorted; none where there is no such folder. */
static GPtrArray *list(const checking *c, const char *folder)
{
    g_autofree char *path = g_build_filename(c->check->out, folder, NULL);
    GPtrArray       *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    return names;
}

static void check_rows(checking *c, const char *file, const mt_result *result, const char *object, int64_t tiles)
{
    g_autoptr(GError) cause = NULL;
    int64_t shape[MT_MAX_RANK];

    if (!mt_result_has(result, object))
        return;
    if (mt_result_shape(result, object, shape, &cause) < 1)
        tell(c, file, "%s", cause->message);
    else if (shape[0] != tiles)
        tell(c, file, "%s has %" G_GINT64_FORMAT " rows, its headline says %" G_GINT64_FORMAT " tiles", object, shape[0], tiles);
}

static void check_provenance(checking *c, const char *file, const mt_result *result, const mt_headline *headline)
{
    const char *const pairs[][2] = {
        {"recipe", headline->recipe_sha256}, {"head", headline->head_sha256}, {"input", headline->input_sha256}};
    g_autoptr(GError) cause = NULL;
    g_autofree char *text = mt_result_read_string(result, MT_OBJECT_PROVENANCE, &cause);
    json_t          *provenance = text != NULL ? json_loads(text, 0, NULL) : NULL, *hashes = json_object_get(provenance, "hashes");

    if (provenance == NULL)
        tell(c, file, "%s", cause != NULL ? cause->message : "its provenance is no JSON");
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        const char *said = json_string_value(json_object_get(hashes, pairs[i][0]));
        if (said != NULL && pairs[i][1] != NULL && strcmp(said, pairs[i][1]) != 0)
            tell(c, file, "headline and provenance name different hashes of the %s", pairs[i][0]);
    }
    json_decref(provenance);
}

static void check_inside(checking *c, const char *file, const char *path, const mt_headline *headline)
{
    static const char *const objects[] = {MT_OBJECT_COORDS, MT_OBJECT_FEATURES, MT_OBJECT_VALID, MT_OBJECT_ATTENTION,
                                          MT_OBJECT_TILE_SCORES};
    g_autoptr(GError) cause = NULL;
    g_autoptr(mt_result) result = mt_result_open(path, &cause);

    if (result == NULL) {
        tell(c, file, "%s", cause->message);
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(objects); i++)
        check_rows(c, file, result, objects[i], headline->tiles);
    check_provenance(c, file, result, headline);
}

static void check_case(checking *c, const char *file, const char *stem, const mt_headline *headline)
{
    if (g_strcmp0(headline->id, stem) != 0)
        tell(c, file, "it says that it is case '%s'", headline->id);
    if (c->recipe_sha256 != NULL && headline->recipe_sha256 != NULL && strcmp(c->recipe_sha256, headline->recipe_sha256) != 0)
        tell(c, file, "it was made with another recipe than recipe.ini");
    if (c->table->rows->len > 0 && !g_hash_table_contains(c->table->by_id, stem))
        tell(c, file, "no manifest of the folder names this case");
}

static bool check_result(checking *c, const char *folder, const char *name, GError **error)
{
    g_autofree char *file = g_build_filename(folder, name, NULL), *path = g_build_filename(c->check->out, file, NULL);
    g_autofree char *stem = g_strndup(name, strlen(name) - 3);
    g_autoptr(GError) cause = NULL;
    struct stat status;
    bool        hashed = false;

    if (c->check->progress != NULL && !c->check->progress(c->check->user, c->checked->results, c->total)) {
        g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "verify %s: stopped", c->check->out);
        return false;
    }
    c->checked->results++;
    c->checked->bytes += stat(path, &status) == 0 ? status.st_size : 0;
    if (!mt_result_check_content(path, &hashed, &cause)) {
        tell(c, file, "%s", cause->message);
        return true;
    }
    c->checked->unhashed += !hashed;
    g_autofree char *line = mt_result_headline(path, NULL);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, file, NULL) : NULL;
    if (headline == NULL)
        return true; /* gone meanwhile: superseded */
    check_inside(c, file, path, headline);
    if (strcmp(folder, "cases") == 0)
        check_case(c, file, stem, headline);
    return true;
}

static bool check_results(checking *c, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) names = list(c, folder);

    for (guint i = 0; i < names->len; i++) {
        const char      *name = names->pdata[i];
        g_autofree char *file = g_build_filename(folder, name, NULL);
        if (g_str_has_prefix(name, ".tmp-"))
            tell(c, file, "an unfinished result: a run is writing it, or was killed; a run removes it after an hour");
        else if (!g_str_has_suffix(name, ".h5"))
            tell(c, file, "it is no result and does not belong here");
        else if (!check_result(c, folder, name, error))
            return false;
    }
    return true;
}

static void check_failures(checking *c)
{
    g_autoptr(GPtrArray) names = list(c, "failed");

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *file = g_build_filename("failed", names->pdata[i], NULL), *path = g_build_filename(c->check->out, file, NULL);
        json_t          *record = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
        const char      *id = json_string_value(json_object_get(record, "id"));
        g_autofree char *wanted = g_strconcat(id != NULL ? id : "", ".json", NULL);
        if (id == NULL || json_string_value(json_object_get(record, "reason")) == NULL)
            tell(c, file, "it is no record of a failure (id and reason)");
        else if (strcmp(wanted, names->pdata[i]) != 0)
            tell(c, file, "it says that it is case '%s'", id);
        json_decref(record);
    }
}

static void check_manifest(checking *c)
{
    g_autofree char *path = g_build_filename(c->check->out, "manifest.csv", NULL);
    g_autoptr(GError) cause = NULL;
    g_autoptr(mt_case_table) table = mt_case_table_new();

    if (!mt_case_table_merge(table, path, &cause) && !g_error_matches(cause, MT_ERROR, MT_ERROR_MISSING))
        tell(c, "manifest.csv", "%s", cause->message);
}

static int64_t count_results(const checking *c, const char *const *folders)
{
    int64_t n = 0;

    for (; *folders != NULL; folders++) {
        g_autoptr(GPtrArray) names = list(c, *folders);
        n += names->len;
    }
    return n;
}

bool mt_folder_verify(const mt_folder_check *check, mt_folder_checked *checked, GError **error)
{
    static const char *const folders[] = {"cases", "patients", "superseded", NULL};
    g_autofree char         *runs = g_build_filename(check->out, "runs", NULL), *recipe = g_build_filename(check->out, "recipe.ini", NULL);
    checking                 c = {.check = check, .checked = checked};
    bool                     ok = true;

    *checked = (mt_folder_checked){0};
    if (!g_file_test(runs, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "verify %s: it is not an output folder of microtome: give the -o of a run",
                    check->out);
        return false;
    }
    c.recipe_sha256 = mt_hash_file(recipe, NULL);
    c.table = mt_case_table_of_folder(check->out);
    c.total = count_results(&c, folders);
    for (int i = 0; ok && folders[i] != NULL; i++)
        ok = check_results(&c, folders[i], error);
    if (ok) {
        check_failures(&c);
        check_manifest(&c);
    }
    g_free(c.recipe_sha256);
    mt_case_table_free(c.table);
    return ok;
}
