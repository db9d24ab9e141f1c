#include "mil/safetensors_private.h"

#include <jansson.h>
#include <string.h>

/* A header nests three deep: file, tensor, shape.  A little room is left, none for an attack on the parser's stack. */
#define MAX_DEPTH 8
/* About 150,000 tensors; a header of commas alone would otherwise grow to forty times its bytes as JSON values. */
#define MAX_VALUES (1 << 20)
#define MAX_NAME_BYTES 512

static const struct {
    const char *name;
    int         bits;
} dtypes[] = {
    {"BOOL", 8},  {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},
    {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32},    {"I64", 64},    {"U64", 64},    {"F64", 64}, {"C64", 64},
};

/* Depth and number of values, seen before any is allocated.  Quotes are followed, syntax is jansson's to judge. */
static bool check_size(const char *json, size_t bytes, GError **error)
{
    int  depth = 0, values = 0;
    bool quoted = false;

    for (size_t i = 0; i < bytes; i++) {
        char c = json[i];
        if (quoted) {
            quoted = c != '"';
            i += c == '\\';
            continue;
        }
        quoted = c == '"';
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        values += c == ',';
        if (depth > MAX_DEPTH || values > MAX_VALUES) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the header %s: refused before parsing",
                        depth > MAX_DEPTH ? "nests too deep" : "has too many values");
            return false;
        }
    }
    return true;
}

static bool entry_error(const char *name, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s': %s", name, what);
    return false;
}

static bool parse_dtype(json_t *value, mt_safetensors_entry *entry, int *bits, GError **error)
{
    const char *text = json_string_value(value);

    if (text == NULL)
        return entry_error(entry->name, "dtype is missing or not a string", error);
    for (guint i = 0; i < G_N_ELEMENTS(dtypes); i++)
        if (strcmp(dtypes[i].name, text) == 0) {
            entry->dtype = dtypes[i].name;
            *bits = dtypes[i].bits;
            return true;
        }
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s': unknown dtype '%.32s'", entry->name, text);
    return false;
}

static bool parse_shape(json_t *value, mt_safetensors_entry *entry, GError **error)
{
    if (!json_is_array(value))
        return entry_error(entry->name, "shape is missing or not a list", error);
    if (json_array_size(value) > MT_MAX_RANK)
        return entry_error(entry->name, "shape has more than 8 dimensions", error);
    entry->rank = (int)json_array_size(value);
    entry->count = 1;
    for (int i = 0; i < entry->rank; i++) {
        json_t *dim = json_array_get(value, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return entry_error(entry->name, "shape holds something else than whole numbers >= 0", error);
        entry->shape[i] = json_integer_value(dim);
        if (__builtin_mul_overflow(entry->count, entry->shape[i], &entry->count))
            return entry_error(entry->name, "the product of its shape overflows", error);
    }
    return true;
}

/* Offsets count from the end of the header; `room` is what the file has there. */
static bool parse_offsets(json_t *value, mt_safetensors_entry *entry, int bits, size_t buffer, size_t room, GError **error)
{
    json_t *first = json_array_get(value, 0), *second = json_array_get(value, 1);
    size_t  bytes;

    if (json_array_size(value) != 2 || !json_is_integer(first) || !json_is_integer(second))
        return entry_error(entry->name, "data_offsets is missing or not two whole numbers", error);
    json_int_t begin = json_integer_value(first), end = json_integer_value(second);
    if (begin < 0 || end < begin)
        return entry_error(entry->name, "data_offsets are negative or out of order", error);
    if ((uint64_t)end > room) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s' ends at byte %lld of a buffer of %zu bytes: truncated?", entry->name,
                    (long long)end, room);
        return false;
    }
    if (__builtin_mul_overflow((size_t)entry->count, (size_t)bits / 8, &bytes) || bytes != (size_t)(end - begin)) {
        g_autofree char *shape = mt_shape_to_string(entry->rank, entry->shape);
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s': %s of %s do not fill its %lld bytes", entry->name, shape, entry->dtype,
                    (long long)(end - begin));
        return false;
    }
    entry->begin = buffer + (size_t)begin;
    entry->end = buffer + (size_t)end;
    return true;
}

static bool parse_entry(mt_safetensors_entry *entry, json_t *value, size_t buffer, size_t size, GError **error)
{
    const char *key;
    json_t     *unused;
    int         bits = 0;

    if (!json_is_object(value))
        return entry_error(entry->name, "its description is not an object", error);
    json_object_foreach(value, key, unused) if (strcmp(key, "dtype") != 0 && strcmp(key, "shape") != 0 && strcmp(key, "data_offsets") != 0)
    {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s': unknown field '%.64s'", entry->name, key);
        return false;
    }
    return parse_dtype(json_object_get(value, "dtype"), entry, &bits, error) &&
           parse_shape(json_object_get(value, "shape"), entry, error) &&
           parse_offsets(json_object_get(value, "data_offsets"), entry, bits, buffer, size - buffer, error);
}

static bool parse_metadata(mt_safetensors *file, json_t *value, GError **error)
{
    const char *key;
    json_t     *text;

    if (!json_is_object(value)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "__metadata__ is not an object");
        return false;
    }
    json_object_foreach(value, key, text)
    {
        if (!json_is_string(text)) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "__metadata__: the value of '%.64s' is not a string", key);
            return false;
        }
        g_hash_table_insert(file->metadata, g_strdup(key), g_strdup(json_string_value(text)));
    }
    return true;
}

static bool parse_object(mt_safetensors *file, json_t *root, size_t buffer, size_t size, GError **error)
{
    const char *key;
    json_t     *value;

    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) {
            if (!parse_metadata(file, value, error))
                return false;
            continue;
        }
        if (strlen(key) > MAX_NAME_BYTES) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensor '%.32s...': a name of more than %d bytes", key, MAX_NAME_BYTES);
            return false;
        }
        mt_safetensors_entry *entry = g_new0(mt_safetensors_entry, 1);
        entry->name = g_strdup(key);
        g_ptr_array_add(file->entries, entry);
        g_hash_table_insert(file->by_name, entry->name, entry);
        if (!parse_entry(entry, value, buffer, size, error))
            return false;
    }
    return true;
}

bool mt_safetensors_parse_header(mt_safetensors *file, const char *json, size_t bytes, size_t size, GError **error)
{
    json_error_t cause;

    if (bytes == 0 || *json != '{') {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "not a safetensors file: the header does not begin with '{'");
        return false;
    }
    if (!check_size(json, bytes, error))
        return false;
    json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &cause);
    if (root == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the header is not valid JSON: %s", cause.text);
        return false;
    }
    bool ok = parse_object(file, root, 8 + bytes, size, error);
    json_decref(root);
    return ok;
}
