#include "mil/safetensors_writer.h"

#include "src/base/publish.h"

#include <jansson.h>
#include <string.h>

#define ALIGNMENT 8 /* of the first tensor, as the format's own writers have it */

static const char *dtype_name(mt_dtype dtype)
{
    return dtype == MT_F32   ? "F32"
           : dtype == MT_F64 ? "F64"
           : dtype == MT_I64 ? "I64"
           : dtype == MT_I32 ? "I32"
           : dtype == MT_U8  ? "U8"
                             : NULL;
}

static json_t *shape_json(const mt_tensor *tensor)
{
    json_t *shape = json_array();

    for (int i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    return shape;
}

static json_t *metadata_json(const char *const *metadata)
{
    json_t *object = json_object();

    json_object_set_new(object, "format", json_string("pt"));
    for (; metadata != NULL && metadata[0] != NULL; metadata += 2)
        json_object_set_new(object, metadata[0], json_string(metadata[1]));
    return object;
}

/* The JSON header, padded with spaces; NULL for a type without a name. */
static char *header_text(const mt_named_tensor *tensors, int n, const char *const *metadata, GError **error)
{
    json_t *header = json_object();
    gint64  offset = 0;
    bool    ok = true;

    json_object_set_new(header, "__metadata__", metadata_json(metadata));
    for (int i = 0; ok && i < n; i++) {
        const mt_tensor *tensor = tensors[i].tensor;
        gint64           end = offset + (gint64)mt_tensor_bytes(tensor);
        ok = dtype_name(tensor->dtype) != NULL;
        if (ok)
            json_object_set_new(header, tensors[i].name,
                                json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(tensor->dtype), "shape", shape_json(tensor),
                                          "data_offsets", (json_int_t)offset, (json_int_t)end));
        else
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "tensor '%s' has type %s, which is not written", tensors[i].name,
                        mt_dtype_name(tensor->dtype));
        offset = end;
    }
    char *text = ok ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (text == NULL)
        return NULL;
    gsize    bytes = strlen(text), padded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    GString *line = g_string_new(text);
    free(text);
    for (; bytes < padded; bytes++)
        g_string_append_c(line, ' ');
    return g_string_free(line, FALSE);
}

static bool write_all(int fd, const char *path, const char *header, const mt_named_tensor *tensors, int n, GError **error)
{
    guint64 length = GUINT64_TO_LE(strlen(header));
    bool    ok = mt_publish_write(fd, &length, sizeof length, path, error) && mt_publish_write(fd, header, strlen(header), path, error);

    for (int i = 0; ok && i < n; i++)
        ok = mt_publish_write(fd, tensors[i].tensor->data, mt_tensor_bytes(tensors[i].tensor), path, error);
    return ok;
}

bool mt_safetensors_write(const char *path, const mt_named_tensor *tensors, int n, const char *const *metadata, GError **error)
{
    g_autofree char *header = header_text(tensors, n, metadata, error);
    int              fd;

    if (header == NULL)
        return false;
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);
    if (temporary == NULL)
        return false;
    if (write_all(fd, path, header, tensors, n, error))
        return mt_publish_commit(temporary, fd, path, true, error);
    mt_publish_abandon(temporary, fd);
    return false;
}
