#include "kernels/onednn/float_rows.h"

#include "kernels/pixel/clones.h"
#include "kernels/pixel/half.h"

#include <string.h>

void mt_to_float(mt_dtype type, int64_t n, const void *from, int64_t stride, float *to)
{
    const float    *wide = from;
    const uint16_t *half = from;

    if (stride == 1 && type == MT_F32)
        memcpy(to, from, (size_t)n * sizeof *to);
    else if (stride == 1)
        mt_bfloat_to_f32(half, n, to);
    else if (type == MT_F32)
        for (int64_t i = 0; i < n; i++)
            to[i] = wide[i * stride];
    else
        for (int64_t i = 0; i < n; i++)
            mt_bfloat_to_f32(half + i * stride, 1, to + i);
}

void mt_from_float(mt_dtype type, int64_t n, const float *from, void *to)
{
    if (type == MT_F32)
        memcpy(to, from, (size_t)n * sizeof *from);
    else
        mt_bfloat_from_f32(from, n, to);
}

/* Adding 1.5 * 2^23 leaves the nearest whole number, ties to even, in the low bits.  NaN ends at `low`: who makes one is asked
 * elsewhere. */
MT_ALWAYS_INLINE int32_t quantise(float x, float inverse, float zero, float low, float high)
{
    float   y = x * inverse;
    int32_t bits;

    y = y > low - zero ? y : low - zero;
    y = y < high - zero ? y : high - zero;
    y += 12582912.0f;
    memcpy(&bits, &y, sizeof bits);
    return bits - 0x4b400000 + (int32_t)zero;
}

MT_CLONES void mt_quantise_row(mt_dtype type, int64_t n, const float *from, float scale, int32_t zero, void *to)
{
    const float inverse = 1 / scale;
    uint8_t    *bytes = to;

    if (type == MT_U8)
        for (int64_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)quantise(from[i], inverse, (float)zero, 0, 255);
    else
        for (int64_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)quantise(from[i], inverse, (float)zero, -128, 127);
}

MT_CLONES void mt_dequantise_row(mt_dtype type, int64_t n, const void *from, float scale, int32_t zero, float *to)
{
    const uint8_t *bytes = from;
    const int8_t  *chars = from;

    if (type == MT_U8)
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)(bytes[i] - zero) * scale;
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)(chars[i] - zero) * scale;
}
