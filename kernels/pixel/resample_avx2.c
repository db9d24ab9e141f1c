/* The inner loops of both passes in AVX2.  Pairs of rows meet in one multiply-add of 16-bit words, so a weight of 23 bits is split:
 * weight = high x 2^15 + low with 0 <= low < 2^15; both sums are exact and meet at the end, modulo 2^32 as everywhere else.
 * The compiler's own vectors (32-bit products) take twice as long. */
#include "kernels/pixel/resample_private.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WIDTH 32 /* bytes at a time */

/* Sums of eight pixels that lie in two groups of four, as the unpacking leaves them. */
typedef struct sums {
    __m256i low[4], high[4];
} sums;

__attribute__((target("avx2"), always_inline)) static inline void add_pair(sums *s, __m256i row0, __m256i row1, const int32_t packed[2])
{
    const __m256i zero = _mm256_setzero_si256(), low = _mm256_set1_epi32(packed[0]), high = _mm256_set1_epi32(packed[1]);
    __m256i       first = _mm256_unpacklo_epi8(row0, row1), second = _mm256_unpackhi_epi8(row0, row1);
    __m256i       words[4] = {_mm256_unpacklo_epi8(first, zero), _mm256_unpackhi_epi8(first, zero), _mm256_unpacklo_epi8(second, zero),
                              _mm256_unpackhi_epi8(second, zero)};

    for (int i = 0; i < 4; i++) {
        s->low[i] = _mm256_add_epi32(s->low[i], _mm256_madd_epi16(words[i], low));
        s->high[i] = _mm256_add_epi32(s->high[i], _mm256_madd_epi16(words[i], high));
    }
}

/* Saturating packs are the clipping, and put the groups of four back in order. */
__attribute__((target("avx2"), always_inline)) static inline __m256i finish(const sums *s)
{
    __m256i value[4];

    for (int i = 0; i < 4; i++)
        value[i] = _mm256_srai_epi32(_mm256_add_epi32(s->low[i], _mm256_slli_epi32(s->high[i], MT_RESAMPLE_SPLIT)), MT_RESAMPLE_BITS);
    return _mm256_packus_epi16(_mm256_packs_epi32(value[0], value[1]), _mm256_packs_epi32(value[2], value[3]));
}

__attribute__((target("avx2"), always_inline)) static inline void combine_block(const uint8_t *src, int64_t stride, const int32_t *packed,
                                                                                int64_t taps, uint8_t *dst)
{
    sums s;

    for (int i = 0; i < 4; i++) {
        s.low[i] = _mm256_set1_epi32(1 << (MT_RESAMPLE_BITS - 1));
        s.high[i] = _mm256_setzero_si256();
    }
    for (int64_t k = 0; k < taps; k += 2) {
        const uint8_t *row = src + k * stride;
        __m256i        row0 = _mm256_loadu_si256((const __m256i *)row);
        __m256i        row1 = k + 1 < taps ? _mm256_loadu_si256((const __m256i *)(row + stride)) : row0; /* its weight is 0 */
        add_pair(&s, row0, row1, packed + k);
    }
    _mm256_storeu_si256((__m256i *)dst, finish(&s));
}

/* The last block lies over the one before it when `bytes` is no multiple of it: the same values are written twice. */
__attribute__((target("avx2"), always_inline)) static inline void combine(const uint8_t *src, int64_t stride, const int32_t *packed,
                                                                          int64_t taps, int64_t bytes, uint8_t *dst)
{
    for (int64_t at = 0; at < bytes; at += WIDTH) {
        int64_t from = MIN(at, bytes - WIDTH);
        combine_block(src + from, stride, packed, taps, dst + from);
    }
}

__attribute__((target("avx2"))) void mt_resample_columns_avx2(const mt_axis *axis, const uint8_t *turned, int channels, uint8_t *out)
{
    const int64_t rows = MT_RESAMPLE_BLOCK_ROWS;

    for (int64_t x = 0; x < axis->dst; x++)
        for (int c = 0; c < channels; c++)
            combine(turned + ((axis->first[x] - axis->begin) * channels + c) * rows, channels * rows, axis->packed + x * (axis->taps + 1),
                    axis->count[x], rows, out + (x * channels + c) * rows);
}

__attribute__((target("avx2"))) void mt_resample_rows_avx2(const mt_axis *axis, const uint8_t *src, int64_t columns, uint8_t *dst)
{
    for (int64_t y = 0; y < axis->dst; y++)
        combine(src + (axis->first[y] - axis->begin) * columns, columns, axis->packed + y * (axis->taps + 1), axis->count[y], columns,
                dst + y * columns);
}

bool mt_resample_has_avx2(int64_t columns)
{
    return columns >= WIDTH && __builtin_cpu_supports("avx2");
}

#else

bool mt_resample_has_avx2(int64_t columns)
{
    return columns < 0;
}

void mt_resample_columns_avx2(const mt_axis *axis G_GNUC_UNUSED, const uint8_t *turned G_GNUC_UNUSED, int channels G_GNUC_UNUSED,
                              uint8_t *out G_GNUC_UNUSED)
{
}

void mt_resample_rows_avx2(const mt_axis *axis G_GNUC_UNUSED, const uint8_t *src G_GNUC_UNUSED, int64_t columns G_GNUC_UNUSED,
                           uint8_t *dst G_GNUC_UNUSED)
{
}

#endif
