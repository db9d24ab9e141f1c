#include "src/case/text_header.h"

#include "src/base/limits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEADER_BYTES (1 << 20) /* segmentations carry a page of text for each segment */
#define SHOWN_BYTES 60
#define MAX_LINES 20000

struct mt_text_header {
    const mt_text_syntax *syntax;
    char                 *path;
    GHashTable           *values; /* folded key: value */
    int64_t               bytes;
};

const mt_text_syntax mt_metaimage_syntax = {.separator = "=", .last_key = "ElementDataFile", .data_keys = {"ElementDataFile"}};
const mt_text_syntax mt_nrrd_syntax = {.separator = ":", .comment = "#", .data_keys = {"data file", "datafile"}};

/* A key as it is compared. */
static char *fold(const char *key)
{
    GString *folded = g_string_new(NULL);

    for (; *key != '\0'; key++)
        if (!g_ascii_isspace(*key) && *key != '-' && *key != '_')
            g_string_append_c(folded, g_ascii_tolower(*key));
    return g_string_free(folded, FALSE);
}

/* Of foreign text, what may stand in a message. */
static char *shown(const char *text)
{
    char *out = g_strndup(text, SHOWN_BYTES);

    for (char *c = out; *c != '\0'; c++)
        if (!g_ascii_isprint(*c))
            *c = '?';
    return out;
}

static bool take_line(mt_text_header *h, char *line, bool *last, GError **error)
{
    char *separator = strstr(line, h->syntax->separator);

    if (separator == NULL) {
        g_autofree char *text = shown(line);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its header has a line that is no \"key%svalue\": \"%s\"",
                    h->syntax->separator[0] == '=' ? " = " : ": ", text);
        return false;
    }
    *separator = '\0';
    char            *key = fold(line), *value = g_strdup(g_strstrip(separator + 1));
    g_autofree char *end = h->syntax->last_key != NULL ? fold(h->syntax->last_key) : NULL;
    *last = g_strcmp0(key, end) == 0;
    /* "key:=value" is a remark of whoever wrote the file */
    if (h->syntax->separator[0] == ':' && value[0] == '=') {
        g_free(key);
        g_free(value);
        return true;
    }
    if (g_hash_table_contains(h->values, key)) {
        g_autofree char *text = shown(g_strstrip(line));
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its header says \"%s\" twice", text);
        g_free(key);
        g_free(value);
        return false;
    }
    g_hash_table_insert(h->values, key, value);
    return true;
}

/* Lines up to the end of the header; text has a zero behind it. */
static bool take_lines(mt_text_header *h, char *text, size_t n, bool whole, GError **error)
{
    size_t at = 0;
    bool   last = false;

    for (int lines = 0; at < n && lines < MAX_LINES; lines++) {
        char  *line = text + at, *end = memchr(line, '\n', n - at);
        size_t next = end != NULL ? (size_t)(end - text) + 1 : n;

        if (end == NULL && !whole)
            break;
        text[end != NULL ? next - 1 : n] = '\0';
        at = next;
        g_strchomp(line);
        bool magic = lines == 0 && h->syntax->last_key == NULL, comment = h->syntax->comment != NULL && line[0] == h->syntax->comment[0];
        if (!magic && line[0] == '\0' && h->syntax->last_key == NULL)
            last = true;
        else if (!magic && !comment && line[0] != '\0' && !take_line(h, line, &last, error))
            return false;
        if (last)
            break;
    }
    h->bytes = (int64_t)at;
    if (last || (whole && at == n && h->syntax->last_key == NULL))
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its header does not end");
    return false;
}

mt_text_header *mt_text_header_read(const char *path, const mt_text_syntax *syntax, GError **error)
{
    FILE            *file = fopen(path, "rb");
    g_autofree char *text = g_malloc(HEADER_BYTES + 1);
    g_autoptr(mt_text_header) h = g_new0(mt_text_header, 1);

    h->syntax = syntax;
    h->path = g_strdup(path);
    h->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (file == NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "it cannot be opened");
        return NULL;
    }
    size_t n = fread(text, 1, HEADER_BYTES, file);
    bool   whole = n < HEADER_BYTES;
    fclose(file);
    text[n] = '\0';
    return take_lines(h, text, n, whole, error) ? g_steal_pointer(&h) : NULL;
}

void mt_text_header_free(mt_text_header *h)
{
    if (h == NULL)
        return;
    g_clear_pointer(&h->values, g_hash_table_unref);
    g_free(h->path);
    g_free(h);
}

int64_t mt_text_header_bytes(const mt_text_header *h)
{
    return h->bytes;
}

const char *mt_text_header_value(const mt_text_header *h, const char *key)
{
    g_autofree char *folded = fold(key);

    return g_hash_table_lookup(h->values, folded);
}

static const char *data_name(const mt_text_header *h)
{
    const char *name = NULL;

    for (size_t i = 0; name == NULL && i < G_N_ELEMENTS(h->syntax->data_keys) && h->syntax->data_keys[i] != NULL; i++)
        name = mt_text_header_value(h, h->syntax->data_keys[i]);
    return name;
}

bool mt_text_header_data_path(const mt_text_header *h, char **path, GError **error)
{
    const char      *name = data_name(h);
    g_autofree char *folder = g_path_get_dirname(h->path);

    *path = NULL;
    if (name == NULL || g_ascii_strcasecmp(name, "LOCAL") == 0) {
        *path = g_strdup(h->path);
        return true;
    }
    if (name[0] == '\0' || strchr(name, '/') != NULL || strchr(name, '%') != NULL || g_str_has_prefix(name, "LIST") ||
        strcmp(name, "..") == 0 || !g_utf8_validate(name, -1, NULL)) {
        g_autofree char *text = shown(name);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its voxels are in \"%s\": one file beside the header is read, no list, no other folder", text);
        return false;
    }
    *path = g_build_filename(folder, name, NULL);
    return true;
}

static bool refuse_value(const mt_text_header *h, const char *key, const char *wanted, GError **error)
{
    const char      *value = mt_text_header_value(h, key);
    g_autofree char *text = shown(value != NULL ? value : "");

    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its \"%s\" is \"%s\", not %s", key, text, wanted);
    return false;
}

static const char *skip_signs(const char *at)
{
    while (*at != '\0' && (g_ascii_isspace(*at) || strchr("(),", *at) != NULL))
        at++;
    return at;
}

bool mt_text_header_numbers(const mt_text_header *h, const char *key, double *numbers, int n, GError **error)
{
    const char *value = mt_text_header_value(h, key), *at = value != NULL ? skip_signs(value) : "";
    char       *end = NULL;
    int         found = 0;

    for (; *at != '\0' && found < n; found++) {
        numbers[found] = g_ascii_strtod(at, &end);
        if (end == at || !isfinite(numbers[found]))
            break;
        at = skip_signs(end);
    }
    if (found == n && *at == '\0')
        return true;
    g_autofree char *wanted = g_strdup_printf("%d number%s", n, n == 1 ? "" : "s");
    return refuse_value(h, key, wanted, error);
}

bool mt_text_header_sizes(const mt_text_header *h, const char *key, int64_t *sizes, int n, GError **error)
{
    double  numbers[8];
    int64_t voxels = 1;

    g_assert(n <= 8);
    if (!mt_text_header_numbers(h, key, numbers, n, error))
        return false;
    for (int i = 0; i < n; i++) {
        if (!(numbers[i] >= 1 && numbers[i] <= (double)INT32_MAX && numbers[i] == floor(numbers[i])))
            return refuse_value(h, key, "whole numbers above 0", error);
        sizes[i] = (int64_t)numbers[i];
        if (sizes[i] > MT_LIMIT_NIFTI_VOXELS / voxels) {
            g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its header claims more than the limit of %" G_GINT64_FORMAT " voxels",
                        MT_LIMIT_NIFTI_VOXELS);
            return false;
        }
        voxels *= sizes[i];
    }
    return true;
}

char *mt_text_header_beside(const char *path)
{
    bool meta = g_str_has_suffix(path, ".mhd"), nrrd = g_str_has_suffix(path, ".nhdr");
    g_autoptr(mt_text_header) h = meta || nrrd ? mt_text_header_read(path, meta ? &mt_metaimage_syntax : &mt_nrrd_syntax, NULL) : NULL;
    g_autofree char *data = NULL;

    if (h == NULL || !mt_text_header_data_path(h, &data, NULL) || strcmp(data, path) == 0)
        return NULL;
    return g_steal_pointer(&data);
}
