#include "tiling/share.h"

#include "src/base/alloc.h"

#include <math.h>

bool mt_share_init(mt_share *share, const uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    int64_t stride = width + 1;

    if (width * height > UINT32_MAX) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "sum a mask of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT ": more than 2^32 pixels",
                    width, height);
        return false;
    }
    share->width = width;
    share->height = height;
    share->sums = mt_alloc((height + 1) * stride, sizeof(uint32_t), error);
    if (share->sums == NULL)
        return false;
    for (int64_t y = 0; y < height; y++) {
        const uint32_t *above = share->sums + y * stride;
        uint32_t       *here = share->sums + (y + 1) * stride, row = 0;
        for (int64_t x = 0; x < width; x++) {
            row += pixels[y * width + x] != 0;
            here[x + 1] = above[x + 1] + row;
        }
    }
    return true;
}

void mt_share_clear(mt_share *share)
{
    mt_free(share->sums);
    share->sums = NULL;
}

int64_t mt_share_count(const mt_share *share)
{
    return share->sums[share->height * (share->width + 1) + share->width];
}

/* Foreground of whole pixels [x0, x1) x [y0, y1), which may reach outside. */
static double count_whole(const mt_share *s, int64_t x0, int64_t y0, int64_t x1, int64_t y1)
{
    int64_t stride = s->width + 1;

    x0 = CLAMP(x0, 0, s->width);
    x1 = CLAMP(x1, 0, s->width);
    y0 = CLAMP(y0, 0, s->height);
    y1 = CLAMP(y1, 0, s->height);
    return (double)((int64_t)s->sums[y1 * stride + x1] - s->sums[y0 * stride + x1] - s->sums[y1 * stride + x0] + s->sums[y0 * stride + x0]);
}

/* An interval as up to three runs of whole pixels of equal weight: a part of a pixel, whole ones, a part of a pixel. */
typedef struct split {
    int64_t at[4];
    double  weight[3];
} split;

static split split_interval(double a, double b)
{
    double first = floor(a), last = ceil(b) - 1;
    split  s = {.at = {(int64_t)first, (int64_t)first + 1, (int64_t)last, (int64_t)last + 1}, .weight = {first + 1 - a, 1, b - last}};

    if (first == last) {
        s.at[2] = s.at[3] = s.at[1];
        s.weight[0] = b - a;
    }
    return s;
}

/* Foreground and area add up the same nine terms in the same order, so full coverage is exactly 1. */
double mt_share_of(const mt_share *share, double x0, double y0, double x1, double y1)
{
    double limit = 4611686018427387904.0, foreground = 0, area = 0;

    if (!(x1 > x0) || !(y1 > y0) || !(fabs(x0) < limit && fabs(x1) < limit && fabs(y0) < limit && fabs(y1) < limit))
        return 0;
    split sx = split_interval(x0, x1), sy = split_interval(y0, y1);
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++) {
            double weight = sx.weight[i] * sy.weight[j];
            foreground += weight * count_whole(share, sx.at[i], sy.at[j], sx.at[i + 1], sy.at[j + 1]);
            area += weight * ((double)(sx.at[i + 1] - sx.at[i]) * (double)(sy.at[j + 1] - sy.at[j]));
        }
    return foreground / area;
}
