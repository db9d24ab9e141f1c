#include "src/evaluate/log_rank.h"
#include "src/base/alloc.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/score_order.h"

#include <math.h>

static bool check_rows(const double *times, const int *events, const int *second, int64_t n, GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(times[i]) && times[i] >= 0 && (events[i] == 0 || events[i] == 1) && (second[i] == 0 || second[i] == 1))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "log-rank test: row %" G_GINT64_FORMAT " has time %g, event %d, group %d: a time of 0 or more and 0 or 1 are wanted", i,
                    times[i], events[i], second[i]);
        return false;
    }
    return true;
}

/* Over the times of events, each against those who are still followed. */
static void add_times(mt_log_rank *r, const int64_t *by_time, const double *times, const int *events, const int *second, int64_t n)
{
    int64_t in_second = 0;

    for (int64_t i = 0; i < n; i++)
        in_second += second[i];
    for (int64_t start = 0, end; start < n; start = end) {
        int64_t seen = 0, seen_second = 0, left_second = 0;
        double  at_risk = (double)(n - start), share = (double)in_second / at_risk;

        for (end = start; end < n && times[by_time[end]] == times[by_time[start]]; end++) {
            seen += events[by_time[end]];
            seen_second += events[by_time[end]] && second[by_time[end]];
            left_second += second[by_time[end]];
        }
        r->observed += seen_second;
        r->expected += (double)seen * share;
        if (at_risk > 1)
            r->variance += (double)seen * share * (1 - share) * (at_risk - (double)seen) / (at_risk - 1);
        in_second -= left_second;
    }
}

bool mt_log_rank_test(const double *times, const int *events, const int *second, int64_t n, double level, mt_log_rank *result,
                      GError **error)
{
    int64_t *by_time;
    double   z;

    *result = (mt_log_rank){.p = 1};
    if (!mt_level_z(level, &z, error) || !check_rows(times, events, second, n, error))
        return false;
    by_time = mt_rows_ascending(times, n, error);
    if (by_time == NULL)
        return false;
    add_times(result, by_time, times, events, second, n);
    mt_free(by_time);
    if (result->variance <= 0)
        return true;
    double stray = (double)result->observed - result->expected, log_ratio = stray / result->variance, half = z / sqrt(result->variance);
    result->tested = true;
    result->chi_squared = stray * stray / result->variance;
    result->p = mt_chi2_1_tail(result->chi_squared);
    result->hazard_ratio = mt_estimate_between(exp(log_ratio), exp(log_ratio - half), exp(log_ratio + half), "Peto");
    return true;
}
