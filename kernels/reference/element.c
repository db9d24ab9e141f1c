#include "kernels/reference/element.h"

#include "kernels/reference/float8.h"

#include <math.h>
#include <string.h>

bool mt_dtype_is_float(mt_dtype dtype)
{
    return dtype == MT_F32 || dtype == MT_F64 || dtype == MT_F16 || dtype == MT_BF16 || mt_dtype_is_float8(dtype);
}

bool mt_dtype_is_int(mt_dtype dtype)
{
    return dtype != MT_DTYPE_NONE && !mt_dtype_is_float(dtype);
}

static const struct {
    const char *name;
    mt_dtype    dtype;
} onnx_types[] = {
    {"undefined", MT_DTYPE_NONE},
    {"float32", MT_F32},
    {"uint8", MT_U8},
    {"int8", MT_I8},
    {"uint16", MT_U16},
    {"int16", MT_I16},
    {"int32", MT_I32},
    {"int64", MT_I64},
    {"string", MT_DTYPE_NONE},
    {"bool", MT_BOOL},
    {"float16", MT_F16},
    {"float64", MT_F64},
    {"uint32", MT_U32},
    {"uint64", MT_U64},
    {"complex64", MT_DTYPE_NONE},
    {"complex128", MT_DTYPE_NONE},
    {"bfloat16", MT_BF16},
    {"float8e4m3fn", MT_F8_E4M3FN},
    {"float8e4m3fnuz", MT_F8_E4M3FNUZ},
    {"float8e5m2", MT_F8_E5M2},
    {"float8e5m2fnuz", MT_F8_E5M2FNUZ},
    {"uint4", MT_U4},
    {"int4", MT_I4},
};

mt_dtype mt_dtype_from_onnx(int32_t onnx_type)
{
    return (uint32_t)onnx_type < G_N_ELEMENTS(onnx_types) ? onnx_types[onnx_type].dtype : MT_DTYPE_NONE;
}

const char *mt_onnx_type_name(int32_t onnx_type)
{
    return (uint32_t)onnx_type < G_N_ELEMENTS(onnx_types) ? onnx_types[onnx_type].name : "of a newer kind";
}

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float mt_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, mantissa = half & 1023;

    if (exponent == 0) {
        float value = (float)mantissa * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000u | mantissa << 13);
    return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t mt_half_from_double(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double   size = fabs(value);
    int      exponent;

    if (isnan(value))
        return sign | 0x7e00;
    if (size >= 65520.0)
        return sign | 0x7c00;
    if (size < 0x1p-14) /* subnormal: steps of 2^-24; a round-up to 1024 is the first normal number, as its bits say */
        return sign | (uint16_t)nearbyint(size * 0x1p24);
    frexp(size, &exponent);
    double steps = nearbyint(ldexp(size, 11 - exponent)); /* 1024 .. 2048 */
    return sign | (uint16_t)(((exponent + 14 - 1) << 10) + (int)steps);
}

static uint16_t bfloat_from_double(double value)
{
    uint32_t bits = bits_of_float((float)value);

    if (isnan(value))
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* One loop per type; every branch is a plain conversion. */
#define LOAD(type, expression)                                                                                                             \
    do {                                                                                                                                   \
        const type *p = (const type *)tensor->data + start;                                                                                \
        for (int i = 0; i < n; i++, p += stride)                                                                                           \
            out[i] = expression;                                                                                                           \
    } while (0)

void mt_load_doubles(const mt_tensor *tensor, int64_t start, int64_t stride, int n, double *out)
{
    switch (tensor->dtype) {
    case MT_F32:
        LOAD(float, *p);
        break;
    case MT_F64:
        LOAD(double, *p);
        break;
    case MT_F16:
        LOAD(uint16_t, mt_half_to_float(*p));
        break;
    case MT_BF16:
        LOAD(uint16_t, float_of_bits((uint32_t)*p << 16));
        break;
    case MT_I64:
        LOAD(int64_t, (double)*p);
        break;
    case MT_I32:
        LOAD(int32_t, *p);
        break;
    case MT_I16:
        LOAD(int16_t, *p);
        break;
    case MT_U16:
        LOAD(uint16_t, *p);
        break;
    case MT_I8:
        LOAD(int8_t, *p);
        break;
    case MT_U8:
    case MT_BOOL:
        LOAD(uint8_t, *p);
        break;
    case MT_U32:
        LOAD(uint32_t, *p);
        break;
    case MT_U64:
        LOAD(uint64_t, (double)*p);
        break;
    case MT_I4:
        LOAD(int8_t, *p);
        break;
    case MT_U4:
        LOAD(uint8_t, *p);
        break;
    case MT_F8_E4M3FN:
    case MT_F8_E4M3FNUZ:
    case MT_F8_E5M2:
    case MT_F8_E5M2FNUZ:
        LOAD(uint8_t, mt_float8_decode(tensor->dtype, *p));
        break;
    case MT_DTYPE_NONE:
        break;
    }
}

static int64_t int_from_double(double value, int64_t low, int64_t high)
{
    if (isnan(value))
        return 0;
    if (value <= (double)low)
        return low;
    return value >= (double)high ? high : (int64_t)value;
}

static uint64_t unsigned_from_double(double value)
{
    if (!(value > 0))
        return 0;
    return value >= 0x1p64 ? UINT64_MAX : (uint64_t)value;
}

void mt_load_ints(const mt_tensor *tensor, int64_t start, int64_t stride, int n, int64_t *out)
{
    switch (tensor->dtype) {
    case MT_I64:
        LOAD(int64_t, *p);
        break;
    case MT_I32:
        LOAD(int32_t, *p);
        break;
    case MT_I16:
        LOAD(int16_t, *p);
        break;
    case MT_U16:
        LOAD(uint16_t, *p);
        break;
    case MT_I8:
        LOAD(int8_t, *p);
        break;
    case MT_U8:
    case MT_BOOL:
        LOAD(uint8_t, *p);
        break;
    case MT_U32:
        LOAD(uint32_t, *p);
        break;
    case MT_U64: /* its bits: beyond 2^63 it wraps */
        LOAD(uint64_t, (int64_t)*p);
        break;
    case MT_I4:
        LOAD(int8_t, *p);
        break;
    case MT_U4:
        LOAD(uint8_t, *p);
        break;
    default:
        for (int i = 0; i < n; i++) {
            double value;

            mt_load_doubles(tensor, start + i * stride, 1, 1, &value);
            out[i] = int_from_double(value, INT64_MIN, INT64_MAX);
        }
    }
}

#define STORE(type, expression)                                                                                                            \
    do {                                                                                                                                   \
        type *p = (type *)tensor->data + start;                                                                                            \
        for (int i = 0; i < n; i++)                                                                                                        \
            p[i] = expression;                                                                                                             \
    } while (0)

void mt_store_doubles(mt_tensor *tensor, int64_t start, int n, const double *in)
{
    switch (tensor->dtype) {
    case MT_F32:
        STORE(float, (float)in[i]);
        break;
    case MT_F64:
        STORE(double, in[i]);
        break;
    case MT_F16:
        STORE(uint16_t, mt_half_from_double(in[i]));
        break;
    case MT_BF16:
        STORE(uint16_t, bfloat_from_double(in[i]));
        break;
    case MT_I64:
        STORE(int64_t, int_from_double(in[i], INT64_MIN, INT64_MAX));
        break;
    case MT_I32:
        STORE(int32_t, (int32_t)int_from_double(in[i], INT32_MIN, INT32_MAX));
        break;
    case MT_I16:
        STORE(int16_t, (int16_t)int_from_double(in[i], INT16_MIN, INT16_MAX));
        break;
    case MT_U16:
        STORE(uint16_t, (uint16_t)int_from_double(in[i], 0, UINT16_MAX));
        break;
    case MT_I8:
        STORE(int8_t, (int8_t)int_from_double(in[i], INT8_MIN, INT8_MAX));
        break;
    case MT_U8:
        STORE(uint8_t, (uint8_t)int_from_double(in[i], 0, UINT8_MAX));
        break;
    case MT_BOOL:
        STORE(uint8_t, in[i] != 0);
        break;
    case MT_U32:
        STORE(uint32_t, (uint32_t)int_from_double(in[i], 0, UINT32_MAX));
        break;
    case MT_U64:
        STORE(uint64_t, unsigned_from_double(in[i]));
        break;
    case MT_I4:
        STORE(int8_t, (int8_t)int_from_double(in[i], -8, 7));
        break;
    case MT_U4:
        STORE(uint8_t, (uint8_t)int_from_double(in[i], 0, 15));
        break;
    case MT_F8_E4M3FN:
    case MT_F8_E4M3FNUZ:
    case MT_F8_E5M2:
    case MT_F8_E5M2FNUZ:
        STORE(uint8_t, mt_float8_encode(tensor->dtype, in[i], true));
        break;
    case MT_DTYPE_NONE:
        break;
    }
}

void mt_store_ints(mt_tensor *tensor, int64_t start, int n, const int64_t *in)
{
    switch (tensor->dtype) {
    case MT_I64:
        STORE(int64_t, in[i]);
        break;
    case MT_I32:
        STORE(int32_t, (int32_t)in[i]);
        break;
    case MT_I16:
        STORE(int16_t, (int16_t)in[i]);
        break;
    case MT_U16:
        STORE(uint16_t, (uint16_t)in[i]);
        break;
    case MT_I8:
        STORE(int8_t, (int8_t)in[i]);
        break;
    case MT_U8:
        STORE(uint8_t, (uint8_t)in[i]);
        break;
    case MT_BOOL:
        STORE(uint8_t, in[i] != 0);
        break;
    case MT_U32:
        STORE(uint32_t, (uint32_t)in[i]);
        break;
    case MT_U64:
        STORE(uint64_t, (uint64_t)in[i]);
        break;
    case MT_I4:
        STORE(int8_t, (int8_t)CLAMP(in[i], -8, 7));
        break;
    case MT_U4:
        STORE(uint8_t, (uint8_t)CLAMP(in[i], 0, 15));
        break;
    default:
        for (int i = 0; i < n; i++) {
            double value = (double)in[i];
            mt_store_doubles(tensor, start + i, 1, &value);
        }
    }
}

double mt_element_double(const mt_tensor *tensor, int64_t index)
{
    double value = 0;

    mt_load_doubles(tensor, index, 1, 1, &value);
    return value;
}

int64_t mt_element_int(const mt_tensor *tensor, int64_t index)
{
    int64_t value = 0;

    mt_load_ints(tensor, index, 1, 1, &value);
    return value;
}
