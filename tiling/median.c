#include "tiling/median.h"

#include "kernels/pixel/clones.h"
#include "src/base/alloc.h"

#include <omp.h>
#include <string.h>

#define RADIUS 3
#define SIZE 7
#define BAND 64  /* rows to a thread at a time */
#define LANES 64 /* pixels per step: one vector of 512 bits, or several smaller ones */

typedef uint8_t lanes[LANES];

MT_ALWAYS_INLINE void order(uint8_t *restrict low, uint8_t *restrict high)
{
    for (int i = 0; i < LANES; i++) {
        uint8_t a = low[i], b = high[i];
        low[i] = a < b ? a : b;
        high[i] = a < b ? b : a;
    }
}

/* Sorting network of 16 comparators for 7 values (its 128 binary inputs are a unit test). */
MT_ALWAYS_INLINE void sort7(lanes v[SIZE])
{
    static const uint8_t network[16][2] = {{0, 6}, {2, 3}, {4, 5}, {0, 2}, {1, 4}, {3, 6}, {0, 1}, {2, 5},
                                           {3, 4}, {1, 2}, {4, 6}, {2, 3}, {4, 5}, {1, 2}, {3, 4}, {5, 6}};

    for (int i = 0; i < 16; i++)
        order(v[network[i][0]], v[network[i][1]]);
}

/* Columns sorted over seven rows, padded by RADIUS on both sides: sorted[k][x + RADIUS] is the k-th smallest of column x. */
MT_CLONES static void sort_columns(const uint8_t *const rows[SIZE], int64_t width, uint8_t *sorted, int64_t stride)
{
    lanes v[SIZE];

    for (int64_t x = 0; x < width; x += LANES) {
        size_t n = (size_t)MIN(LANES, width - x);
        for (int k = 0; k < SIZE; k++)
            memcpy(v[k], rows[k] + x, n);
        sort7(v);
        for (int k = 0; k < SIZE; k++)
            memcpy(sorted + k * stride + RADIUS + x, v[k], LANES);
    }
    for (int k = 0; k < SIZE; k++) {
        uint8_t *row = sorted + k * stride;
        memset(row, row[RADIUS], RADIUS);
        memset(row + RADIUS + width, row[RADIUS + width - 1], RADIUS);
    }
}

/* In a 7 x 7 matrix sorted along both axes, (i, j) with (i+1)(j+1) > 25 or (7-i)(7-j) > 25 is above or below the median; as many
 * fall away on either side, so the median of the 29 that stay is the median of all. */
MT_ALWAYS_INLINE int gather_candidates(const uint8_t *sorted, int64_t stride, int64_t x, lanes candidates[])
{
    int n = 0;

    for (int i = 0; i < SIZE; i++) {
        lanes v[SIZE];
        for (int j = 0; j < SIZE; j++)
            memcpy(v[j], sorted + i * stride + x + j, LANES);
        sort7(v);
        for (int j = 0; j < SIZE; j++)
            if ((i + 1) * (j + 1) <= 25 && (SIZE - i) * (SIZE - j) <= 25)
                memcpy(candidates[n++], v[j], LANES);
    }
    return n;
}

/* Forgetful selection: of 16 of 29 values neither the smallest nor the largest is the median; drop both, take in one more.  After
 * comparing across, the smallest is in the lower half and the largest in the upper one (an odd middle is in both). */
MT_ALWAYS_INLINE const uint8_t *select_median(lanes v[29])
{
    int low = 0, high = 15;

    for (int next = 16; next <= 29; next++) {
        int half = (high - low) / 2;
        for (int i = 0; i <= half && low + i < high - i; i++)
            order(v[low + i], v[high - i]);
        for (int i = low + half; i > low; i--)
            order(v[i - 1], v[i]);
        for (int i = high - half; i < high; i++)
            order(v[i], v[i + 1]);
        low++;
        if (next < 29)
            memcpy(v[high], v[next], LANES);
    }
    return v[low];
}

MT_CLONES static void median_row(const uint8_t *sorted, int64_t stride, int64_t width, uint8_t *dst)
{
    lanes candidates[29];

    for (int64_t x = 0; x < width; x += LANES) {
        gather_candidates(sorted, stride, x, candidates);
        memcpy(dst + x, select_median(candidates), (size_t)MIN(LANES, width - x));
    }
}

static void median_band(const uint8_t *src, int64_t width, int64_t height, int64_t band, uint8_t *sorted, int64_t stride, uint8_t *dst)
{
    for (int64_t y = band * BAND; y < MIN(height, (band + 1) * BAND); y++) {
        const uint8_t *rows[SIZE];
        for (int k = 0; k < SIZE; k++)
            rows[k] = src + CLAMP(y + k - RADIUS, 0, height - 1) * width;
        sort_columns(rows, width, sorted, stride);
        median_row(sorted, stride, width, dst + y * width);
    }
}

bool mt_median7(const uint8_t *src, int64_t width, int64_t height, uint8_t *dst, GError **error)
{
    int64_t  bands = (height + BAND - 1) / BAND;
    int      threads = (int)CLAMP(bands, 1, omp_get_max_threads());
    int64_t  stride = (width + LANES - 1) / LANES * LANES + LANES;
    uint8_t *sorted = mt_alloc(threads * SIZE * stride, 1, error);

    if (sorted == NULL)
        return false;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t band = 0; band < bands; band++)
        median_band(src, width, height, band, sorted + omp_get_thread_num() * SIZE * stride, stride, dst);
    mt_free(sorted);
    return true;
}

void mt_median7_reference(const uint8_t *src, int64_t width, int64_t height, uint8_t *dst)
{
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            int counts[256] = {0}, seen = 0, value = -1;
            for (int64_t j = y - RADIUS; j <= y + RADIUS; j++)
                for (int64_t i = x - RADIUS; i <= x + RADIUS; i++)
                    counts[src[CLAMP(j, 0, height - 1) * width + CLAMP(i, 0, width - 1)]]++;
            while (seen <= SIZE * SIZE / 2)
                seen += counts[++value];
            dst[y * width + x] = (uint8_t)value;
        }
}

/* Sums of `size` neighbours of a padded row of counts (at most 15 x 15). */
MT_CLONES static void sum_window(const uint8_t *counts, int64_t width, int size, uint8_t at_least, uint8_t *dst)
{
    for (int64_t x = 0; x < width; x += LANES) {
        uint8_t sums[LANES] = {0};
        int64_t n = MIN(LANES, width - x);
        for (int k = 0; k < size; k++)
            for (int i = 0; i < LANES; i++)
                sums[i] = (uint8_t)(sums[i] + counts[x + k + i]);
        for (int64_t i = 0; i < n; i++)
            dst[x + i] = sums[i] >= at_least ? 255 : 0;
    }
}

MT_CLONES static void slide_counts(uint8_t *counts, const uint8_t *leaving, const uint8_t *entering, int64_t width, int threshold)
{
    uint8_t t = (uint8_t)threshold;

    for (int64_t x = 0; x < width; x++)
        counts[x] = (uint8_t)(counts[x] + (entering[x] > t) - (leaving[x] > t));
}

bool mt_median_above(const uint8_t *src, int64_t width, int64_t height, int size, int threshold, uint8_t *dst, GError **error)
{
    int64_t  radius = size / 2;
    uint8_t *padded = mt_alloc(width + size + LANES, 1, error);

    if (padded == NULL)
        return false;
    uint8_t *counts = padded + radius;
    for (int64_t k = -radius - 1; k < radius; k++) /* the window one row above the first */
        for (int64_t x = 0; x < width; x++)
            counts[x] = (uint8_t)(counts[x] + (src[CLAMP(k, 0, height - 1) * width + x] > threshold));
    for (int64_t y = 0; y < height; y++) {
        slide_counts(counts, src + CLAMP(y - radius - 1, 0, height - 1) * width, src + CLAMP(y + radius, 0, height - 1) * width, width,
                     threshold);
        memset(padded, counts[0], (size_t)radius);
        memset(counts + width, counts[width - 1], (size_t)radius);
        sum_window(padded, width, size, (uint8_t)(size * size / 2 + 1), dst + y * width);
    }
    mt_free(padded);
    return true;
}
