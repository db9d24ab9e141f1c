#include "tiling/share.h"

#include <math.h>

static int64_t count_row(const uint8_t *row, int64_t n)
{
    int64_t count = 0;

    for (int64_t x = 0; x < n; x++)
        count += row[x] != 0;
    return count;
}

void mt_share_init(mt_share *share, const uint8_t *pixels, int64_t width, int64_t height)
{
    int64_t count = 0;

#pragma omp parallel for schedule(static) reduction(+ : count)
    for (int64_t y = 0; y < height; y++)
        count += count_row(pixels + y * width, width);
    *share = (mt_share){width, height, pixels, count};
}

/* Foreground of whole pixels [x0, x1) x [y0, y1), which may reach outside. */
static double count_whole(const mt_share *s, int64_t x0, int64_t y0, int64_t x1, int64_t y1)
{
    int64_t count = 0;

    x0 = CLAMP(x0, 0, s->width);
    x1 = CLAMP(x1, 0, s->width);
    y0 = CLAMP(y0, 0, s->height);
    y1 = CLAMP(y1, 0, s->height);
    for (int64_t y = y0; y < y1; y++)
        count += count_row(s->pixels + y * s->width + x0, x1 - x0);
    return (double)count;
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

    if (share->pixels == NULL || !(x1 > x0) || !(y1 > y0) ||
        !(fabs(x0) < limit && fabs(x1) < limit && fabs(y0) < limit && fabs(y1) < limit))
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
