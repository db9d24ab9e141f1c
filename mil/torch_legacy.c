#include "mil/torch_private.h"
#include "src/base/limits.h"

#include <string.h>

/* The stream is: magic number, protocol version, facts about the machine, the object, the keys of its storages (a pickle
 * each), then for each key the count of its elements (8 bytes) and the elements, always little-endian. */
static const char magic[10] = {'\x6c', '\xfc', '\x9c', '\x46', '\xf9', '\x20', '\x6a', '\xa8', '\x50', '\x19'};

static bool refuse(GError **error, const char *what)
{
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, what);
    return false;
}

static mt_pickle *next_pickle(const mt_torch_checkpoint *file, size_t *at, const char *what, GError **error)
{
    size_t     used = 0;
    mt_pickle *pickle = mt_pickle_read(file->bytes + *at, file->size - *at, &used, error);

    if (pickle == NULL)
        g_prefix_error(error, "%s: ", what);
    *at += used;
    return pickle;
}

static bool check_header(const mt_torch_checkpoint *file, size_t *at, GError **error)
{
    g_autoptr(mt_pickle) number = mt_pickle_read(file->bytes, file->size, at, NULL);
    const mt_pickle_value *value = number != NULL ? mt_pickle_root(number) : NULL;

    if (value == NULL || value->kind != MT_PICKLE_LONG || value->n != sizeof(magic) || memcmp(value->bytes, magic, sizeof(magic)) != 0)
        return refuse(error, "no PyTorch checkpoint: neither a zip archive nor a legacy stream of torch.save");
    g_autoptr(mt_pickle) version = next_pickle(file, at, "protocol version", error);
    if (version == NULL)
        return false;
    value = mt_pickle_root(version);
    if (value->kind != MT_PICKLE_INT || value->integer != 1001)
        return refuse(error, "legacy stream of another protocol version than 1001");
    g_autoptr(mt_pickle) machine = next_pickle(file, at, "facts about the machine", error);
    return machine != NULL;
}

/* One storage of the stream; `at` is moved behind it. */
static bool place_next(mt_torch_checkpoint *file, const mt_pickle_value *key, size_t *at, GError **error)
{
    uint64_t         n;
    g_autofree char *text = key->kind == MT_PICKLE_TEXT ? g_strndup(key->bytes, MIN(key->n, 100)) : NULL;

    mt_torch_storage *storage = text != NULL ? g_hash_table_lookup(file->storages, text) : NULL;
    if (storage == NULL || storage->placed)
        return refuse(error, "legacy stream: its storages are not those that its object refers to");
    if (file->size - *at < sizeof(n)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "storage '%s' is missing: truncated?", text);
        return false;
    }
    memcpy(&n, file->bytes + *at, sizeof(n));
    n = GUINT64_FROM_LE(n);
    *at += sizeof(n);
    size_t item = mt_weight_item_bytes(storage->dtype), left = file->size - *at;
    if (n > left / item) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "storage '%s' claims %" G_GUINT64_FORMAT " values of %s, %zu bytes are there: truncated?", text, n, storage->dtype,
                    left);
        return false;
    }
    if (!mt_torch_place(storage, *at, (size_t)n * item, error))
        return false;
    *at += (size_t)n * item;
    return true;
}

static bool place_storages(mt_torch_checkpoint *file, size_t at, GError **error)
{
    g_autoptr(mt_pickle) keys = next_pickle(file, &at, "keys of the storages", error);

    if (keys == NULL)
        return false;
    const mt_pickle_value *list = mt_pickle_root(keys);
    if (list->kind != MT_PICKLE_LIST || list->n != g_hash_table_size(file->storages))
        return refuse(error, "legacy stream: its storages are not those that its object refers to");
    for (uint32_t i = 0; i < list->n; i++)
        if (!place_next(file, list->items[i], &at, error))
            return false;
    if (at != file->size)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "%zu bytes after the last storage belong to nothing", file->size - at);
    return at == file->size;
}

bool mt_torch_read_legacy(mt_torch_checkpoint *file, GError **error)
{
    size_t at = 0;

    if (file->size == 0)
        return refuse(error, "no PyTorch checkpoint: the file is empty");
    if (!check_header(file, &at, error))
        return false;
    g_autoptr(mt_pickle) object = next_pickle(file, &at, "object", error);
    return object != NULL && mt_torch_collect_storages(file, object, error) && place_storages(file, at, error) &&
           mt_torch_collect_tensors(file, mt_pickle_root(object), error);
}
