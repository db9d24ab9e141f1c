/* Statistics of one channel and its new values. */
#include "kernels/pixel/clones.h"
#include "src/base/alloc.h"
#include "src/case/intensity_scheme.h"
#include "src/case/order_statistics.h"

#include <math.h>

#define LANES 16
#define TINY 1e-8 /* what nnU-Net divides by at least */

typedef struct channel {
    float         *values;
    const uint8_t *mask; /* NULL: all */
    int64_t        planes, area;
    int            threads;
} channel;

typedef struct sums {
    int64_t count;
    double  sum, low, high;
    int64_t bad; /* the first sample that is not finite, or -1 */
} sums;

/* LANES sums side by side, which are added in their order: the same on any machine and number of threads. */
MT_CLONES static sums sum_all(const float *values, int64_t n)
{
    sums   s = {.count = n, .low = INFINITY, .high = -INFINITY, .bad = -1};
    double sum[LANES] = {0};
    float  low[LANES], high[LANES];

    for (int l = 0; l < LANES; l++)
        low[l] = high[l] = values[0];
    for (int64_t i = 0; i < n; i += LANES) {
        int lanes = (int)MIN(LANES, n - i);

        for (int l = 0; l < lanes; l++) {
            float value = values[i + l];
            sum[l] += (double)value;
            low[l] = value < low[l] ? value : low[l];
            high[l] = value > high[l] ? value : high[l];
        }
    }
    for (int l = 0; l < LANES; l++) {
        s.sum += sum[l];
        s.low = MIN(s.low, (double)low[l]);
        s.high = MAX(s.high, (double)high[l]);
    }
    return s;
}

static sums sum_masked(const float *values, const uint8_t *mask, int64_t n)
{
    sums s = {.low = INFINITY, .high = -INFINITY, .bad = -1};

    for (int64_t i = 0; i < n; i++) {
        double value = (double)values[i];

        if (mask[i] == 0)
            continue;
        s.sum += value;
        s.low = MIN(s.low, value);
        s.high = MAX(s.high, value);
        s.count++;
    }
    return s;
}

/* Finite floats add up to a finite double: only where the sum is not has anybody to look. */
static sums sum_plane(const channel *c, int64_t plane)
{
    int64_t      first = plane * c->area;
    const float *values = c->values + first;
    sums         s = c->mask != NULL ? sum_masked(values, c->mask + first, c->area) : sum_all(values, c->area);

    for (int64_t i = 0; !isfinite(s.sum) && s.bad < 0 && i < c->area; i++)
        if (!isfinite(values[i]) && (c->mask == NULL || c->mask[first + i] != 0))
            s.bad = first + i;
    return s;
}

MT_CLONES static double square_all(const float *values, int64_t n, double mean)
{
    double squares[LANES] = {0}, total = 0;

    for (int64_t i = 0; i < n; i += LANES) {
        int lanes = (int)MIN(LANES, n - i);

        for (int l = 0; l < lanes; l++) {
            double off = (double)values[i + l] - mean;
            squares[l] += off * off;
        }
    }
    for (int l = 0; l < LANES; l++)
        total += squares[l];
    return total;
}

static double square_plane(const channel *c, int64_t plane, double mean)
{
    int64_t first = plane * c->area;
    double  squares = 0;

    if (c->mask == NULL)
        return square_all(c->values + first, c->area, mean);
    for (int64_t i = first; i < first + c->area; i++)
        if (c->mask[i] != 0) {
            double off = (double)c->values[i] - mean;
            squares += off * off;
        }
    return squares;
}

/* Planes apart, then together in their order. */
static bool find_sums(const channel *c, bool wants_std, sums *all, double *std, GError **error)
{
    sums   *planes = mt_alloc(c->planes, sizeof *planes, error);
    double *squares = planes != NULL ? mt_alloc(c->planes, sizeof *squares, error) : NULL, total = 0;

    *all = (sums){.low = INFINITY, .high = -INFINITY, .bad = -1};
    if (squares == NULL) {
        mt_free(planes);
        return false;
    }
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (int64_t z = 0; z < c->planes; z++)
        planes[z] = sum_plane(c, z);
    for (int64_t z = 0; z < c->planes; z++) {
        all->count += planes[z].count;
        all->sum += planes[z].sum;
        all->low = MIN(all->low, planes[z].low);
        all->high = MAX(all->high, planes[z].high);
        if (all->bad < 0)
            all->bad = planes[z].bad;
    }
    double  mean = all->sum / (double)MAX(all->count, 1);
    int64_t squared = wants_std ? c->planes : 0;
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (int64_t z = 0; z < squared; z++)
        squares[z] = square_plane(c, z, mean);
    for (int64_t z = 0; z < c->planes; z++)
        total += squares[z];
    *std = sqrt(total / (double)MAX(all->count, 1));
    mt_free(planes);
    mt_free(squares);
    return true;
}

static bool refuse(const mt_intensity_scheme *s, const char *reason, GError **error)
{
    g_autofree char *scheme = mt_intensity_scheme_text(s);

    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "intensities for value=%s: %s", scheme, reason);
    return false;
}

static bool check_sums(const mt_intensity_scheme *s, const channel *c, const sums *all, GError **error)
{
    double low = 0, high = s->kind == MT_SCHEME_XRV ? s->high : 255;

    if (all->bad >= 0) {
        g_autofree char *reason =
            g_strdup_printf("plane %" G_GINT64_FORMAT " has a sample that is not finite; replace such samples", all->bad / c->area);
        return refuse(s, reason, error);
    }
    if (all->count == 0)
        return refuse(s, "the foreground is empty: every sample is 0", error);
    if (s->kind != MT_SCHEME_XRV && s->kind != MT_SCHEME_RGB01 && s->kind != MT_SCHEME_IMAGENET)
        return true;
    if (all->low >= low && all->high <= high)
        return true;
    g_autofree char *reason = g_strdup_printf("%g to %g was promised, and there are samples of %g to %g", low, high, all->low, all->high);
    return refuse(s, reason, error);
}

MT_CLONES static void scale_all(float *values, int64_t n, double low, double high, double subtract, double factor)
{
    for (int64_t i = 0; i < n; i++) {
        double value = (double)values[i];

        value = value < low ? low : value;
        value = value > high ? high : value;
        values[i] = (float)((value - subtract) * factor);
    }
}

/* Clipped, then (x - subtract) / divide, in double. */
static void scale(const channel *c, double low, double high, double subtract, double divide)
{
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (int64_t z = 0; z < c->planes; z++) {
        int64_t first = z * c->area;

        if (c->mask == NULL)
            scale_all(c->values + first, c->area, low, high, subtract, 1 / divide);
        for (int64_t i = first; c->mask != NULL && i < first + c->area; i++)
            if (c->mask[i] != 0)
                c->values[i] = (float)((CLAMP((double)c->values[i], low, high) - subtract) / divide);
    }
}

static void count_part(const channel *c, int64_t first, int64_t end, bool second_pass, mt_order_statistics *part)
{
    for (int64_t i = first; i < end; i++) {
        if (c->mask != NULL && c->mask[i] == 0)
            continue;
        if (second_pass)
            mt_order_count_lower(part, c->values[i]);
        else
            mt_order_count_upper(part, c->values[i]);
    }
}

/* A part for each thread; counts add up to the same whatever the parts. */
static void count_parts(const channel *c, bool second_pass, mt_order_statistics *parts)
{
    int64_t n = c->planes * c->area;

#pragma omp parallel for schedule(static, 1) num_threads(c->threads)
    for (int t = 0; t < c->threads; t++)
        count_part(c, n / c->threads * t, t == c->threads - 1 ? n : n / c->threads * (t + 1), second_pass, &parts[t]);
}

static bool find_percentiles(const channel *c, const mt_intensity_scheme *s, double ends[2], GError **error)
{
    mt_order_statistics *parts = mt_alloc(c->threads, sizeof *parts, error);

    if (parts == NULL)
        return false;
    parts->q[0] = s->low / 100;
    parts->q[1] = s->high / 100;
    count_parts(c, false, parts);
    for (int t = 1; t < c->threads; t++)
        mt_order_add_upper(parts, &parts[t]);
    mt_order_place(parts);
    for (int t = 1; t < c->threads; t++)
        mt_order_place_as(&parts[t], parts);
    count_parts(c, true, parts);
    for (int t = 1; t < c->threads; t++)
        mt_order_add_lower(parts, &parts[t]);
    for (int k = 0; k < 2; k++)
        ends[k] = mt_order_percentile(parts, k);
    mt_free(parts);
    return true;
}

static bool scale_percentiles(channel *c, const mt_intensity_scheme *s, GError **error)
{
    double ends[2];

    if (!find_percentiles(c, s, ends, error))
        return false;
    if (!(ends[0] < ends[1]))
        return refuse(s, "both percentiles are one value: nothing to scale by", error);
    c->mask = NULL; /* found in the foreground, applied to all */
    scale(c, ends[0], ends[1], ends[0], ends[1] - ends[0]);
    return true;
}

bool mt_intensity_scheme_apply(const mt_intensity_scheme *s, mt_volume *v, int channel_index, const uint8_t *mask, int threads,
                               GError **error)
{
    static const double imagenet[2][3] = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
    int                 rgb = channel_index % 3;
    double              std;
    sums                all;
    channel             c = {.values = v->data + channel_index * mt_volume_voxels(v),
                             .mask = s->foreground ? mask : NULL,
                             .planes = v->size[2],
                             .area = v->size[0] * v->size[1],
                             .threads = (int)CLAMP(v->size[2], 1, MAX(threads, 1))};

    if (!find_sums(&c, s->kind == MT_SCHEME_ZSCORE, &all, &std, error) || !check_sums(s, &c, &all, error))
        return false;
    switch (s->kind) {
    case MT_SCHEME_WINDOW:
    case MT_SCHEME_RANGE:
        scale(&c, s->low, s->high, s->low, s->high - s->low);
        break;
    case MT_SCHEME_CT:
        scale(&c, s->low, s->high, s->mean, MAX(s->std, TINY));
        break;
    case MT_SCHEME_ZSCORE:
        scale(&c, all.low, all.high, all.sum / (double)all.count, MAX(std, TINY));
        break;
    case MT_SCHEME_PERCENTILE:
        return scale_percentiles(&c, s, error);
    case MT_SCHEME_RESCALE01:
        scale(&c, all.low, all.high, all.low, MAX(all.high - all.low, TINY));
        break;
    case MT_SCHEME_RGB01:
        scale(&c, 0, 255, 0, 255);
        break;
    case MT_SCHEME_IMAGENET:
        scale(&c, 0, 255, 255 * imagenet[0][rgb], 255 * imagenet[1][rgb]);
        break;
    case MT_SCHEME_XRV:
        scale(&c, 0, s->high, s->high / 2, s->high / 2048);
        break;
    default:
        break;
    }
    return true;
}
