/* Branch-free on bits, so that the loops become vectors on any processor. */
#include "kernels/pixel/half.h"

#include "kernels/pixel/clones.h"

#include <string.h>

MT_ALWAYS_INLINE uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

MT_ALWAYS_INLINE float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Normal halves: move the exponent and add half a unit less one, plus the last kept bit, before the cut.  Subnormal halves: adding
 * 0.5 makes the float adder itself round at the right bit. */
MT_ALWAYS_INLINE uint16_t half_of(float value)
{
    const uint32_t infinity = 0x7f800000, overflow = 0x47800000 /* 65536 */, smallest_normal = 0x38800000 /* 2^-14 */;
    uint32_t       bits = bits_of(value), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    uint32_t       normal = (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13;
    uint32_t       subnormal = bits_of(float_of(size) + 0.5f) - 0x3f000000;
    uint32_t       half = size < smallest_normal ? subnormal : normal;

    half = size >= overflow ? 0x7c00 : half;
    half = size > infinity ? 0x7e00 : half;
    return (uint16_t)(sign | half);
}

MT_ALWAYS_INLINE float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, size = (uint32_t)(half & 0x7fff) << 13;
    uint32_t exponent = size & 0x0f800000;
    uint32_t normal = size + (exponent == 0x0f800000 ? 0x70000000 : 0x38000000);
    uint32_t subnormal = bits_of(float_of(size + 0x38800000) - float_of(0x38800000));

    return float_of(sign | (exponent == 0 ? subnormal : normal));
}

MT_ALWAYS_INLINE uint16_t bfloat_of(float value)
{
    uint32_t bits = bits_of(value), rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;

    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
}

MT_CLONES void mt_half_from_f32(const float *src, int64_t n, uint16_t *dst)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = half_of(src[i]);
}

MT_CLONES void mt_half_to_f32(const uint16_t *src, int64_t n, float *dst)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = float_of_half(src[i]);
}

MT_CLONES void mt_bfloat_from_f32(const float *src, int64_t n, uint16_t *dst)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = bfloat_of(src[i]);
}

MT_CLONES void mt_bfloat_to_f32(const uint16_t *src, int64_t n, float *dst)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = float_of((uint32_t)src[i] << 16);
}
