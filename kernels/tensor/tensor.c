#include <microtome/tensor.h>

#include "src/base/alloc.h"
#include "src/base/limits.h"

static const struct {
    const char *name;
    size_t      size;
} types[] = {
    [MT_DTYPE_NONE] = {"unknown", 0},
    [MT_F32] = {"float32", 4},
    [MT_F64] = {"float64", 8},
    [MT_F16] = {"float16", 2},
    [MT_BF16] = {"bfloat16", 2},
    [MT_I64] = {"int64", 8},
    [MT_I32] = {"int32", 4},
    [MT_I16] = {"int16", 2},
    [MT_U16] = {"uint16", 2},
    [MT_I8] = {"int8", 1},
    [MT_U8] = {"uint8", 1},
    [MT_BOOL] = {"bool", 1},
    [MT_U32] = {"uint32", 4},
    [MT_U64] = {"uint64", 8},
    [MT_F8_E4M3FN] = {"float8e4m3fn", 1},
    [MT_F8_E4M3FNUZ] = {"float8e4m3fnuz", 1},
    [MT_F8_E5M2] = {"float8e5m2", 1},
    [MT_F8_E5M2FNUZ] = {"float8e5m2fnuz", 1},
    [MT_U4] = {"uint4", 1},
    [MT_I4] = {"int4", 1},
};

size_t mt_dtype_size(mt_dtype dtype)
{
    return (unsigned)dtype < G_N_ELEMENTS(types) ? types[dtype].size : 0;
}

const char *mt_dtype_name(mt_dtype dtype)
{
    return (unsigned)dtype < G_N_ELEMENTS(types) ? types[dtype].name : "unknown";
}

/* Elements of a shape, or -1 when its bytes pass the limit.  Each dimension is held to the limit too, so that a 0 beside a
 * giant one does not let the giant into later arithmetic. */
static int64_t count_elements(mt_dtype dtype, int rank, const int64_t *shape)
{
    int64_t limit = MT_LIMIT_TENSOR_BYTES / (int64_t)mt_dtype_size(dtype);
    int64_t count = 1;
    bool    empty = false;

    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0 || shape[i] > limit)
            return -1;
        empty = empty || shape[i] == 0;
    }
    for (int i = 0; i < rank && !empty; i++) {
        if (count > limit / shape[i])
            return -1;
        count *= shape[i];
    }
    return empty ? 0 : count;
}

mt_tensor *mt_tensor_new(mt_dtype dtype, int rank, const int64_t *shape, GError **error)
{
    if (mt_dtype_size(dtype) == 0 || rank < 0 || rank > MT_MAX_RANK) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "make a %s tensor of rank %d: ranks 0 to %d of a known type are possible",
                    mt_dtype_name(dtype), rank, MT_MAX_RANK);
        return NULL;
    }
    int64_t count = count_elements(dtype, rank, shape);
    if (count < 0) {
        g_autofree char *text = mt_shape_to_string(rank, shape);
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "make a %s tensor of %s: more than the limit of %" G_GINT64_FORMAT " bytes",
                    mt_dtype_name(dtype), text, MT_LIMIT_TENSOR_BYTES);
        return NULL;
    }
    void *data = mt_alloc(count, mt_dtype_size(dtype), error);
    if (data == NULL)
        return NULL;
    g_autoptr(GBytes) owner = g_bytes_new_with_free_func(data, (size_t)count * mt_dtype_size(dtype), mt_free, data);
    return mt_tensor_new_view(dtype, rank, shape, data, owner);
}

mt_tensor *mt_tensor_new_view(mt_dtype dtype, int rank, const int64_t *shape, void *data, GBytes *owner)
{
    mt_tensor *tensor = g_new0(mt_tensor, 1);

    tensor->dtype = dtype;
    tensor->rank = rank;
    for (int i = 0; i < rank; i++)
        tensor->shape[i] = shape[i];
    tensor->data = data;
    tensor->ref_count = 1;
    tensor->owner = owner != NULL ? g_bytes_ref(owner) : NULL;
    return tensor;
}

mt_tensor *mt_tensor_ref(mt_tensor *tensor)
{
    g_atomic_int_inc(&tensor->ref_count);
    return tensor;
}

void mt_tensor_unref(mt_tensor *tensor)
{
    if (tensor == NULL || !g_atomic_int_dec_and_test(&tensor->ref_count))
        return;
    g_clear_pointer(&tensor->owner, g_bytes_unref);
    g_free(tensor);
}

int64_t mt_tensor_count(const mt_tensor *tensor)
{
    int64_t count = 1;

    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    return count;
}

size_t mt_tensor_bytes(const mt_tensor *tensor)
{
    return (size_t)mt_tensor_count(tensor) * mt_dtype_size(tensor->dtype);
}

char *mt_shape_to_string(int rank, const int64_t *shape)
{
    if (rank < 0)
        return g_strdup("unknown");
    if (rank == 0)
        return g_strdup("scalar");
    GString *text = g_string_new(NULL);
    for (int i = 0; i < rank; i++) {
        g_string_append(text, i > 0 ? "x" : "");
        if (shape[i] < 0)
            g_string_append_c(text, '?');
        else
            g_string_append_printf(text, "%" G_GINT64_FORMAT, shape[i]);
    }
    return g_string_free(text, FALSE);
}
