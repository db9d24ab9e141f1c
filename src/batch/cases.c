/* Which cases a command line means, and what each is called. */
#include <microtome/batch.h>

#include "src/base/csv.h"
#include "src/base/hash.h"
#include "src/base/limits.h"
#include "src/evaluate/labels.h"

#include <math.h>
#include <string.h>

static void free_case(void *data)
{
    mt_batch_case *c = data;

    g_free(c->path);
    g_free(c->id);
    g_free(c->patient);
    g_free(c->mpp_source);
    g_strfreev(c->columns);
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

/* File name without its ending; .nii.gz and .ome.tif lose both. */
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
    if (dot != NULL && dot != name)
        *dot = '\0';
    return name;
}

static mt_batch_case *new_case(const char *path, const char *id)
{
    mt_batch_case   *c = g_new0(mt_batch_case, 1);
    g_autofree char *text = id != NULL && *id != '\0' ? g_strdup(id) : stem(path);

    c->path = g_strdup(path);
    c->id = mt_batch_case_id(text);
    return c;
}

static const char *first_cell(const mt_csv *csv, guint row, const char *const *names)
{
    for (; *names != NULL; names++) {
        const char *cell = mt_csv_cell(csv, row, mt_csv_column(csv, *names));
        if (cell != NULL)
            return cell;
    }
    return NULL;
}

static bool read_mpp(mt_batch_case *c, const char *cell, const char *manifest, guint row, GError **error)
{
    char  *end;
    double mpp;

    if (cell == NULL || *cell == '\0')
        return true;
    mpp = g_ascii_strtod(cell, &end);
    if (*end != '\0' || !isfinite(mpp) || mpp <= 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "read manifest %s: row %u: mpp '%s' is not a positive number of µm per pixel",
                    manifest, row + 2, cell);
        return false;
    }
    c->mpp_x = c->mpp_y = mpp;
    c->mpp_source = g_strdup("manifest");
    return true;
}

/* Every column that has a value, known here or not. */
static char **row_columns(const mt_csv *csv, guint row)
{
    GPtrArray *pairs = g_ptr_array_new();

    for (guint k = 0; k < csv->header->len; k++) {
        const char *cell = mt_csv_cell(csv, row, (int)k);
        if (*cell == '\0')
            continue;
        g_ptr_array_add(pairs, g_strdup(csv->header->pdata[k]));
        g_ptr_array_add(pairs, g_strdup(cell));
    }
    g_ptr_array_add(pairs, NULL);
    return (char **)g_ptr_array_free(pairs, FALSE);
}

static bool add_manifest(GPtrArray *cases, const char *manifest, GError **error)
{
    static const char *const path_names[] = {"path", "case", "wsi", NULL}, *const id_names[] = {"id", NULL},
                             *const patient_names[] = {"patient", NULL}, *const mpp_names[] = {"mpp", NULL};
    g_autoptr(mt_csv) csv = mt_csv_read(manifest, error);
    g_autofree char *folder = g_path_get_dirname(manifest);

    if (csv == NULL) {
        g_prefix_error(error, "read manifest: ");
        return false;
    }
    for (guint row = 0; row < csv->rows->len; row++) {
        const char *path = first_cell(csv, row, path_names);
        if (path == NULL || *path == '\0') {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "read manifest %s: row %u names no case: a column path, case or wsi is wanted",
                        manifest, row + 2);
            return false;
        }
        g_autofree char *whole = g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(folder, path, NULL);
        mt_batch_case   *c = new_case(whole, first_cell(csv, row, id_names));
        g_ptr_array_add(cases, c);
        c->patient = g_strdup(first_cell(csv, row, patient_names));
        c->columns = row_columns(csv, row);
        if (!read_mpp(c, first_cell(csv, row, mpp_names), manifest, row, error))
            return false;
    }
    return true;
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

GPtrArray *mt_batch_cases(const char *const *arguments, double mpp_x, double mpp_y, GError **error)
{
    g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(free_case);

    for (const char *const *argument = arguments; *argument != NULL; argument++) {
        size_t n = strlen(*argument);
        if (n > 4 && g_ascii_strcasecmp(*argument + n - 4, ".csv") == 0) {
            if (!add_manifest(cases, *argument, error))
                return NULL;
        } else
            g_ptr_array_add(cases, new_case(*argument, NULL));
    }
    for (guint i = 0; i < cases->len; i++) {
        mt_batch_case *c = cases->pdata[i];
        if (!g_utf8_validate(c->path, -1, NULL)) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "name the cases: the path of case '%s' is not UTF-8: rename the file", c->id);
            return NULL;
        }
        if (c->mpp_source == NULL && mpp_x > 0) {
            c->mpp_x = mpp_x;
            c->mpp_y = mpp_y;
            c->mpp_source = g_strdup("option");
        }
    }
    return check_unique(cases, error) ? g_steal_pointer(&cases) : NULL;
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
