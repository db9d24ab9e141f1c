#include "src/batch/manifest.h"

#include "src/base/csv.h"
#include "src/batch/cases.h"
#include "src/batch/control.h"
#include "src/case/preparation.h"

#include <math.h>
#include <string.h>

#define HIGH 10.0
#define UID_BYTES 64

/* What a cell does to its case.  False: it is not one of those `wanted`. */
typedef bool (*take_cell)(mt_batch_case *c, const char *cell, const char *folder);

bool mt_manifest_parse_priority(const char *text, double *priority)
{
    static const struct {
        const char *name;
        double      value;
    } words[] = {{"urgent", MT_BATCH_URGENT}, {"high", HIGH}, {"routine", 0}, {"low", -HIGH}};
    char *end;

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_ascii_strcasecmp(text, words[i].name) == 0) {
            *priority = words[i].value;
            return true;
        }
    *priority = g_ascii_strtod(text, &end);
    return *text != '\0' && *end == '\0' && isfinite(*priority);
}

bool mt_manifest_parse_due(const char *text, gint64 *due_us)
{
    g_autoptr(GString) whole = g_string_new(text);
    g_autoptr(GTimeZone) local = g_time_zone_new_local();
    g_autoptr(GDateTime) time = NULL;

    if (whole->len == strlen("2026-01-31"))
        g_string_append(whole, "T23:59:59");
    else if (whole->len >= strlen("2026-01-31T07:00") && whole->str[13] == ':' && strchr("0123456789", whole->str[15]) != NULL &&
             whole->str[16] != ':')
        g_string_insert(whole, 16, ":00"); /* hours and minutes are enough */
    time = g_date_time_new_from_iso8601(whole->str, local);
    if (time == NULL)
        return false;
    *due_us = g_date_time_to_unix(time) * G_USEC_PER_SEC;
    return *due_us > 0;
}

static bool take_mpp(mt_batch_case *c, const char *cell, const char *folder)
{
    char  *end;
    double mpp = g_ascii_strtod(cell, &end);

    (void)folder;
    if (*end != '\0' || !isfinite(mpp) || mpp <= 0)
        return false;
    c->mpp_x = c->mpp_y = mpp;
    c->mpp_source = g_strdup("manifest");
    return true;
}

static bool take_preparation(mt_batch_case *c, const char *cell, const char *folder)
{
    (void)folder;
    c->preparation = g_strdup(cell);
    return mt_preparation_check(NULL, cell, c->path, NULL);
}

static bool take_patient(mt_batch_case *c, const char *cell, const char *folder)
{
    (void)folder;
    c->patient = g_strdup(cell);
    return true;
}

static bool take_priority(mt_batch_case *c, const char *cell, const char *folder)
{
    (void)folder;
    return mt_manifest_parse_priority(cell, &c->priority);
}

static bool take_due(mt_batch_case *c, const char *cell, const char *folder)
{
    (void)folder;
    return mt_manifest_parse_due(cell, &c->due_us);
}

static bool take_control(mt_batch_case *c, const char *cell, const char *folder)
{
    mt_control_wish wish;

    (void)folder;
    if (!mt_control_parse(cell, &wish))
        return false;
    mt_control_wish_clear(&wish);
    c->control = g_strdup(cell);
    return true;
}

static bool take_recipe(mt_batch_case *c, const char *cell, const char *folder)
{
    bool below = strchr(cell, '/') != NULL && !g_path_is_absolute(cell);

    c->recipe = below ? g_build_filename(folder, cell, NULL) : g_strdup(cell);
    return true;
}

static bool take_study_uid(mt_batch_case *c, const char *cell, const char *folder)
{
    (void)c;
    (void)folder;
    return strlen(cell) <= UID_BYTES && strspn(cell, "0123456789.") == strlen(cell);
}

static const struct {
    const char *column;
    take_cell   take;
    const char *wanted;
} COLUMNS[] = {
    {"mpp", take_mpp, "is not a positive number of µm per pixel"},
    {"preparation", take_preparation, "is none: skull_stripped, template, bias_corrected are, with ; between"},
    {"patient", take_patient, ""},
    {"priority", take_priority, "is none: a number (the larger, the earlier), urgent, high, routine or low is wanted"},
    {"due", take_due, "is no time: a date as 2026-01-31 or a time as 2026-01-31T07:00 is wanted, with Z or +09:00 where it is not local"},
    {"control", take_control, "is no expectation: an interval of the score as 0.90..1.00, or a label is wanted"},
    {"recipe", take_recipe, ""},
    {"study_uid", take_study_uid, "is no UID: at most 64 digits and points are wanted"},
};

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

static const char *path_cell(const mt_csv *csv, guint row)
{
    static const char *const names[] = {"path", "wsi", "case"}; /* beside a file's column, `case` is the lab's number */

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *cell = mt_csv_cell(csv, row, mt_csv_column(csv, names[i]));
        if (cell != NULL && *cell != '\0')
            return cell;
    }
    return NULL;
}

static bool take_row(mt_batch_case *c, const mt_csv *csv, guint row, const char *manifest, const char *folder, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(COLUMNS); i++) {
        const char *cell = mt_csv_cell(csv, row, mt_csv_column(csv, COLUMNS[i].column));
        if (cell == NULL || *cell == '\0' || COLUMNS[i].take(c, cell, folder))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "read manifest %s: row %u: %s '%s' %s", manifest, row + 2, COLUMNS[i].column, cell,
                    COLUMNS[i].wanted);
        return false;
    }
    return true;
}

/* Two columns of one name would leave the second unread. */
static bool check_header(const mt_csv *csv, const char *manifest, GError **error)
{
    for (guint k = 0; k < csv->header->len; k++) {
        const char *name = csv->header->pdata[k];
        if (*name == '\0' || mt_csv_column(csv, name) == (int)k)
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "read manifest %s: it has two columns '%s': rename one", manifest, name);
        return false;
    }
    return true;
}

bool mt_manifest_read(const char *manifest, GPtrArray *cases, GError **error)
{
    g_autoptr(mt_csv) csv = mt_csv_read(manifest, error);
    g_autofree char *folder = g_path_get_dirname(manifest);

    if (csv == NULL) {
        g_prefix_error(error, "read manifest: ");
        return false;
    }
    if (!check_header(csv, manifest, error))
        return false;
    for (guint row = 0; row < csv->rows->len; row++) {
        const char *path = path_cell(csv, row);
        if (path == NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "read manifest %s: row %u names no case: a column path, case or wsi is wanted",
                        manifest, row + 2);
            return false;
        }
        g_autofree char *whole = g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(folder, path, NULL);
        mt_batch_case   *c = mt_batch_case_new(whole, mt_csv_cell(csv, row, mt_csv_column(csv, "id")));
        g_ptr_array_add(cases, c);
        c->columns = row_columns(csv, row);
        if (!take_row(c, csv, row, manifest, folder, error))
            return false;
    }
    return true;
}
