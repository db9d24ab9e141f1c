/* Lines are filtered LANES at a time, side by side, so that the recursion of the spline runs on vectors. */
#include "src/case/volume_resample_axis.h"

#include "kernels/pixel/clones.h"
#include "src/base/alloc.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define LANES 32
#define PAD 2                          /* samples before and after the line that the cubic touches */
#define POLE (-0.26794919243112270647) /* sqrt(3) - 2 */
#define GAIN 6.0                       /* (1 - POLE) (1 - 1 / POLE) */
#define FEW 4096                       /* floats for which no team is called */

static void place_linear(mt_axis_samples *s, int64_t i, double at)
{
    double last = (double)(s->n_in - 1), held = CLAMP(at, 0, last);

    s->first[i] = (int64_t)floor(held);
    s->second[i] = MIN(s->first[i] + 1, s->n_in - 1);
    s->weight[i] = held - floor(held);
}

static void place_cubic(mt_axis_samples *s, int64_t i, double at)
{
    double t = at - floor(at), u = 1 - t, *w = s->weight + 4 * i;

    s->first[i] = (int64_t)floor(at) - 1 + PAD;
    w[0] = u * u * u / 6;
    w[1] = (4 - 6 * t * t + 3 * t * t * t) / 6;
    w[2] = (4 - 6 * u * u + 3 * u * u * u) / 6;
    w[3] = t * t * t / 6;
}

bool mt_axis_samples_init(mt_axis_samples *s, int order, int64_t n_in, int64_t n_out, int64_t start, int64_t end, GError **error)
{
    int64_t n = end - start;

    *s = (mt_axis_samples){.order = order, .n_in = n_in, .n_out = n_out, .start = start, .end = end};
    s->first = mt_alloc(n, sizeof *s->first, error);
    s->second = s->first != NULL ? mt_alloc(n, sizeof *s->second, error) : NULL;
    s->weight = s->second != NULL ? mt_alloc(4 * n, sizeof *s->weight, error) : NULL;
    if (s->weight == NULL) {
        mt_axis_samples_clear(s);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        double at = ((double)(start + i) + 0.5) * ((double)n_in / (double)n_out) - 0.5;

        if (order == 3)
            place_cubic(s, i, at);
        else if (order == 1)
            place_linear(s, i, at);
        else
            s->first[i] = (int64_t)floor(CLAMP(at, 0, (double)(n_in - 1)) + 0.5);
    }
    return true;
}

void mt_axis_samples_clear(mt_axis_samples *s)
{
    mt_free(s->first);
    mt_free(s->second);
    mt_free(s->weight);
    s->first = s->second = NULL;
    s->weight = NULL;
}

void mt_axis_samples_needs(const mt_axis_samples *s, int64_t *from, int64_t *to)
{
    int64_t last = s->end - s->start - 1;

    *from = s->first[0];
    *to = (s->order == 1 ? s->second[last] : s->first[last]) + 1;
}

void mt_axis_samples_shift(mt_axis_samples *s, int64_t from)
{
    for (int64_t i = 0; i < s->end - s->start; i++) {
        s->first[i] -= from;
        s->second[i] -= from;
    }
}

/* ---- orders 0 and 1 ---- */

MT_CLONES static void blend_rows(const float *a, const float *b, double weight, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)((1 - weight) * (double)a[i] + weight * (double)b[i]);
}

static void blend_along_row(const mt_axis_samples *s, const float *in, float *out)
{
    int64_t n = s->end - s->start;

    for (int64_t i = 0; s->order == 0 && i < n; i++)
        out[i] = in[s->first[i]];
    for (int64_t i = 0; s->order == 1 && i < n; i++)
        out[i] = (float)((1 - s->weight[i]) * (double)in[s->first[i]] + s->weight[i] * (double)in[s->second[i]]);
}

/* inner: floats between neighbours along the axis; outer: how often the axis comes. */
static void resample_simple(const mt_axis_samples *s, const float *in, int64_t inner, int64_t outer, int64_t n_in, float *out, int threads)
{
    int64_t n = s->end - s->start, rows = inner == 1 ? outer : outer * n;

#pragma omp parallel for schedule(static) num_threads(threads) if (outer * n * inner > FEW)
    for (int64_t r = 0; r < rows; r++) {
        if (inner == 1) {
            blend_along_row(s, in + r * n_in, out + r * n);
            continue;
        }
        int64_t      i = r % n, base = r / n * n_in;
        const float *a = in + (base + s->first[i]) * inner;

        if (s->order == 0 || s->weight[i] == 0)
            memcpy(out + r * inner, a, (size_t)inner * sizeof *out);
        else
            blend_rows(a, in + (base + s->second[i]) * inner, s->weight[i], inner, out + r * inner);
    }
}

/* ---- order 3 ---- */

/* From samples to spline coefficients in place; the constant continuation on either side is summed to infinity. */
MT_CLONES static void filter_lanes(double *line, int64_t n)
{
    double *c = line + PAD * LANES, *end = c + (n - 1) * LANES;

    for (int l = 0; l < LANES; l++) {
        double steady = GAIN * c[l] / (1 - POLE);

        end[LANES + l] = GAIN * end[l] / (1 - POLE); /* kept for the way back */
        c[l - LANES] = steady;
    }
    for (int64_t i = 0; i < n; i++)
        for (int l = 0; l < LANES; l++)
            c[i * LANES + l] = GAIN * c[i * LANES + l] + POLE * c[(i - 1) * LANES + l];
    for (int l = 0; l < LANES; l++) {
        double steady = end[LANES + l], off = (end[l] - steady) / (1 - POLE * POLE), rest = -POLE * steady / (1 - POLE);

        end[l] = rest - POLE * off;
        end[LANES + l] = rest - POLE * POLE * off;
        end[2 * LANES + l] = rest - POLE * POLE * POLE * off;
    }
    for (int64_t i = n - 2; i >= 0; i--)
        for (int l = 0; l < LANES; l++)
            c[i * LANES + l] = POLE * (c[(i + 1) * LANES + l] - c[i * LANES + l]);
    for (int l = 0; l < LANES; l++) {
        double steady = c[l - LANES];

        c[l - LANES] = POLE * (c[l] - steady);
        c[l - 2 * LANES] = POLE * (c[l - LANES] - steady);
    }
}

/* One output of all lanes. */
MT_CLONES static void weigh_lanes(const double *c, const double *w, double *restrict out)
{
    for (int l = 0; l < LANES; l++)
        out[l] = w[0] * c[l] + w[1] * c[LANES + l] + w[2] * c[2 * LANES + l] + w[3] * c[3 * LANES + l];
}

MT_CLONES static void widen(const float *in, int64_t n, double *restrict out)
{
    for (int64_t l = 0; l < n; l++)
        out[l] = (double)in[l];
}

MT_CLONES static void narrow(const double *in, int64_t n, float *restrict out)
{
    for (int64_t l = 0; l < n; l++)
        out[l] = (float)in[l];
}

/* Lines lie side by side: `lanes` floats at each step along the axis. */
static void cubic_columns(const mt_axis_samples *s, const float *in, int64_t inner, int64_t lanes, double *line, float *out)
{
    double *c = line + PAD * LANES, row[LANES];

    for (int64_t i = 0; i < s->n_in; i++)
        widen(in + i * inner, lanes, c + i * LANES);
    filter_lanes(line, s->n_in);
    for (int64_t i = 0; i < s->end - s->start; i++) {
        weigh_lanes(line + s->first[i] * LANES, s->weight + 4 * i, row);
        narrow(row, lanes, out + i * inner);
    }
}

/* Lines lie one after the other. */
static void cubic_rows(const mt_axis_samples *s, const float *in, int64_t lanes, double *line, float *out)
{
    double *c = line + PAD * LANES, row[LANES];
    int64_t n = s->end - s->start;

    for (int64_t l = 0; l < lanes; l++)
        for (int64_t i = 0; i < s->n_in; i++)
            c[i * LANES + l] = (double)in[l * s->n_in + i];
    filter_lanes(line, s->n_in);
    for (int64_t i = 0; i < n; i++) {
        weigh_lanes(line + s->first[i] * LANES, s->weight + 4 * i, row);
        for (int64_t l = 0; l < lanes; l++)
            out[l * n + i] = (float)row[l];
    }
}

static bool resample_cubic(const mt_axis_samples *s, const float *in, int64_t inner, int64_t outer, float *out, int threads, GError **error)
{
    int64_t n = s->end - s->start, line_doubles = (s->n_in + 2 * PAD) * LANES;
    int64_t across = inner == 1 ? outer : inner, blocks = (across + LANES - 1) / LANES, all = inner == 1 ? blocks : blocks * outer;
    int     team = (int)CLAMP(all, 1, threads);
    double *lines = mt_alloc(line_doubles * team, sizeof *lines, error);

    if (lines == NULL)
        return false;
#pragma omp parallel for schedule(static, 16) num_threads(team)
    for (int64_t b = 0; b < all; b++) {
        double *line = lines + line_doubles * omp_get_thread_num();
        int64_t at = b % blocks * LANES, lanes = MIN(LANES, across - at);

        if (lanes < LANES) /* idle lanes must not grow from block to block */
            memset(line, 0, (size_t)line_doubles * sizeof *line);
        if (inner == 1)
            cubic_rows(s, in + at * s->n_in, lanes, line, out + at * n);
        else
            cubic_columns(s, in + b / blocks * s->n_in * inner + at, inner, lanes, line, out + b / blocks * n * inner + at);
    }
    mt_free(lines);
    return true;
}

bool mt_axis_resample(const mt_axis_samples *s, const float *in, const int64_t size[3], int axis, float *out, int threads, GError **error)
{
    int64_t inner = 1, outer = 1;

    for (int d = 0; d < axis; d++)
        inner *= size[d];
    for (int d = axis + 1; d < 3; d++)
        outer *= size[d];
    if (s->order == 3)
        return resample_cubic(s, in, inner, outer, out, MAX(threads, 1), error);
    resample_simple(s, in, inner, outer, size[axis], out, MAX(threads, 1));
    return true;
}
