#include "tiling/box_mean.h"

#include "src/base/alloc.h"

#include <string.h>

/* Sums along a row of column sums; both slide by one pixel. */
static void mean_row(const uint32_t *columns, int64_t width, int channels, int radius, uint8_t *out)
{
    uint32_t area = (uint32_t)(2 * radius + 1) * (uint32_t)(2 * radius + 1);

    for (int c = 0; c < channels; c++) {
        uint32_t sum = 0;
        for (int64_t k = -radius; k <= radius; k++)
            sum += columns[CLAMP(k, 0, width - 1) * channels + c];
        for (int64_t x = 0; x < width; x++) {
            out[x * channels + c] = (uint8_t)((sum + area / 2) / area);
            sum += columns[MIN(x + radius + 1, width - 1) * channels + c];
            sum -= columns[MAX(x - radius, 0) * channels + c];
        }
    }
}

static void slide_columns(uint32_t *columns, const uint8_t *entering, const uint8_t *leaving, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        columns[i] += (uint32_t)entering[i] - leaving[i];
}

bool mt_box_mean(uint8_t *pixels, int64_t width, int64_t height, int channels, int radius, GError **error)
{
    int64_t   n = width * channels;
    uint8_t  *copy = mt_alloc(n * height, 1, error);
    uint32_t *columns = copy ? mt_alloc(n, sizeof(uint32_t), error) : NULL;

    if (columns == NULL) {
        mt_free(copy);
        return false;
    }
    memcpy(copy, pixels, (size_t)(n * height));
    for (int64_t k = -radius; k <= radius; k++)
        for (int64_t i = 0; i < n; i++)
            columns[i] += copy[CLAMP(k, 0, height - 1) * n + i];
    for (int64_t y = 0; y < height; y++) {
        mean_row(columns, width, channels, radius, pixels + y * n);
        slide_columns(columns, copy + MIN(y + radius + 1, height - 1) * n, copy + MAX(y - radius, 0) * n, n);
    }
    mt_free(columns);
    mt_free(copy);
    return true;
}
