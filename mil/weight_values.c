#include "mil/weight_values.h"

#include "kernels/pixel/half.h"

#include <math.h>
#include <string.h>

size_t mt_weight_item_bytes(const char *dtype)
{
    static const struct {
        const char *name;
        size_t      bytes;
    } types[] = {
        {"F32", 4}, {"F64", 8}, {"F16", 2}, {"BF16", 2}, {"I64", 8},  {"I32", 4},     {"I16", 2},     {"I8", 1},
        {"U8", 1},  {"U16", 2}, {"U32", 4}, {"U64", 8},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
    };

    for (guint i = 0; i < G_N_ELEMENTS(types); i++)
        if (strcmp(types[i].name, dtype) == 0)
            return types[i].bytes;
    return 0;
}

bool mt_weight_is_float(const mt_weight *weight)
{
    return strcmp(weight->dtype, "F32") == 0 || strcmp(weight->dtype, "F64") == 0 || strcmp(weight->dtype, "F16") == 0 ||
           strcmp(weight->dtype, "BF16") == 0;
}

/* Through small copies: the bytes of a file are aligned to nothing. */
static void convert(const mt_weight *weight, const char *data, float *out)
{
    uint16_t halves[1024];
    double   wide;

    if (strcmp(weight->dtype, "F32") == 0) {
        memcpy(out, data, (size_t)weight->count * sizeof(float));
    } else if (strcmp(weight->dtype, "F64") == 0) {
        for (int64_t i = 0; i < weight->count; i++) {
            memcpy(&wide, data + (size_t)i * sizeof(wide), sizeof(wide));
            out[i] = (float)wide;
        }
    } else {
        bool bfloat = strcmp(weight->dtype, "BF16") == 0;
        for (int64_t i = 0; i < weight->count; i += (int64_t)G_N_ELEMENTS(halves)) {
            int64_t n = MIN((int64_t)G_N_ELEMENTS(halves), weight->count - i);
            memcpy(halves, data + (size_t)i * sizeof(uint16_t), (size_t)n * sizeof(uint16_t));
            (bfloat ? mt_bfloat_to_f32 : mt_half_to_f32)(halves, n, out + i);
        }
    }
}

mt_tensor *mt_weight_to_tensor(const mt_weight *weight, const char *data, GError **error)
{
    if (!mt_weight_is_float(weight)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s' is %s: F32, F16, BF16 or F64 is wanted", weight->name, weight->dtype);
        return NULL;
    }
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_F32, weight->rank, weight->shape, error);
    if (tensor == NULL) {
        g_prefix_error(error, "tensor '%s': ", weight->name);
        return NULL;
    }
    float *out = tensor->data;
    convert(weight, data, out);
    for (int64_t i = 0; i < weight->count; i++)
        if (!isfinite(out[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensor '%s' holds a value that is not finite (element %" G_GINT64_FORMAT ")",
                        weight->name, i);
            return NULL;
        }
    return g_steal_pointer(&tensor);
}
