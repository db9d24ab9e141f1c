#include "kernels/onednn/attention.h"

#include "kernels/pixel/clones.h"

#include <math.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#define BLOCK_FLOATS INT64_C(65536) /* scores of one block of rows: 256 KiB, a share of the second-level cache */
#define LANES 16

/* e^x for x <= 0 within 2 units in the last place: x = n ln 2 + r, e^r by a polynomial (Cephes). Below -87 it is 0. */
MT_ALWAYS_INLINE float exp_negative(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    union {
        float   f;
        int32_t i;
    } power;
    float y = x < -87.0f ? -87.0f : x;
    float n = (y * 1.44269504088896341f + magic) - magic;
    float r = (y - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    power.i = ((int32_t)n + 127) * (1 << 23);
    return x < -87.0f ? 0.0f : p * power.f;
}

/* NaN in a row makes the whole row NaN: it must not pass for a number. */
MT_ALWAYS_INLINE float largest(const float *x, int64_t n)
{
    float most[LANES], result = -INFINITY;
    int   bad = 0;

    for (int k = 0; k < LANES; k++)
        most[k] = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        bad |= x[i] != x[i];
    for (int64_t i = 0; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
    for (int64_t i = n / LANES * LANES; i < n; i++)
        result = x[i] > result ? x[i] : result;
    for (int k = 0; k < LANES; k++)
        result = most[k] > result ? most[k] : result;
    return bad ? NAN : result;
}

MT_CLONES void mt_softmax_row(float *x, int64_t n)
{
    float sums[LANES] = {0}, sum = 0, most = largest(x, n), scale;

    if (!isfinite(most)) { /* NaN, infinity, or nothing but -infinity: not defined */
        for (int64_t i = 0; i < n; i++)
            x[i] = NAN;
        return;
    }
    for (int64_t i = 0; i < n; i++)
        x[i] = exp_negative(x[i] - most);
    for (int64_t i = 0; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += x[i + k];
    for (int64_t i = n / LANES * LANES; i < n; i++)
        sum += x[i];
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    scale = 1 / sum;
    for (int64_t i = 0; i < n; i++)
        x[i] *= scale;
}

static int64_t block_rows(const mt_attention_shape *a)
{
    int64_t rows = a->s > 0 ? BLOCK_FLOATS / a->s : a->l;

    return rows < 16 ? 16 : rows > a->l ? a->l : rows;
}

int64_t mt_attention_scratch(const mt_attention_shape *a)
{
    return (block_rows(a) * a->s + 15) / 16 * 16;
}

static void add_mask(float *scores, int64_t rows, int64_t s, const float *mask, const mt_matrices *m)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < s; k++)
            scores[i * s + k] += mask[i * m->rows + k * m->columns];
}

/* Leading dimension and transposition letter of a row-major product's operand. */
static char letter(const mt_matrices *m, int64_t *leading)
{
    *leading = m->columns == 1 ? m->rows : m->columns;
    return m->columns == 1 ? 'N' : 'T';
}

/* Rows [from, from + rows) of matrix `b`. */
static bool run_block(const mt_attention_shape *a, int64_t b, int64_t from, int64_t rows, const float *q, const float *kt, const float *v,
                      const float *mask, float *out, float *scores)
{
    int64_t      ld_q, ld_k, ld_v;
    char         tq = letter(&a->q, &ld_q), tk = letter(&a->kt, &ld_k), tv = letter(&a->v, &ld_v);
    const float *q_block = q + a->q.starts[b] + from * a->q.rows;
    bool         done;

    done =
        dnnl_sgemm(tq, tk, rows, a->s, a->d, (float)a->scale, q_block, ld_q, kt + a->kt.starts[b], ld_k, 0, scores, a->s) == dnnl_success;
    if (a->mask.starts != NULL)
        add_mask(scores, rows, a->s, mask + a->mask.starts[b] + from * a->mask.rows, &a->mask);
    for (int64_t i = 0; i < rows; i++)
        mt_softmax_row(scores + i * a->s, a->s);
    return done && dnnl_sgemm('N', tv, rows, a->e, a->s, 1, scores, a->s, v + a->v.starts[b], ld_v, 0,
                              out + a->out.starts[b] + from * a->out.rows, a->out.rows) == dnnl_success;
}

bool mt_attention_run(const mt_attention_shape *a, const float *q, const float *kt, const float *v, const float *mask, float *out,
                      float *scratch, int threads)
{
    int64_t rows = block_rows(a), blocks = (a->l + rows - 1) / rows, each = mt_attention_scratch(a);
    int     failed = 0;

#pragma omp parallel for schedule(static) num_threads(threads) reduction(| : failed)
    for (int64_t i = 0; i < a->batch * blocks; i++) {
        int64_t from = i % blocks * rows, n = a->l - from < rows ? a->l - from : rows;

        failed |= !run_block(a, i / blocks, from, n, q, kt, v, mask, out, scratch + omp_get_thread_num() * each);
    }
    return failed == 0;
}
