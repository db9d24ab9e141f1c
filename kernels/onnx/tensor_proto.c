#include "kernels/onnx/tensor_proto.h"

#include "kernels/reference/element.h"
#include "kernels/tensor/mapped.h"
#include "src/base/limits.h"

#include <string.h>

static bool check_shape(const Onnx__TensorProto *proto, GError **error)
{
    int64_t size = (int64_t)mt_dtype_size(mt_dtype_from_onnx(proto->data_type));

    if (size == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "tensors of type %s are not supported", mt_onnx_type_name(proto->data_type));
        return false;
    }
    if (proto->n_dims > MT_MAX_RANK) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "%zu dimensions, at most %d are supported", proto->n_dims, MT_MAX_RANK);
        return false;
    }
    for (size_t i = 0; i < proto->n_dims; i++) {
        if (proto->dims[i] < 0 || proto->dims[i] > MT_LIMIT_TENSOR_BYTES ||
            (proto->dims[i] > 0 && size > MT_LIMIT_TENSOR_BYTES / proto->dims[i])) {
            g_autofree char *text = mt_shape_to_string((int)proto->n_dims, proto->dims);
            g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its shape %s is out of range", text);
            return false;
        }
        size *= MAX(proto->dims[i], 1);
    }
    return true;
}

static int64_t count_of(const Onnx__TensorProto *proto)
{
    int64_t count = 1;

    for (size_t i = 0; i < proto->n_dims; i++)
        count *= proto->dims[i];
    return count;
}

static bool is_packed(mt_dtype dtype)
{
    return dtype == MT_U4 || dtype == MT_I4;
}

/* In a file. */
static int64_t bytes_of(const Onnx__TensorProto *proto)
{
    mt_dtype dtype = mt_dtype_from_onnx(proto->data_type);
    int64_t  count = count_of(proto);

    return is_packed(dtype) ? count / 2 + count % 2 : count * (int64_t)mt_dtype_size(dtype);
}

/* Two 4-bit integers of a byte, the lower one first; in files of typed data each byte fills an int32. */
static void unpack(mt_tensor *tensor, const void *packed, size_t step)
{
    int64_t count = mt_tensor_count(tensor);

    for (int64_t i = 0; i < count; i++) {
        int byte = step == 1 ? ((const uint8_t *)packed)[i / 2] : ((const int32_t *)packed)[i / 2];
        int value = (i % 2 == 0 ? byte : byte >> 4) & 15;

        ((uint8_t *)tensor->data)[i] = (uint8_t)(tensor->dtype == MT_I4 && value > 7 ? value - 16 : value);
    }
}

static bool refuse_length(int64_t given, int64_t wanted, const char *unit, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "it holds %" G_GINT64_FORMAT " %s, its shape asks for %" G_GINT64_FORMAT, given, unit,
                wanted);
    return false;
}

static mt_tensor *new_tensor(const Onnx__TensorProto *proto, GError **error)
{
    return mt_tensor_new(mt_dtype_from_onnx(proto->data_type), (int)proto->n_dims, proto->dims, error);
}

/* Floats from this size on are not copied to an aligned address: they are weights, read once while they are packed. */
#define ODD_BYTES_MIN 65536

/* Bytes as they lie in a file: a view where they are aligned for their type, or large weights, else a copy.  Booleans are
 * always copied, since a byte other than 0 and 1 must not get in. */
static mt_tensor *from_bytes(const Onnx__TensorProto *proto, GBytes *bytes, bool mapped, GError **error)
{
    mt_dtype dtype = mt_dtype_from_onnx(proto->data_type);
    size_t   size = mt_dtype_size(dtype), given;
    int64_t  wanted = bytes_of(proto);
    void    *data = (void *)g_bytes_get_data(bytes, &given);

    if ((int64_t)given != wanted) {
        refuse_length((int64_t)given, wanted, "bytes", error);
        return NULL;
    }
    bool odd = mapped && given >= ODD_BYTES_MIN && (dtype == MT_F32 || dtype == MT_F16 || dtype == MT_BF16);
    if (wanted > 0 && dtype != MT_BOOL && !is_packed(dtype) && (odd || (uintptr_t)data % size == 0))
        return (mapped ? mt_tensor_new_mapped : mt_tensor_new_view)(dtype, (int)proto->n_dims, proto->dims, data, bytes);
    mt_tensor *tensor = new_tensor(proto, error);
    if (tensor != NULL && is_packed(dtype))
        unpack(tensor, data, 1);
    else if (tensor != NULL && given > 0)
        memcpy(tensor->data, data, given);
    if (tensor != NULL && dtype == MT_BOOL)
        for (size_t i = 0; i < given; i++)
            ((uint8_t *)tensor->data)[i] = ((const uint8_t *)data)[i] != 0;
    return tensor;
}

static bool parse_number(const Onnx__StringStringEntryProto *entry, int64_t *value, GError **error)
{
    if (entry->value != NULL && g_ascii_string_to_signed(entry->value, 10, 0, INT64_MAX, value, NULL))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "external data: %s '%s' is not a number of bytes", entry->key,
                entry->value != NULL ? entry->value : "");
    return false;
}

static mt_tensor *from_external(const Onnx__TensorProto *proto, mt_external_data *external, GError **error)
{
    const char *location = NULL;
    int64_t     offset = 0, length = bytes_of(proto);

    if (external == NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "external data is not followed here");
        return NULL;
    }
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = proto->external_data[i];
        const char                         *key = entry->key != NULL ? entry->key : "";

        if (strcmp(key, "location") == 0)
            location = entry->value;
        else if (strcmp(key, "offset") == 0 && !parse_number(entry, &offset, error))
            return NULL;
        else if (strcmp(key, "length") == 0 && !parse_number(entry, &length, error))
            return NULL;
    }
    if (location == NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "external data without a location");
        return NULL;
    }
    g_autoptr(GBytes) slice = mt_external_data_slice(external, location, offset, length, error);
    return slice == NULL ? NULL : from_bytes(proto, slice, true, error);
}

#define FILL(type, source)                                                                                                                 \
    for (int64_t i = 0; i < count; i++)                                                                                                    \
    ((type *)tensor->data)[i] = (type)(source)[i]

static void fill_typed(mt_tensor *tensor, const Onnx__TensorProto *proto, int64_t count)
{
    switch (tensor->dtype) {
    case MT_F32:
        FILL(float, proto->float_data);
        break;
    case MT_F64:
        FILL(double, proto->double_data);
        break;
    case MT_I64:
        FILL(int64_t, proto->int64_data);
        break;
    case MT_I32:
        FILL(int32_t, proto->int32_data);
        break;
    case MT_F16:
    case MT_BF16:
    case MT_U16:
        FILL(uint16_t, proto->int32_data);
        break;
    case MT_I16:
        FILL(int16_t, proto->int32_data);
        break;
    case MT_I8:
        FILL(int8_t, proto->int32_data);
        break;
    case MT_U8:
        FILL(uint8_t, proto->int32_data);
        break;
    case MT_BOOL:
        for (int64_t i = 0; i < count; i++)
            ((uint8_t *)tensor->data)[i] = proto->int32_data[i] != 0;
        break;
    case MT_U32:
        FILL(uint32_t, proto->uint64_data);
        break;
    case MT_U64:
        FILL(uint64_t, proto->uint64_data);
        break;
    case MT_U4:
    case MT_I4:
        unpack(tensor, proto->int32_data, sizeof *proto->int32_data);
        break;
    case MT_F8_E4M3FN:
    case MT_F8_E4M3FNUZ:
    case MT_F8_E5M2:
    case MT_F8_E5M2FNUZ:
        FILL(uint8_t, proto->int32_data);
        break;
    case MT_DTYPE_NONE:
        break;
    }
}

static mt_tensor *from_typed(const Onnx__TensorProto *proto, GError **error)
{
    int64_t  count = count_of(proto);
    mt_dtype dtype = mt_dtype_from_onnx(proto->data_type);
    size_t   given = dtype == MT_F32                      ? proto->n_float_data
                     : dtype == MT_F64                    ? proto->n_double_data
                     : dtype == MT_I64                    ? proto->n_int64_data
                     : dtype == MT_U32 || dtype == MT_U64 ? proto->n_uint64_data
                                                          : proto->n_int32_data;

    int64_t entries = is_packed(dtype) ? bytes_of(proto) : count;

    if ((int64_t)given != entries) {
        refuse_length((int64_t)given, entries, "elements", error);
        return NULL;
    }
    mt_tensor *tensor = new_tensor(proto, error);
    if (tensor != NULL)
        fill_typed(tensor, proto, count);
    return tensor;
}

mt_tensor *mt_tensor_from_proto(const Onnx__TensorProto *proto, GBytes *raw, mt_external_data *external, GError **error)
{
    if (!check_shape(proto, error))
        return NULL;
    if (proto->segment != NULL) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "tensors in segments are not supported");
        return NULL;
    }
    if (proto->has_data_location && proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return from_external(proto, external, error);
    if (raw != NULL)
        return from_bytes(proto, raw, external != NULL && mt_external_data_has_folder(external), error);
    if (proto->has_raw_data) {
        g_autoptr(GBytes) bytes = g_bytes_new(proto->raw_data.data, proto->raw_data.len);
        return from_bytes(proto, bytes, false, error);
    }
    return from_typed(proto, error);
}
