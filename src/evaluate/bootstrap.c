#include "src/evaluate/bootstrap.h"
#include "src/base/alloc.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/random_draw.h"
#include "src/evaluate/score_order.h"

#include <math.h>
#include <stdlib.h>

/* Patients in the order of stratum, then of first row, with the rows of each. */
typedef struct patients {
    int64_t  n, n_rows, largest_draw; /* rows of the largest resample */
    int64_t *first_row;               /* [n + 1] into rows */
    int64_t *rows;                    /* of patient 0, of patient 1, .. */
    int64_t *stratum_start;           /* of patient i: the first patient of its stratum */
    int64_t *stratum_size;
} patients;

static void patients_clear(patients *p)
{
    mt_free(p->first_row);
    mt_free(p->rows);
    mt_free(p->stratum_start);
    mt_free(p->stratum_size);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(patients, patients_clear)

typedef struct patient_key {
    int     stratum;
    int64_t cluster, first, row;
} patient_key;

/* By stratum, then patients by their first row, then rows. */
static int compare_keys(const void *a, const void *b)
{
    const patient_key *x = a, *y = b;

    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static int compare_clusters(const void *a, const void *b)
{
    const patient_key *x = a, *y = b;

    if (x->cluster != y->cluster)
        return x->cluster < y->cluster ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool fill_keys(patient_key *keys, int64_t n, const mt_bootstrap_params *params, GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        keys[i] = (patient_key){.cluster = params->cluster != NULL ? params->cluster[i] : i, .row = i};
        if (keys[i].cluster < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "bootstrap: the patient of row %" G_GINT64_FORMAT " is %" G_GINT64_FORMAT ": number them from 0", i,
                        keys[i].cluster);
            return false;
        }
    }
    qsort(keys, (size_t)n, sizeof *keys, compare_clusters);
    for (int64_t i = 0; i < n; i++) {
        bool begins = i == 0 || keys[i].cluster != keys[i - 1].cluster;

        keys[i].first = begins ? keys[i].row : keys[i - 1].first;
        keys[i].stratum = params->stratum != NULL ? params->stratum[keys[i].first] : 0;
    }
    qsort(keys, (size_t)n, sizeof *keys, compare_keys);
    return true;
}

/* Where each stratum begins and ends; the largest draw takes the largest patient of a stratum every time. */
static void fill_strata(patients *p, const patient_key *keys)
{
    for (int64_t start = 0; start < p->n;) {
        int64_t end = start, largest = 0;

        for (; end < p->n && keys[p->first_row[end]].stratum == keys[p->first_row[start]].stratum; end++)
            largest = MAX(largest, p->first_row[end + 1] - p->first_row[end]);
        for (int64_t i = start; i < end; i++) {
            p->stratum_start[i] = start;
            p->stratum_size[i] = end - start;
        }
        p->largest_draw += largest * (end - start);
        start = end;
    }
}

static bool patients_init(patients *p, int64_t n, const mt_bootstrap_params *params, GError **error)
{
    patient_key *keys = mt_alloc(n, sizeof *keys, error);
    bool         ok = keys != NULL && fill_keys(keys, n, params, error);

    *p = (patients){.n_rows = n};
    ok = ok && (p->first_row = mt_alloc(n + 1, sizeof(int64_t), error)) != NULL &&
         (p->rows = mt_alloc(n, sizeof(int64_t), error)) != NULL && (p->stratum_start = mt_alloc(n, sizeof(int64_t), error)) != NULL &&
         (p->stratum_size = mt_alloc(n, sizeof(int64_t), error)) != NULL;
    for (int64_t i = 0; ok && i < n; i++) {
        if (i == 0 || keys[i].first != keys[i - 1].first)
            p->first_row[p->n++] = i;
        p->rows[i] = keys[i].row;
    }
    if (ok) {
        p->first_row[p->n] = n;
        fill_strata(p, keys);
    }
    mt_free(keys);
    return ok;
}

static int64_t add_patient(const patients *p, int64_t patient, int64_t *rows, int64_t n)
{
    for (int64_t i = p->first_row[patient]; i < p->first_row[patient + 1]; i++)
        rows[n++] = p->rows[i];
    return n;
}

/* Each stratum gives as many patients as it has. */
static int64_t draw(const patients *p, uint64_t seed, int64_t *rows)
{
    int64_t n = 0;

    for (int64_t i = 0; i < p->n; i++)
        n = add_patient(p, p->stratum_start[i] + (int64_t)mt_random_below(seed, (uint64_t)i, (uint64_t)p->stratum_size[i]), rows, n);
    return n;
}

static double mean_of(const double *values, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

/* Of sorted values, linear between neighbours (NumPy's default). */
static double quantile_of(const double *sorted, int64_t n, double share)
{
    double  place = share * (double)(n - 1);
    int64_t below = (int64_t)floor(place);

    if (below >= n - 1)
        return sorted[n - 1];
    return sorted[below] + (sorted[below + 1] - sorted[below]) * (place - (double)below);
}

/* Efron's acceleration from the metric without each patient in turn; 0 where they are all equal or one is not defined. */
static bool acceleration(const patients *p, mt_metric_fn metric, const void *data, int64_t *rows, double *result, GError **error)
{
    double *without = mt_alloc(p->n, sizeof *without, error);
    bool    ok = without != NULL, defined = true;
    double  mean, squares = 0, cubes = 0;

    *result = 0;
    for (int64_t left_out = 0; ok && left_out < p->n; left_out++) {
        int64_t     n = 0;
        mt_estimate got;

        for (int64_t i = 0; i < p->n; i++)
            n = i == left_out ? n : add_patient(p, i, rows, n);
        ok = metric(rows, n, data, &got, error);
        defined = defined && ok && got.defined;
        without[left_out] = got.value;
    }
    if (ok && defined) {
        mean = mean_of(without, p->n);
        for (int64_t i = 0; i < p->n; i++) {
            squares += (mean - without[i]) * (mean - without[i]);
            cubes += (mean - without[i]) * (mean - without[i]) * (mean - without[i]);
        }
        *result = squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
    }
    mt_free(without);
    return ok;
}

/* The shares of the sorted resamples at which the interval ends. */
static bool bca_shares(const double *sorted, int64_t n, double value, double a, double z, double *low, double *high)
{
    int64_t below = 0, equal = 0;
    double  z0;

    for (int64_t i = 0; i < n; i++) {
        below += sorted[i] < value;
        equal += sorted[i] == value;
    }
    z0 = mt_normal_quantile(((double)below + 0.5 * (double)equal) / (double)n);
    *low = mt_normal_cdf(z0 + (z0 - z) / (1 - a * (z0 - z)));
    *high = mt_normal_cdf(z0 + (z0 + z) / (1 - a * (z0 + z)));
    return isfinite(z0) && *low <= *high;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static bool set_interval(const patients *p, mt_metric_fn metric, const void *data, const mt_bootstrap_params *params, double z,
                         double *values, int64_t n, int64_t *rows, mt_estimate *estimate, GError **error)
{
    double low = (1 - params->level) / 2, high = 1 - low, a;
    bool   bca = params->interval == MT_BOOTSTRAP_BCA;

    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    if (bca && !acceleration(p, metric, data, rows, &a, error))
        return false;
    if (bca && !bca_shares(values, n, estimate->value, a, z, &low, &high)) {
        bca = false; /* all resamples on one side: there is no correction to make */
        low = (1 - params->level) / 2;
        high = 1 - low;
    }
    *estimate = mt_estimate_between(estimate->value, quantile_of(values, n, low), quantile_of(values, n, high),
                                    bca ? "bootstrap, BCa" : "bootstrap, percentile");
    return true;
}

static bool check_params(int64_t n, const mt_bootstrap_params *params, double *z, GError **error)
{
    if (!mt_level_z(params->level, z, error))
        return false;
    if (params->resamples < 10 || params->resamples > 1000000)
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "bootstrap: %d resamples: give 10 to 1000000", params->resamples);
    else if (n < 1)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "bootstrap: there are no rows");
    else
        return true;
    return false;
}

/* The metric on each resample; those on which it is not defined are left out and counted. */
static bool resample(const patients *p, mt_metric_fn metric, const void *data, const mt_bootstrap_params *params, int64_t *rows,
                     double *values, int64_t *defined, GError **error)
{
    *defined = 0;
    for (int r = 0; r < params->resamples; r++) {
        mt_estimate got;
        int64_t     drawn = draw(p, mt_random_bits(params->seed, (uint64_t)r), rows);

        if (!metric(rows, drawn, data, &got, error))
            return false;
        if (got.defined)
            values[(*defined)++] = got.value;
    }
    return true;
}

static double deviation_of(const double *values, int64_t n)
{
    double mean = n > 0 ? mean_of(values, n) : 0, squares = 0;

    for (int64_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

bool mt_bootstrap(int64_t n, mt_metric_fn metric, const void *data, const mt_bootstrap_params *params, mt_bootstrap_result *result,
                  GError **error)
{
    g_auto(patients) p = {0};
    int64_t *rows = NULL, defined = 0;
    double  *values = NULL, z;
    bool     ok;

    *result = (mt_bootstrap_result){.undefined = 0};
    if (!check_params(n, params, &z, error) || !patients_init(&p, n, params, error))
        return false;
    ok = (rows = mt_alloc(MAX(p.largest_draw, n), sizeof *rows, error)) != NULL &&
         (values = mt_alloc(params->resamples, sizeof *values, error)) != NULL;
    for (int64_t i = 0; ok && i < n; i++)
        rows[i] = i;
    ok = ok && metric(rows, n, data, &result->estimate, error) && resample(&p, metric, data, params, rows, values, &defined, error);
    if (ok) {
        result->undefined = params->resamples - (int)defined;
        result->deviation = deviation_of(values, defined);
        result->estimate.interval = NULL;
        result->estimate.low = result->estimate.high = 0;
        if (result->estimate.defined && 2 * defined >= params->resamples)
            ok = set_interval(&p, metric, data, params, z, values, defined, rows, &result->estimate, error);
    }
    mt_free(rows);
    mt_free(values);
    return ok;
}
