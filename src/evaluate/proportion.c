#include "src/evaluate/proportion.h"
#include "src/base/alloc.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/score_order.h"

#include <math.h>

#define MOST_CASES INT64_C(1000000000000)

static mt_estimate wilson(double hits, double n, double z)
{
    double z2 = z * z, centre = (hits + z2 / 2) / (n + z2);
    double half = z / (n + z2) * sqrt(hits * (n - hits) / n + z2 / 4);

    /* at the ends the bound is the end itself, which rounding would miss */
    return mt_estimate_between(hits / n, hits == 0 ? 0 : centre - half, hits == n ? 1 : centre + half, "Wilson");
}

static mt_estimate clopper_pearson(double hits, double n, double level)
{
    double tail = (1 - level) / 2;
    double low = hits == 0 ? 0 : mt_beta_quantile(hits, n - hits + 1, tail);
    double high = hits == n ? 1 : mt_beta_quantile(hits + 1, n - hits, 1 - tail);

    return mt_estimate_between(hits / n, low, high, "Clopper-Pearson");
}

static mt_estimate interval_of(int64_t hits, int64_t n, double level, double z, mt_proportion_interval interval)
{
    return interval == MT_PROPORTION_CLOPPER_PEARSON ? clopper_pearson((double)hits, (double)n, level) : wilson((double)hits, (double)n, z);
}

bool mt_proportion(int64_t hits, int64_t n, double level, mt_proportion_interval interval, mt_estimate *estimate, GError **error)
{
    double z;

    *estimate = (mt_estimate){.defined = false};
    if (!mt_level_z(level, &z, error))
        return false;
    if (hits < 0 || n < 0 || hits > n) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "a share of %" G_GINT64_FORMAT " in %" G_GINT64_FORMAT ": the part must lie within the whole", hits, n);
        return false;
    }
    if (n > 0)
        *estimate = interval_of(hits, n, level, z, interval);
    return true;
}

/* How many independent rows say as much as these. */
static double effective_n(const int *hit, const mt_row_group *rows, int64_t n, double share)
{
    double patients = 0, squares = 0, stray = 0, variance, simple = share * (1 - share) / (double)n;

    for (int64_t i = 0; i < n; i++) {
        stray += hit[rows[i].row] - share;
        if (i + 1 < n && rows[i + 1].group == rows[i].group)
            continue;
        patients++;
        squares += stray * stray;
        stray = 0;
    }
    if (simple <= 0 || patients < 2)
        return patients;
    variance = patients / (patients - 1) * squares / ((double)n * (double)n);
    return variance > simple ? (double)n * simple / variance : (double)n;
}

bool mt_proportion_patients(const int *hit, const int64_t *patient, int64_t n, double level, mt_estimate *estimate, GError **error)
{
    mt_row_group *rows;
    double        z, hits = 0;

    *estimate = (mt_estimate){.defined = false};
    if (!mt_level_z(level, &z, error))
        return false;
    for (int64_t i = 0; i < n; i++) {
        if (hit[i] != 0 && hit[i] != 1) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "a share by patients: row %" G_GINT64_FORMAT " is %d: it must be 0 or 1", i,
                        hit[i]);
            return false;
        }
        hits += hit[i];
    }
    rows = mt_rows_by_group("a share by patients", patient, n, error);
    if (rows == NULL)
        return false;
    if (n > 0) {
        double share = hits / (double)n, independent = effective_n(hit, rows, n, share);

        *estimate = wilson(hits == n ? independent : share * independent, independent, z);
        estimate->value = share;
        estimate->interval = "Wilson, by patients";
    }
    mt_free(rows);
    return true;
}

/* The lower bound rises with n at a fixed number of misses: double, then halve. */
bool mt_proportion_needed(double wanted, int64_t misses, double level, mt_proportion_interval interval, int64_t *n, GError **error)
{
    int64_t low = misses, high = MAX(misses, 1);
    double  z;

    *n = 0;
    if (!mt_level_z(level, &z, error))
        return false;
    if (!(wanted > 0 && wanted < 1) || misses < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "a share of %g with %" G_GINT64_FORMAT " misses: give a share between 0 and 1 and misses of 0 or more", wanted, misses);
        return false;
    }
    while (high <= MOST_CASES && interval_of(high - misses, high, level, z, interval).low < wanted) {
        low = high;
        high *= 2;
    }
    if (high > MOST_CASES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "a lower bound of %g with %" G_GINT64_FORMAT " misses would need more than 10^12 cases", wanted, misses);
        return false;
    }
    while (high - low > 1) { /* the bound at low is below what is wanted, at high not */
        int64_t middle = low + (high - low) / 2;

        if (interval_of(middle - misses, middle, level, z, interval).low < wanted)
            low = middle;
        else
            high = middle;
    }
    *n = high;
    return true;
}

bool mt_proportion_difference(int64_t hits1, int64_t n1, int64_t hits2, int64_t n2, double level, mt_estimate *estimate, GError **error)
{
    mt_estimate a, b;

    *estimate = (mt_estimate){.defined = false};
    if (!mt_proportion(hits1, n1, level, MT_PROPORTION_WILSON, &a, error) ||
        !mt_proportion(hits2, n2, level, MT_PROPORTION_WILSON, &b, error))
        return false;
    if (a.defined && b.defined) {
        double difference = a.value - b.value;

        *estimate = mt_estimate_between(difference, difference - hypot(a.value - a.low, b.high - b.value),
                                        difference + hypot(a.high - a.value, b.value - b.low), "Newcombe");
    }
    return true;
}
