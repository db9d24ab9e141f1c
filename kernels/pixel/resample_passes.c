/* The 8-bit passes.  Both are the same loop over whole rows ("add rows times weights"), which compilers vectorise well;
 * the horizontal pass therefore turns blocks of rows into columns first, and back after. */
#include "kernels/pixel/clones.h"
#include "kernels/pixel/resample_private.h"

#include <string.h>

#define BLOCK_ROWS MT_RESAMPLE_BLOCK_ROWS
#define MAX_UNROLLED 8

/* Sums wrap like Pillow's on every compiler, hence unsigned. */
MT_ALWAYS_INLINE uint8_t round_and_clip(uint32_t sum)
{
    int32_t value = (int32_t)sum >> MT_RESAMPLE_BITS;
    return (uint8_t)CLAMP(value, 0, 255);
}

/* `taps` is a constant at every call, so the inner loop unrolls and the outer one becomes vectors. */
MT_ALWAYS_INLINE void combine_unrolled(const uint8_t *restrict src, int64_t stride, const int32_t *weight, const int taps, int64_t bytes,
                                       uint8_t *restrict dst)
{
    uint32_t w[MAX_UNROLLED];

    for (int k = 0; k < taps; k++)
        w[k] = (uint32_t)weight[k];
    for (int64_t i = 0; i < bytes; i++) {
        uint32_t sum = UINT32_C(1) << (MT_RESAMPLE_BITS - 1);
        for (int k = 0; k < taps; k++)
            sum += src[k * stride + i] * w[k];
        dst[i] = round_and_clip(sum);
    }
}

MT_ALWAYS_INLINE void combine_many(const uint8_t *restrict src, int64_t stride, const int32_t *weight, int64_t taps, int64_t bytes,
                                   uint8_t *restrict dst)
{
    enum { PIECE = 256 };
    uint32_t sum[PIECE];

    for (int64_t at = 0; at < bytes; at += PIECE) {
        int64_t n = MIN(PIECE, bytes - at);
        for (int64_t i = 0; i < n; i++)
            sum[i] = UINT32_C(1) << (MT_RESAMPLE_BITS - 1);
        for (int64_t k = 0; k < taps; k++) {
            const uint8_t *row = src + k * stride + at;
            uint32_t       w = (uint32_t)weight[k];
            for (int64_t i = 0; i < n; i++)
                sum[i] += row[i] * w;
        }
        for (int64_t i = 0; i < n; i++)
            dst[at + i] = round_and_clip(sum[i]);
    }
}

MT_ALWAYS_INLINE void combine(const uint8_t *src, int64_t stride, const int32_t *weight, int64_t taps, int64_t bytes, uint8_t *dst)
{
    switch (taps) {
    case 1:
        combine_unrolled(src, stride, weight, 1, bytes, dst);
        break;
    case 2:
        combine_unrolled(src, stride, weight, 2, bytes, dst);
        break;
    case 3:
        combine_unrolled(src, stride, weight, 3, bytes, dst);
        break;
    case 4:
        combine_unrolled(src, stride, weight, 4, bytes, dst);
        break;
    case 5:
        combine_unrolled(src, stride, weight, 5, bytes, dst);
        break;
    case 6:
        combine_unrolled(src, stride, weight, 6, bytes, dst);
        break;
    case 7:
        combine_unrolled(src, stride, weight, 7, bytes, dst);
        break;
    case 8:
        combine_unrolled(src, stride, weight, 8, bytes, dst);
        break;
    default:
        combine_many(src, stride, weight, taps, bytes, dst);
    }
}

typedef uint8_t u8x16 __attribute__((vector_size(16)));

/* 16 x 16 bytes: interleaving row i with row i + 8, four times over, is a transposition. */
MT_ALWAYS_INLINE void turn_16x16(const uint8_t *src, int64_t src_stride, uint8_t *dst, int64_t dst_stride)
{
    u8x16 a[16], b[16];

    for (int i = 0; i < 16; i++)
        memcpy(&a[i], src + i * src_stride, 16);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 8; i++) {
            b[2 * i] = __builtin_shufflevector(a[i], a[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(a, b, sizeof a);
    }
    for (int i = 0; i < 16; i++)
        memcpy(dst + i * dst_stride, &a[i], 16);
}

/* dst[column][row] = src[row][column] */
static void turn(const uint8_t *src, int64_t src_stride, int64_t rows, int64_t columns, uint8_t *dst, int64_t dst_stride)
{
    int64_t whole_rows = rows & ~INT64_C(15), whole_columns = columns & ~INT64_C(15);

    for (int64_t column = 0; column < whole_columns; column += 16)
        for (int64_t row = 0; row < whole_rows; row += 16)
            turn_16x16(src + row * src_stride + column, src_stride, dst + column * dst_stride + row, dst_stride);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = row < whole_rows ? whole_columns : 0; column < columns; column++)
            dst[column * dst_stride + row] = src[row * src_stride + column];
}

/* All outputs of one turned block; the width of a block is constant, which keeps its loop free of a remainder. */
MT_CLONES static void plain_columns(const mt_axis *axis, const uint8_t *turned, int channels, uint8_t *out)
{
    for (int64_t x = 0; x < axis->dst; x++)
        for (int c = 0; c < channels; c++)
            combine(turned + ((axis->first[x] - axis->begin) * channels + c) * BLOCK_ROWS, (int64_t)channels * BLOCK_ROWS,
                    axis->fixed + x * axis->taps, axis->count[x], BLOCK_ROWS, out + (x * channels + c) * BLOCK_ROWS);
}

MT_CLONES static void plain_rows(const mt_axis *axis, const uint8_t *src, int64_t columns, uint8_t *dst)
{
    for (int64_t y = 0; y < axis->dst; y++)
        combine(src + (axis->first[y] - axis->begin) * columns, columns, axis->fixed + y * axis->taps, axis->count[y], columns,
                dst + y * columns);
}

static void combine_columns(const mt_axis *axis, const uint8_t *turned, int channels, bool portable, uint8_t *out)
{
    if (!portable && mt_resample_has_avx2(BLOCK_ROWS))
        mt_resample_columns_avx2(axis, turned, channels, out);
    else
        plain_columns(axis, turned, channels, out);
}

void mt_resample_vertical(const mt_axis *axis, const uint8_t *src, int64_t columns, bool portable, uint8_t *dst)
{
    if (!portable && mt_resample_has_avx2(columns))
        mt_resample_rows_avx2(axis, src, columns, dst);
    else
        plain_rows(axis, src, columns, dst);
}

int64_t mt_resample_horizontal_scratch(const mt_axis *axis, int channels)
{
    return (axis->end - axis->begin + axis->dst) * channels * BLOCK_ROWS;
}

void mt_resample_horizontal(const mt_axis *axis, const uint8_t *src, int64_t rows, int channels, bool portable, uint8_t *scratch,
                            uint8_t *dst)
{
    int64_t  src_stride = axis->src * channels, dst_stride = axis->dst * channels, used = (axis->end - axis->begin) * channels;
    uint8_t *turned = scratch, *out = scratch + used * BLOCK_ROWS;

    for (int64_t row = 0; row < rows; row += BLOCK_ROWS) {
        int64_t n = MIN(BLOCK_ROWS, rows - row);
        turn(src + row * src_stride + axis->begin * channels, src_stride, n, used, turned, BLOCK_ROWS);
        combine_columns(axis, turned, channels, portable, out);
        turn(out, BLOCK_ROWS, dst_stride, n, dst + row * dst_stride, dst_stride);
    }
}
