#include "src/train/calibration.h"

#include <math.h>
#include <string.h>

#define STEEPEST 50.0

static const char *const names[] = {"none", "temperature", "platt", "isotonic"};

bool mt_calibration_parse(const char *name, mt_calibration_method *method)
{
    for (int i = 0; i < (int)G_N_ELEMENTS(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *method = (mt_calibration_method)i;
            return true;
        }
    return false;
}

const char *mt_calibration_name(mt_calibration_method method)
{
    return names[method];
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* Sum of p_c l_c, less the logit of the truth: how the likelihood of one row falls as the steepness grows. */
static double softmax_slope(const float *logits, const float *holds, int64_t n, double steepness)
{
    double top = -INFINITY, sum = 0, mean = 0, truth = NAN;

    for (int64_t c = 0; c < n; c++) {
        top = fmax(top, steepness * logits[c]);
        truth = holds[c] == 1 ? logits[c] : truth;
    }
    for (int64_t c = 0; c < n; c++) {
        double share = exp(steepness * logits[c] - top);
        sum += share;
        mean += share * logits[c];
    }
    return isnan(truth) ? 0 : mean / sum - truth;
}

/* The derivative of the negative log likelihood by 1/temperature; it rises, for that likelihood is convex. */
static double slope_at(mt_activation activation, const float *logits, const float *holds, int64_t n, int64_t k, double steepness)
{
    double slope = 0;

    for (int64_t i = 0; i < n; i++, logits += k, holds += k) {
        if (activation == MT_ACTIVATION_SOFTMAX)
            slope += softmax_slope(logits, holds, k, steepness);
        for (int64_t c = 0; activation == MT_ACTIVATION_SIGMOID && c < k; c++)
            slope += isnan(holds[c]) ? 0 : (sigmoid(steepness * logits[c]) - holds[c]) * logits[c];
    }
    return slope;
}

bool mt_calibration_temperature(mt_activation activation, const float *logits, const float *holds, int64_t n, int64_t n_classes,
                                double *temperature, GError **error)
{
    double low = 1 / STEEPEST, high = STEEPEST;

    if (activation != MT_ACTIVATION_SOFTMAX && activation != MT_ACTIVATION_SIGMOID) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "fit a temperature: only heads with softmax or sigmoid are calibrated");
        return false;
    }
    if (!(slope_at(activation, logits, holds, n, n_classes, low) < 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "fit a temperature: the logits of %" G_GINT64_FORMAT " cases say nothing about their labels (or the opposite)", n);
        return false;
    }
    if (!(slope_at(activation, logits, holds, n, n_classes, high) > 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "fit a temperature: the logits of %" G_GINT64_FORMAT
                    " cases separate their labels wholly, so that any confidence would fit: take more cases, or --method platt",
                    n);
        return false;
    }
    for (int i = 0; i < 200 && high / low > 1 + 1e-14; i++) {
        double middle = sqrt(low * high);
        if (slope_at(activation, logits, holds, n, n_classes, middle) < 0)
            low = middle;
        else
            high = middle;
    }
    *temperature = 1 / sqrt(low * high);
    return true;
}

static double softmax_likelihood(const float *logits, const float *holds, int64_t k, double temperature)
{
    double top = -INFINITY, sum = 0, truth = NAN;

    for (int64_t c = 0; c < k; c++) {
        top = fmax(top, logits[c] / temperature);
        truth = holds[c] == 1 ? logits[c] / temperature : truth;
    }
    for (int64_t c = 0; c < k; c++)
        sum += exp(logits[c] / temperature - top);
    return isnan(truth) ? 0 : log(sum) + top - truth;
}

double mt_calibration_likelihood(mt_activation activation, const float *logits, const float *holds, int64_t n, int64_t k,
                                 double temperature)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++, logits += k, holds += k) {
        if (activation == MT_ACTIVATION_SOFTMAX)
            sum += softmax_likelihood(logits, holds, k, temperature);
        for (int64_t c = 0; activation == MT_ACTIVATION_SIGMOID && c < k; c++) {
            double z = (holds[c] == 1 ? -logits[c] : logits[c]) / temperature;
            sum += isnan(holds[c]) ? 0 : z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
        }
    }
    return sum / (double)n;
}

static bool count_classes(const char *doing, const double *values, const float *holds, int64_t n, int64_t count[2], GError **error)
{
    count[0] = count[1] = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(holds[i]))
            continue;
        if (!isfinite(values[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s: the score of row %" G_GINT64_FORMAT " is not a number", doing, i);
            return false;
        }
        count[holds[i] == 1]++;
    }
    if (count[0] > 0 && count[1] > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "%s: %" G_GINT64_FORMAT " positive and %" G_GINT64_FORMAT " negative cases: both are wanted", doing, count[1], count[0]);
    return false;
}

typedef struct platt_data {
    const double *x;
    const float  *holds;
    int64_t       n;
    double        high, low; /* targets */
} platt_data;

/* Negative log likelihood at (a, b), its gradient and second derivatives. */
static double platt_value(const platt_data *d, double a, double b, double g[2], double h[3])
{
    double value = 0;

    g[0] = g[1] = 0;
    h[0] = h[2] = 1e-12;
    h[1] = 0;
    for (int64_t i = 0; i < d->n; i++) {
        if (isnan(d->holds[i]))
            continue;
        double x = d->x[i], f = a * x + b, t = d->holds[i] == 1 ? d->high : d->low;
        double p = sigmoid(f), w = p * (1 - p);
        value += f >= 0 ? (1 - t) * f + log1p(exp(-f)) : -t * f + log1p(exp(f));
        g[0] += (p - t) * x;
        g[1] += p - t;
        h[0] += w * x * x;
        h[1] += w * x;
        h[2] += w;
    }
    return value;
}

/* Newton with a backtracking line search (Lin, Lin and Weng 2007). */
static void platt_fit(const platt_data *d, double platt[2])
{
    double g[2], h[3], unused[2], also[3], value = platt_value(d, platt[0], platt[1], g, h);

    for (int i = 0; i < 200 && fmax(fabs(g[0]), fabs(g[1])) > 1e-11; i++) {
        double det = h[0] * h[2] - h[1] * h[1], step = 1;
        double da = -(h[2] * g[0] - h[1] * g[1]) / det, db = -(h[0] * g[1] - h[1] * g[0]) / det, slope = g[0] * da + g[1] * db;
        while (step > 1e-10 && !(platt_value(d, platt[0] + step * da, platt[1] + step * db, unused, also) <= value + 1e-4 * step * slope))
            step /= 2;
        if (step <= 1e-10)
            return;
        platt[0] += step * da;
        platt[1] += step * db;
        value = platt_value(d, platt[0], platt[1], g, h);
    }
}

bool mt_calibration_platt(const double *log_odds, const float *holds, int64_t n, double platt[2], GError **error)
{
    int64_t    count[2];
    platt_data data = {log_odds, holds, n, 0, 0};

    if (!count_classes("fit Platt's line", log_odds, holds, n, count, error))
        return false;
    data.high = ((double)count[1] + 1) / ((double)count[1] + 2);
    data.low = 1 / ((double)count[0] + 2);
    platt[0] = 0;
    platt[1] = log(((double)count[1] + 1) / ((double)count[0] + 1));
    platt_fit(&data, platt);
    if (platt[0] > 0 && isfinite(platt[0]) && isfinite(platt[1]))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "fit Platt's line: the score falls as the label holds (slope %.3g): is the positive label the right one?", platt[0]);
    return false;
}

/* Cases of one score, or a run of pooled ones. */
typedef struct pool {
    double first, last, sum, n;
} pool;

static int compare_pools(gconstpointer a, gconstpointer b)
{
    double x = ((const pool *)a)->first, y = ((const pool *)b)->first;

    return (x > y) - (x < y);
}

static bool falls(const pool *left, const pool *right)
{
    return left->sum * right->n >= right->sum * left->n;
}

/* Pool until the means rise; equal scores are one from the start. */
static guint pool_violators(pool *pools, guint n)
{
    guint used = 0;

    for (guint i = 0; i < n; i++) {
        if (used > 0 && pools[used - 1].last == pools[i].first) {
            pools[used - 1].sum += pools[i].sum;
            pools[used - 1].n += pools[i].n;
        } else
            pools[used++] = pools[i];
    }
    n = used;
    used = 0;
    for (guint i = 0; i < n; i++) {
        pools[used++] = pools[i];
        for (; used > 1 && falls(&pools[used - 2], &pools[used - 1]); used--) {
            pools[used - 2].last = pools[used - 1].last;
            pools[used - 2].sum += pools[used - 1].sum;
            pools[used - 2].n += pools[used - 1].n;
        }
    }
    return used;
}

GArray *mt_calibration_isotonic(const double *scores, const float *holds, int64_t n, GError **error)
{
    int64_t count[2];

    if (!count_classes("fit an isotonic curve", scores, holds, n, count, error))
        return NULL;
    double known = (double)(count[0] + count[1]);
    g_autoptr(GArray) pools = g_array_new(FALSE, FALSE, sizeof(pool));
    GArray *corners = g_array_new(FALSE, FALSE, sizeof(mt_curve_point));
    for (int64_t i = 0; i < n; i++)
        if (!isnan(holds[i]))
            g_array_append_vals(pools, &(pool){scores[i], scores[i], holds[i] == 1, 1}, 1);
    g_array_sort(pools, compare_pools);
    guint used = pool_violators((pool *)(void *)pools->data, pools->len);
    for (guint i = 0; i < used; i++) {
        const pool    *p = &g_array_index(pools, pool, i);
        double         y = CLAMP(p->sum / p->n, 1 / (known + 2), (known + 1) / (known + 2));
        mt_curve_point ends[] = {{p->first, y}, {p->last, y}};
        g_array_append_vals(corners, ends, p->last > p->first ? 2 : 1);
    }
    return corners;
}
