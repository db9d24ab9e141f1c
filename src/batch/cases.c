/* Which cases a command line means, and what each is called. */
#include "src/batch/cases.h"

#include "src/base/hash.h"
#include "src/base/limits.h"
#include "src/batch/case_listing.h"
#include "src/batch/manifest.h"
#include "src/evaluate/labels.h"

#include <string.h>

#define NAMED 8 /* files that a warning names */

void mt_batch_case_free(void *batch_case)
{
    mt_batch_case *c = batch_case;

    if (c == NULL)
        return;
    g_free(c->path);
    g_free(c->id);
    g_free(c->patient);
    g_free(c->mpp_source);
    g_free(c->preparation);
    g_strfreev(c->columns);
    g_free(c->control);
    g_free(c->recipe);
    g_free(c->refused);
    g_free(c->shown);
    g_free(c);
}

char *mt_batch_case_id(const char *text)
{
    GString *id = g_string_new(NULL);

    for (const char *p = text; *p != '\0'; p++) {
        if (g_ascii_isalnum(*p) || *p == '_' || *p == '-' || (*p == '.' && p != text))
            g_string_append_c(id, *p);
        else
            g_string_append_printf(id, "%%%02X", (unsigned char)*p);
    }
    if (id->len > MT_LIMIT_CASE_ID_BYTES) {
        g_autofree char *hash = mt_hash_bytes(text, strlen(text));
        g_string_truncate(id, MT_LIMIT_CASE_ID_BYTES - 17);
        g_string_append_printf(id, "-%.16s", hash);
    }
    return g_string_free(id, FALSE);
}

/* File name without its ending; .nii.gz and .ome.tif lose both.  Digits alone are no ending: folders and files are called by a UID. */
static char *stem(const char *path)
{
    static const char *const doubled[] = {".nii.gz", ".ome.tif", ".ome.tiff"};
    char                    *name = g_path_get_basename(path);
    size_t                   n = strlen(name);

    for (size_t i = 0; i < G_N_ELEMENTS(doubled); i++)
        if (n > strlen(doubled[i]) && g_ascii_strcasecmp(name + n - strlen(doubled[i]), doubled[i]) == 0) {
            name[n - strlen(doubled[i])] = '\0';
            return name;
        }
    char *dot = strrchr(name, '.');
    if (dot != NULL && dot != name && dot[1 + strspn(dot + 1, "0123456789")] != '\0')
        *dot = '\0';
    return name;
}

mt_batch_case *mt_batch_case_new(const char *path, const char *id)
{
    mt_batch_case   *c = g_new0(mt_batch_case, 1);
    g_autofree char *text = id != NULL && *id != '\0' ? g_strdup(id) : stem(path);

    c->path = g_strdup(path);
    c->id = mt_batch_case_id(text);
    return c;
}

const char *mt_batch_case_column(const mt_batch_case *c, const char *name)
{
    for (char **pair = c->columns; pair != NULL && pair[0] != NULL; pair += 2)
        if (strcmp(pair[0], name) == 0)
            return pair[1];
    return NULL;
}

static bool check_unique(GPtrArray *cases, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < cases->len; i++) {
        mt_batch_case *c = cases->pdata[i], *other = g_hash_table_lookup(seen, c->id);
        if (other != NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                        "name the cases: %s and %s would both be case '%s': give them ids in a manifest (columns path,id)", other->path,
                        c->path, c->id);
            return false;
        }
        g_hash_table_insert(seen, c->id, c);
    }
    return true;
}

static void warn_of_skipped(GPtrArray *warnings, const char *folder, const GPtrArray *skipped)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (warnings == NULL || skipped->len == 0)
        return;
    g_string_append_printf(text, "folder %s: %u file%s left out: ", folder, skipped->len, skipped->len == 1 ? " is" : "s are");
    for (guint i = 0; i < MIN(skipped->len, NAMED); i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", (char *)skipped->pdata[i]);
    if (skipped->len > NAMED)
        g_string_append_printf(text, " and %u more", skipped->len - NAMED);
    g_ptr_array_add(warnings, g_strdup(text->str));
}

static bool add_folder(GPtrArray *cases, const char *folder, bool studies, GPtrArray *warnings, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), skipped = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *owner = mt_case_listing_owner(folder);

    if (owner != NULL) { /* an unquoted pattern gives both */
        g_autofree char *name = g_path_get_basename(owner);
        if (warnings != NULL)
            g_ptr_array_add(warnings, g_strdup_printf("folder %s: it is left out: it holds the pixels of %s", folder, name));
        return true;
    }
    if (!(studies ? mt_case_listing_studies : mt_case_listing_folder)(folder, paths, skipped, error)) {
        g_prefix_error(error, "name the cases: ");
        return false;
    }
    if (paths->len == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "name the cases: folder %s holds no file that microtome reads (%u other%s)", folder,
                    skipped->len, skipped->len == 1 ? "" : "s");
        return false;
    }
    for (guint i = 0; i < paths->len; i++)
        g_ptr_array_add(cases, mt_batch_case_new(paths->pdata[i], NULL));
    warn_of_skipped(warnings, folder, skipped);
    return true;
}

static bool add_argument(GPtrArray *cases, const char *argument, bool studies, GPtrArray *warnings, GError **error)
{
    size_t n = strlen(argument);

    if (g_file_test(argument, G_FILE_TEST_IS_DIR))
        return add_folder(cases, argument, studies, warnings, error);
    if (n > 4 && g_ascii_strcasecmp(argument + n - 4, ".csv") == 0)
        return mt_manifest_read(argument, cases, error);
    g_ptr_array_add(cases, mt_batch_case_new(argument, NULL));
    return true;
}

static bool add_pattern(GPtrArray *cases, const char *pattern, bool studies, GPtrArray *warnings, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (!mt_case_listing_pattern(pattern, paths, error))
        return false;
    for (guint i = 0; i < paths->len; i++)
        if (!add_argument(cases, paths->pdata[i], studies, warnings, error))
            return false;
    return true;
}

/* What the options say for all of them. */
static bool complete_case(mt_batch_case *c, guint position, double mpp_x, double mpp_y, GError **error)
{
    c->position = position;
    if (!g_utf8_validate(c->path, -1, NULL)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "name the cases: the path of case '%s' is not UTF-8: rename the file", c->id);
        return false;
    }
    if (c->mpp_source == NULL && mpp_x > 0) {
        c->mpp_x = mpp_x;
        c->mpp_y = mpp_y;
        c->mpp_source = g_strdup("option");
    }
    return true;
}

GPtrArray *mt_batch_cases_warned(const char *const *arguments, double mpp_x, double mpp_y, bool studies, GPtrArray *warnings,
                                 GError **error)
{
    g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(mt_batch_case_free);

    for (const char *const *argument = arguments; *argument != NULL; argument++)
        if (!(mt_case_listing_is_pattern(*argument) ? add_pattern : add_argument)(cases, *argument, studies, warnings, error))
            return NULL;
    for (guint i = 0; i < cases->len; i++)
        if (!complete_case(cases->pdata[i], i, mpp_x, mpp_y, error))
            return NULL;
    return check_unique(cases, error) ? g_steal_pointer(&cases) : NULL;
}

GPtrArray *mt_batch_cases(const char *const *arguments, double mpp_x, double mpp_y, GError **error)
{
    return mt_batch_cases_warned(arguments, mpp_x, mpp_y, false, NULL, error);
}

/* A name without folder and ending names the same recipe as the path; a path only itself. */
static bool is_recipe(const char *wanted, const char *path)
{
    g_autofree char *a = NULL, *b = NULL;

    if (path == NULL)
        return false;
    if (strchr(wanted, '/') != NULL) {
        a = g_canonicalize_filename(wanted, NULL);
        b = g_canonicalize_filename(path, NULL);
        return strcmp(a, b) == 0;
    }
    b = g_path_get_basename(path);
    if (strcmp(wanted, b) == 0)
        return true;
    a = stem(path);
    return strcmp(wanted, a) == 0;
}

bool mt_batch_check_recipe(GPtrArray *cases, const char *recipe_path, GError **error)
{
    g_autoptr(GString) named = g_string_new(NULL);
    guint n = 0;

    for (guint i = 0; i < cases->len; i++) {
        const mt_batch_case *c = cases->pdata[i];
        if (c->recipe == NULL || is_recipe(c->recipe, recipe_path))
            continue;
        if (n++ < NAMED)
            g_string_append_printf(named, "%s'%s' (%s)", n > 1 ? ", " : "", c->id, mt_batch_case_column(c, "recipe"));
    }
    if (n == 0)
        return true;
    if (n > NAMED)
        g_string_append_printf(named, " and %u more", n - NAMED);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                "read the manifest: its column recipe means another recipe than %s for %u case%s: %s: a folder takes one recipe: give each "
                "recipe a manifest and an output folder of its own",
                recipe_path != NULL ? recipe_path : "this run without -r", n, n == 1 ? "" : "s", named->str);
    return false;
}

bool mt_batch_assign_patients(GPtrArray *cases, const char *labels_path, GError **error)
{
    g_autoptr(mt_labels) labels = mt_labels_read(labels_path, error);

    for (guint i = 0; labels != NULL && i < cases->len; i++) {
        mt_batch_case *c = cases->pdata[i];
        int            row = mt_labels_find(labels, c->id);
        if (row < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: case %s is not in it: add its row, or leave the case out", labels_path,
                        c->id);
            return false;
        }
        g_free(c->patient);
        c->patient = g_strdup(mt_labels_patient(labels, (guint)row));
    }
    return labels != NULL;
}
