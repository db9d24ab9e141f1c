#include "src/evaluate/mcnemar.h"
#include "src/evaluate/distribution.h"

#include <math.h>

/* Twice the lower tail of Binomial(n, 1/2) at k <= n / 2, at most 1: I_{1/2}(n - k, k + 1) is that tail. */
static double exact_p(int64_t k, int64_t n)
{
    if (2 * k >= n)
        return 1;
    return fmin(1, 2 * mt_beta_cdf((double)(n - k), (double)k + 1, 0.5));
}

bool mt_mcnemar_test(const int *right_a, const int *right_b, int64_t n, double level, mt_mcnemar *result, GError **error)
{
    double z, differ, gap, excess;

    *result = (mt_mcnemar){.exact_p = 1, .chi2_p = 1};
    if (!mt_level_z(level, &z, error))
        return false;
    for (int64_t i = 0; i < n; i++) {
        if ((right_a[i] | right_b[i]) & ~1) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "McNemar's test: row %" G_GINT64_FORMAT " is %d and %d: both must be 0 or 1", i,
                        right_a[i], right_b[i]);
            return false;
        }
        result->only_a += right_a[i] && !right_b[i];
        result->only_b += !right_a[i] && right_b[i];
    }
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
