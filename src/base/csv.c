#include "src/base/csv.h"

#include "src/base/limits.h"

#include <string.h>

static void free_row(void *row)
{
    g_ptr_array_unref(row);
}

/* One cell from *text on; *end says what stopped it: ',', '\n' or 0. */
static char *take_cell(const char **text, char *end)
{
    GString    *cell = g_string_new(NULL);
    const char *p = *text;
    bool        quoted = *p == '"';

    if (quoted)
        p++;
    for (; *p != '\0'; p++) {
        if (quoted && *p == '"' && p[1] == '"')
            g_string_append_c(cell, *p++);
        else if (quoted && *p == '"')
            quoted = false;
        else if (!quoted && (*p == ',' || *p == '\n' || (*p == '\r' && p[1] == '\n')))
            break;
        else
            g_string_append_c(cell, *p);
    }
    if (*p == '\r')
        p++;
    *end = *p;
    *text = *p == '\0' ? p : p + 1;
    return g_string_free(cell, FALSE);
}

static GPtrArray *take_row(const char **text)
{
    GPtrArray *row = g_ptr_array_new_with_free_func(g_free);
    char       end;

    do
        g_ptr_array_add(row, take_cell(text, &end));
    while (end == ',');
    return row;
}

static bool parse(mt_csv *csv, const char *path, const char *text, GError **error)
{
    if (g_str_has_prefix(text, "\xef\xbb\xbf"))
        text += 3;
    csv->header = take_row(&text);
    for (int number = 2; *text != '\0'; number++) {
        GPtrArray *row = take_row(&text);
        if (row->len == 1 && *(char *)row->pdata[0] == '\0') {
            g_ptr_array_unref(row);
            continue;
        }
        g_ptr_array_add(csv->rows, row);
        if (row->len != csv->header->len) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: row %d has %u cells where the header has %u", path, number, row->len,
                        csv->header->len);
            return false;
        }
    }
    return true;
}

mt_csv *mt_csv_read(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize            bytes;
    g_autoptr(GError) cause = NULL;

    if (!g_file_get_contents(path, &text, &bytes, &cause)) {
        g_set_error(error, MT_ERROR, g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? MT_ERROR_MISSING : MT_ERROR_IO,
                    "read %s: %s", path, cause->message);
        return NULL;
    }
    if (bytes > (gsize)MT_LIMIT_JSON_BYTES || strlen(text) != bytes || !g_utf8_validate(text, (gssize)bytes, NULL)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: not a UTF-8 table of at most %" G_GINT64_FORMAT " MB", path,
                    MT_LIMIT_JSON_BYTES >> 20);
        return NULL;
    }
    g_autoptr(mt_csv) csv = g_new0(mt_csv, 1);
    csv->rows = g_ptr_array_new_with_free_func(free_row);
    return parse(csv, path, text, error) ? g_steal_pointer(&csv) : NULL;
}

void mt_csv_free(mt_csv *csv)
{
    if (csv == NULL)
        return;
    g_clear_pointer(&csv->header, g_ptr_array_unref);
    g_clear_pointer(&csv->rows, g_ptr_array_unref);
    g_free(csv);
}

int mt_csv_column(const mt_csv *csv, const char *name)
{
    for (guint i = 0; i < csv->header->len; i++)
        if (g_strcmp0(csv->header->pdata[i], name) == 0)
            return (int)i;
    return -1;
}

const char *mt_csv_cell(const mt_csv *csv, guint row, int column)
{
    GPtrArray *cells = csv->rows->pdata[row];

    return column < 0 ? NULL : cells->pdata[column];
}

void mt_csv_append_text(GString *line, const char *text, bool first)
{
    bool formula = *text != '\0' && strchr("=+-@\t\r", *text) != NULL;

    if (!first)
        g_string_append_c(line, ',');
    if (!formula && strpbrk(text, ",\"\r\n") == NULL) {
        g_string_append(line, text);
        return;
    }
    g_string_append_c(line, '"');
    if (formula)
        g_string_append_c(line, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            g_string_append_c(line, '"');
        g_string_append_c(line, *text);
    }
    g_string_append_c(line, '"');
}
