#include "mil/safetensors.h"

#include "mil/mapped_file.h"
#include "mil/safetensors_private.h"
#include "src/base/limits.h"

#include <string.h>

void mt_safetensors_free(mt_safetensors *file)
{
    if (file == NULL)
        return;
    g_clear_pointer(&file->entries, g_ptr_array_unref);
    g_clear_pointer(&file->by_name, g_hash_table_unref);
    g_clear_pointer(&file->metadata, g_hash_table_unref);
    g_clear_pointer(&file->map, g_mapped_file_unref);
    g_free(file);
}

int mt_safetensors_n(const mt_safetensors *file)
{
    return (int)file->entries->len;
}

const mt_safetensors_entry *mt_safetensors_get(const mt_safetensors *file, int i)
{
    return g_ptr_array_index(file->entries, i);
}

const mt_safetensors_entry *mt_safetensors_find(const mt_safetensors *file, const char *name)
{
    return g_hash_table_lookup(file->by_name, name);
}

GHashTable *mt_safetensors_metadata(const mt_safetensors *file)
{
    return file->metadata;
}

/* The header's place in the map. */
static bool find_header(const char *data, size_t size, size_t *bytes, GError **error)
{
    uint64_t length;

    if (size < 8) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "not a safetensors file: %zu bytes, shorter than its length field", size);
        return false;
    }
    memcpy(&length, data, sizeof(length));
    length = GUINT64_FROM_LE(length);
    if (length > (uint64_t)MT_LIMIT_SAFETENSORS_HEADER) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the header claims %" G_GUINT64_FORMAT " bytes, the format allows %" G_GINT64_FORMAT,
                    length, MT_LIMIT_SAFETENSORS_HEADER);
        return false;
    }
    if (length > size - 8) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "truncated: the header claims %" G_GUINT64_FORMAT " bytes, %zu are there", length,
                    size - 8);
        return false;
    }
    *bytes = (size_t)length;
    return true;
}

static gint by_begin(gconstpointer a, gconstpointer b)
{
    const mt_safetensors_entry *x = *(const mt_safetensors_entry *const *)a, *y = *(const mt_safetensors_entry *const *)b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end; /* an empty tensor stands before the one that starts there */
}

/* The tensors tile the buffer: no byte belongs to two of them, and none to nobody (the format forbids hidden bytes). */
static bool check_layout(GPtrArray *entries, size_t buffer, size_t size, GError **error)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_sized_new(entries->len + 1);
    size_t at = buffer;

    for (guint i = 0; i < entries->len; i++)
        g_ptr_array_add(sorted, g_ptr_array_index(entries, i));
    g_ptr_array_sort(sorted, by_begin);
    for (guint i = 0; i < sorted->len; i++) {
        const mt_safetensors_entry *e = g_ptr_array_index(sorted, i);
        if (e->begin < at) {
            const mt_safetensors_entry *before = g_ptr_array_index(sorted, i - 1);
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensors '%s' and '%s' overlap", before->name, e->name);
            return false;
        }
        if (e->begin > at) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "%zu bytes before tensor '%s' belong to no tensor", e->begin - at, e->name);
            return false;
        }
        at = e->end;
    }
    if (at != size)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "%zu bytes after the last tensor belong to no tensor", size - at);
    return at == size;
}

static bool open_file(mt_safetensors *file, const char *path, GError **error)
{
    size_t header;

    file->map = mt_map_plain_file(path, error);
    if (file->map == NULL)
        return false;
    const char *data = g_mapped_file_get_contents(file->map);
    size_t      size = g_mapped_file_get_length(file->map);
    return find_header(data, size, &header, error) && mt_safetensors_parse_header(file, data + 8, header, size, error) &&
           check_layout(file->entries, 8 + header, size, error);
}

static void entry_free(gpointer data)
{
    mt_safetensors_entry *entry = data;

    g_free(entry->name);
    g_free(entry);
}

mt_safetensors *mt_safetensors_open(const char *path, GError **error)
{
    g_autoptr(mt_safetensors) file = g_new0(mt_safetensors, 1);

    file->entries = g_ptr_array_new_with_free_func(entry_free);
    file->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    file->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!open_file(file, path, error)) {
        g_prefix_error(error, "read %s: ", path);
        return NULL;
    }
    return g_steal_pointer(&file);
}

bool mt_safetensors_is_float(const mt_safetensors_entry *entry)
{
    return mt_weight_is_float(entry);
}

mt_tensor *mt_safetensors_read(const mt_safetensors *file, const mt_safetensors_entry *entry, GError **error)
{
    return mt_weight_to_tensor(entry, g_mapped_file_get_contents(file->map) + entry->begin, error);
}
