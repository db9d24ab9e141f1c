#include "mil/torch_checkpoint.h"

#include "mil/mapped_file.h"
#include "mil/torch_private.h"
#include "mil/torch_zip.h"
#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <string.h>

void mt_torch_checkpoint_free(mt_torch_checkpoint *file)
{
    if (file == NULL)
        return;
    g_clear_pointer(&file->tensors, g_ptr_array_unref);
    g_clear_pointer(&file->storages, g_hash_table_unref);
    g_clear_pointer(&file->map, g_mapped_file_unref);
    g_string_free(file->skipped, TRUE);
    g_free(file);
}

int mt_torch_checkpoint_n(const mt_torch_checkpoint *file)
{
    return (int)file->tensors->len;
}

const mt_weight *mt_torch_checkpoint_get(const mt_torch_checkpoint *file, int i)
{
    return g_ptr_array_index(file->tensors, i);
}

int mt_torch_checkpoint_heads(const mt_torch_checkpoint *file)
{
    return file->heads;
}

const char *mt_torch_checkpoint_skipped(const mt_torch_checkpoint *file)
{
    return file->skipped->len > 0 ? file->skipped->str : NULL;
}

static void storage_free(gpointer data)
{
    mt_torch_storage *storage = data;

    g_free(storage->key);
    g_free(storage);
}

static void tensor_free(gpointer data)
{
    mt_torch_tensor *tensor = data;

    g_free(tensor->weight.name);
    g_free(tensor);
}

/* What persistent_id of torch.save gives: "storage", class, key, device, elements[, view]. */
static bool add_storage(mt_torch_checkpoint *file, const mt_pickle_value *id, GError **error)
{
    const char *dtype = mt_pickle_storage_type(id->items[1]);

    if (!mt_pickle_is_text(id->items[0], "storage") || dtype == NULL || id->items[2]->kind != MT_PICKLE_TEXT ||
        id->items[4]->kind != MT_PICKLE_INT || id->items[4]->integer < 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "refers to a storage in an unknown way");
        return false;
    }
    g_autofree char *key = g_strndup(id->items[2]->bytes, MIN(id->items[2]->n, 100));
    if (id->n > 5 && id->items[5]->kind != MT_PICKLE_NONE) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "storage '%s' is a view, as PyTorch before 0.4 wrote: load and save it again with torch", key);
        return false;
    }
    const mt_torch_storage *known = g_hash_table_lookup(file->storages, key);
    if (known != NULL && (strcmp(known->dtype, dtype) != 0 || known->n != id->items[4]->integer)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "storage '%s' has two types or sizes", key);
        return false;
    }
    if (known == NULL) {
        mt_torch_storage *storage = g_new0(mt_torch_storage, 1);
        *storage = (mt_torch_storage){.key = g_steal_pointer(&key), .dtype = dtype, .n = id->items[4]->integer};
        g_hash_table_insert(file->storages, storage->key, storage);
    }
    return true;
}

bool mt_torch_collect_storages(mt_torch_checkpoint *file, const mt_pickle *pickle, GError **error)
{
    for (uint32_t i = 0; i < mt_pickle_n(pickle); i++) {
        const mt_pickle_value *value = mt_pickle_get(pickle, i);
        if (value->kind == MT_PICKLE_STORAGE && !add_storage(file, value, error))
            return false;
        if (g_hash_table_size(file->storages) > MT_LIMIT_TORCH_ENTRIES) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "more than %d storages", MT_LIMIT_TORCH_ENTRIES);
            return false;
        }
    }
    return true;
}

bool mt_torch_place(mt_torch_storage *storage, size_t begin, size_t size, GError **error)
{
    size_t item = mt_weight_item_bytes(storage->dtype);

    if ((uint64_t)storage->n > size / item || (size_t)storage->n * item != size) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "storage '%s' claims %" G_GINT64_FORMAT " values of %s, the file keeps %zu bytes for it", storage->key, storage->n,
                    storage->dtype, size);
        return false;
    }
    storage->begin = begin;
    storage->placed = true;
    return true;
}

static bool place_zip_storages(mt_torch_checkpoint *file, const mt_torch_zip *zip, GError **error)
{
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, file->storages);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        mt_torch_storage   *storage = value;
        g_autofree char    *name = g_strconcat("data/", storage->key, NULL);
        const mt_zip_entry *entry = mt_torch_zip_find(zip, name);
        if (entry == NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "storage '%s' is missing in the archive", storage->key);
            return false;
        }
        if (!mt_torch_place(storage, entry->begin, entry->size, error) || !mt_torch_zip_check(zip, entry, error))
            return false;
    }
    return true;
}

static bool read_byte_order(mt_torch_checkpoint *file, const mt_torch_zip *zip, GError **error)
{
    const mt_zip_entry *entry = mt_torch_zip_find(zip, "byteorder");

    if (entry == NULL) /* before PyTorch 2.1 */
        return true;
    const char *text = file->bytes + entry->begin;
    file->big_endian = entry->size == 3 && memcmp(text, "big", 3) == 0;
    if (file->big_endian || (entry->size == 6 && memcmp(text, "little", 6) == 0))
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "entry 'byteorder' says neither 'little' nor 'big'");
    return false;
}

static bool read_zip(mt_torch_checkpoint *file, GError **error)
{
    g_autoptr(mt_torch_zip) zip = mt_torch_zip_new(file->bytes, file->size, error);

    if (zip == NULL)
        return false;
    const mt_zip_entry *entry = mt_torch_zip_find(zip, "data.pkl");
    if (mt_torch_zip_find(zip, "constants.pkl") != NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "is a TorchScript program: save the model's state_dict, or export it to ONNX");
        return false;
    }
    if (entry == NULL || entry->size > (size_t)MT_LIMIT_PICKLE_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    entry == NULL ? "no PyTorch checkpoint: the archive holds no data.pkl" : "data.pkl is larger than 64 MiB");
        return false;
    }
    if (!mt_torch_zip_check(zip, entry, error) || !read_byte_order(file, zip, error))
        return false;
    g_autoptr(mt_pickle) pickle = mt_pickle_read(file->bytes + entry->begin, entry->size, NULL, error);
    return pickle != NULL && mt_torch_collect_storages(file, pickle, error) && place_zip_storages(file, zip, error) &&
           mt_torch_collect_tensors(file, mt_pickle_root(pickle), error);
}

static bool is_tar(const mt_torch_checkpoint *file)
{
    return file->size >= 512 && memcmp(file->bytes + 257, "ustar", 5) == 0;
}

static bool read_file(mt_torch_checkpoint *file, const char *path, GError **error)
{
    file->map = mt_map_plain_file(path, error);
    if (file->map == NULL)
        return false;
    file->bytes = g_mapped_file_get_contents(file->map);
    file->size = g_mapped_file_get_length(file->map);
    if (mt_torch_zip_is(file->bytes, file->size))
        return read_zip(file, error);
    if (is_tar(file)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "is a tar archive of PyTorch before 0.1.10: load and save it again with torch");
        return false;
    }
    return mt_torch_read_legacy(file, error);
}

mt_torch_checkpoint *mt_torch_checkpoint_open(const char *path, GError **error)
{
    g_autoptr(mt_torch_checkpoint) file = g_new0(mt_torch_checkpoint, 1);

    file->storages = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, storage_free);
    file->tensors = g_ptr_array_new_with_free_func(tensor_free);
    file->skipped = g_string_new(NULL);
    if (!read_file(file, path, error)) {
        g_prefix_error(error, "read %s: ", path);
        return NULL;
    }
    return g_steal_pointer(&file);
}

static bool is_contiguous(const mt_torch_tensor *tensor)
{
    int64_t stride = 1;

    for (int i = tensor->weight.rank - 1; i >= 0; i--) {
        if (tensor->weight.shape[i] != 1 && tensor->stride[i] != stride)
            return false;
        stride *= tensor->weight.shape[i];
    }
    return true;
}

/* The elements in the order of the shape, one step of the strides after the other. */
static void gather(const mt_torch_tensor *tensor, const char *data, size_t item, char *out)
{
    const mt_weight *weight = &tensor->weight;
    int64_t          index[MT_MAX_RANK] = {0}, at = 0;

    for (int64_t i = 0; i < weight->count; i++) {
        memcpy(out + (size_t)i * item, data + (size_t)at * item, item);
        for (int axis = weight->rank - 1; axis >= 0; axis--) {
            at += tensor->stride[axis];
            if (++index[axis] < weight->shape[axis])
                break;
            at -= tensor->stride[axis] * weight->shape[axis];
            index[axis] = 0;
        }
    }
}

static void swap_bytes(char *data, int64_t count, size_t item)
{
    for (int64_t i = 0; i < count; i++, data += item)
        for (size_t k = 0; k < item / 2; k++) {
            char byte = data[k];
            data[k] = data[item - 1 - k];
            data[item - 1 - k] = byte;
        }
}

mt_tensor *mt_torch_checkpoint_read(const mt_torch_checkpoint *file, const mt_weight *weight, GError **error)
{
    const mt_torch_tensor *tensor = (const mt_torch_tensor *)weight;
    size_t                 item = mt_weight_item_bytes(weight->dtype);
    const char            *data = file->bytes + tensor->storage->begin + (size_t)tensor->offset * item;

    if (weight->count == 0)
        return mt_weight_to_tensor(weight, file->bytes, error);
    if (is_contiguous(tensor) && !file->big_endian)
        return mt_weight_to_tensor(weight, data, error);
    char *copy = mt_alloc(weight->count, item, error);
    if (copy == NULL) {
        g_prefix_error(error, "tensor '%s': ", weight->name);
        return NULL;
    }
    gather(tensor, data, item, copy);
    if (file->big_endian)
        swap_bytes(copy, weight->count, item);
    mt_tensor *read = mt_weight_to_tensor(weight, copy, error);
    mt_free(copy);
    return read;
}
