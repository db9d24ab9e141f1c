#include "src/train/conformal.h"

#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The smallest n with ceil((n + 1)(1 - alpha)) <= n. */
static int64_t rows_needed(double alpha)
{
    int64_t n = (int64_t)floor((1 - alpha) / alpha);

    while (ceil((double)(n + 1) * (1 - alpha) - 1e-9) > (double)n)
        n++;
    return MAX(1, n);
}

static bool quantile_of(double *misfits, int64_t n, double alpha, int class, double *quantile, GError **error)
{
    int64_t rank = (int64_t)ceil((double)(n + 1) * (1 - alpha) - 1e-9);

    if (rank > n || n == 0) {
        g_autofree char *of = class >= 0 ? g_strdup_printf(" of class %d", class) : g_strdup("");
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "conformal sets at %g: %" G_GINT64_FORMAT " cases%s are too few: %" G_GINT64_FORMAT " are needed", alpha, n, of,
                    rows_needed(alpha));
        return false;
    }
    qsort(misfits, (size_t)n, sizeof *misfits, compare_doubles);
    *quantile = misfits[MAX(rank, 1) - 1];
    return true;
}

bool mt_conformal_fit(const double *scores, const int *truth, int64_t n, int classes, double alpha, bool by_class, double *quantiles,
                      GError **error)
{
    g_autofree double *misfits = g_new(double, (gsize)n + 1);

    if (!(alpha > 0 && alpha < 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "conformal sets at %g: a number between 0 and 1 is wanted", alpha);
        return false;
    }
    for (int c = by_class ? 0 : -1; c < (by_class ? classes : 0); c++) {
        int64_t taken = 0;
        for (int64_t i = 0; i < n; i++)
            if (c < 0 || truth[i] == c)
                misfits[taken++] = 1 - scores[i * classes + truth[i]];
        if (!quantile_of(misfits, taken, alpha, c, &quantiles[MAX(c, 0)], error))
            return false;
    }
    return true;
}
