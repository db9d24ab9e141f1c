#include "kernels/onednn/reduce_loop.h"

#include "kernels/pixel/clones.h"

#include <math.h>

#define CHUNK 256 /* of the inner dimension, so that sums stay in the first-level cache */
#define LANES 8

/* `width` neighbouring results. */
MT_CLONES static void reduce_columns(mt_reduction how, int64_t n, int64_t inner, int width, const float *x, float *y)
{
    double sums[CHUNK];

    for (int k = 0; k < width; k++)
        sums[k] = how == MT_REDUCE_MAX ? -INFINITY : how == MT_REDUCE_MIN ? INFINITY : 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = x + i * inner;

        if (how == MT_REDUCE_MAX)
            for (int k = 0; k < width; k++)
                sums[k] = row[k] > sums[k] || row[k] != row[k] ? row[k] : sums[k];
        else if (how == MT_REDUCE_MIN)
            for (int k = 0; k < width; k++)
                sums[k] = row[k] < sums[k] || row[k] != row[k] ? row[k] : sums[k];
        else
            for (int k = 0; k < width; k++)
                sums[k] += row[k];
    }
    for (int k = 0; k < width; k++)
        y[k] = (float)(how == MT_REDUCE_MEAN ? sums[k] / (double)n : sums[k]);
}

/* One result from n neighbours: several running sums, so that it is vector code. */
MT_CLONES static float reduce_row(mt_reduction how, int64_t n, const float *x)
{
    double sums[LANES], rest[1];
    float  last;

    if (how == MT_REDUCE_MAX || how == MT_REDUCE_MIN) {
        reduce_columns(how, n, 1, 1, x, &last);
        return last;
    }
    for (int k = 0; k < LANES; k++)
        sums[k] = 0;
    for (int64_t i = 0; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += x[i + k];
    rest[0] = 0;
    for (int64_t i = n / LANES * LANES; i < n; i++)
        rest[0] += x[i];
    for (int k = 0; k < LANES; k++)
        rest[0] += sums[k];
    return (float)(how == MT_REDUCE_MEAN ? rest[0] / (double)n : rest[0]);
}

void mt_reduce(mt_reduction how, int64_t outer, int64_t n, int64_t inner, const float *x, float *y, int threads)
{
    int64_t chunks = (inner + CHUNK - 1) / CHUNK;

#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < outer * chunks; i++) {
        int64_t o = i / chunks, from = i % chunks * CHUNK;

        if (inner == 1)
            y[o] = reduce_row(how, n, x + o * n);
        else
            reduce_columns(how, n, inner, (int)(inner - from < CHUNK ? inner - from : CHUNK), x + o * n * inner + from,
                           y + o * inner + from);
    }
}
