#include "src/evaluate/mcnemar.h"
#include "src/base/alloc.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/score_order.h"

#include <math.h>

/* Twice the lower tail of Binomial(n, 1/2) at k <= n / 2, at most 1: I_{1/2}(n - k, k + 1) is that tail. */
static double exact_p(int64_t k, int64_t n)
{
    if (2 * k >= n)
        return 1;
    return fmin(1, 2 * mt_beta_cdf((double)(n - k), (double)k + 1, 0.5));
}

static bool count_right(const int *right_a, const int *right_b, int64_t n, mt_mcnemar *result, GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        if ((right_a[i] | right_b[i]) & ~1) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "McNemar's test: row %" G_GINT64_FORMAT " is %d and %d: both must be 0 or 1", i,
                        right_a[i], right_b[i]);
            return false;
        }
        result->only_a += right_a[i] && !right_b[i];
        result->only_b += !right_a[i] && right_b[i];
    }
    return true;
}

bool mt_mcnemar_test(const int *right_a, const int *right_b, int64_t n, double level, mt_mcnemar *result, GError **error)
{
    double z, differ, gap, excess;

    *result = (mt_mcnemar){.exact_p = 1, .chi2_p = 1};
    if (!mt_level_z(level, &z, error) || !count_right(right_a, right_b, n, result, error))
        return false;
    if (n == 0)
        return true;
    differ = (double)(result->only_a + result->only_b);
    gap = (double)(result->only_a - result->only_b);
    if (differ > 0) {
        excess = fabs(gap) - 1; /* |b - c| = 0 keeps 1, as the formula says and statsmodels does */
        result->chi2 = excess * excess / differ;
        result->chi2_p = mt_chi2_1_tail(result->chi2);
        result->exact_p = exact_p(MIN(result->only_a, result->only_b), (int64_t)differ);
    }
    double share = gap / (double)n, spread = z * sqrt(fmax(0, differ - gap * gap / (double)n)) / (double)n;

    result->accuracy_difference = mt_estimate_between(share, fmax(-1, share - spread), fmin(1, share + spread), "Wald, paired");
    return true;
}

#define MOST_SUMS 2e8 /* additions to a distribution */

/* Of each patient: by how many cases a is better; and the sums over patients. */
typedef struct swaps {
    int64_t  n_patients, n; /* n: those with a difference */
    int64_t *gaps;          /* of these, > 0 */
    int64_t  total;         /* of the gaps */
    double   squares;
    double   residuals; /* squares of what patients stray from the mean of a case */
} swaps;

static void add_patient(swaps *s, int64_t gap, int64_t cases, double mean)
{
    double stray = (double)gap - (double)cases * mean;

    s->n_patients++;
    s->residuals += stray * stray;
    if (gap == 0)
        return;
    s->gaps[s->n++] = ABS(gap);
    s->total += ABS(gap);
    s->squares += (double)gap * (double)gap;
}

static void add_patients(swaps *s, const int *right_a, const int *right_b, const mt_row_group *rows, int64_t n, double mean)
{
    int64_t gap = 0, cases = 0;

    for (int64_t i = 0; i < n; i++) {
        gap += right_a[rows[i].row] - right_b[rows[i].row];
        cases++;
        if (i + 1 < n && rows[i + 1].group == rows[i].group)
            continue;
        add_patient(s, gap, cases, mean);
        gap = cases = 0;
    }
}

/* The share of all swaps whose gap is at least as wide: sums[k] is the share in which k of `total` fall to one side. */
static bool exact_swaps(const swaps *s, int64_t gap, double *p, GError **error)
{
    double *sums = mt_alloc(s->total + 1, sizeof *sums, error);
    int64_t reach = 0;

    if (sums == NULL)
        return false;
    sums[0] = 1;
    for (int64_t i = 0; i < s->n; i++, reach += s->gaps[i - 1]) {
        int64_t step = s->gaps[i];
        for (int64_t k = reach + 1; k <= reach + step; k++)
            sums[k] = 0;
        for (int64_t k = reach + step; k >= 0; k--)
            sums[k] = 0.5 * (sums[k] + (k >= step ? sums[k - step] : 0));
    }
    *p = 0;
    for (int64_t k = 0; k <= s->total; k++)
        *p += ABS(2 * k - s->total) >= gap ? sums[k] : 0;
    *p = fmin(1, *p);
    mt_free(sums);
    return true;
}

static bool test_swaps(const swaps *s, int64_t gap, mt_mcnemar *result, GError **error)
{
    double excess = (double)gap - 1;

    if (s->n == 0)
        return true;
    result->chi2 = excess * excess / s->squares;
    result->chi2_p = mt_chi2_1_tail(result->chi2);
    if ((double)s->n * (double)s->total <= MOST_SUMS)
        return exact_swaps(s, gap, &result->exact_p, error);
    result->exact_p = erfc((double)gap / sqrt(2 * s->squares));
    return true;
}

bool mt_mcnemar_patients(const int *right_a, const int *right_b, const int64_t *patient, int64_t n, double level, mt_mcnemar *result,
                         GError **error)
{
    swaps  s = {.n = 0};
    double z;

    *result = (mt_mcnemar){.exact_p = 1, .chi2_p = 1};
    if (!mt_level_z(level, &z, error) || !count_right(right_a, right_b, n, result, error))
        return false;
    if (n == 0)
        return true;
    mt_row_group *rows = mt_rows_by_group("McNemar's test", patient, n, error);
    s.gaps = rows != NULL ? mt_alloc(n, sizeof *s.gaps, error) : NULL;
    bool ok = s.gaps != NULL;
    if (ok) {
        int64_t gap = result->only_a - result->only_b;
        double  share = (double)gap / (double)n;
        add_patients(&s, right_a, right_b, rows, n, share);
        double grown = s.n_patients > 1 ? (double)s.n_patients / (double)(s.n_patients - 1) : (double)NAN;
        double spread = z * sqrt(grown * s.residuals) / (double)n;
        result->accuracy_difference =
            s.n_patients > 1 ? mt_estimate_between(share, fmax(-1, share - spread), fmin(1, share + spread), "Wald, by patients")
                             : mt_estimate_point(share);
        ok = test_swaps(&s, ABS(gap), result, error);
    }
    mt_free(rows);
    mt_free(s.gaps);
    return ok;
}
