#include "src/evaluate/agreement.h"
#include "src/base/alloc.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/distribution.h"

#include <math.h>

/* Weight of agreement: 1 on the diagonal, 0 in the far corners (plain: 0 off the diagonal). */
static double weight(int i, int j, int classes, mt_kappa_weights weights)
{
    double distance = fabs((double)(i - j)) / (classes - 1);

    if (weights == MT_KAPPA_PLAIN)
        return i == j;
    return weights == MT_KAPPA_LINEAR ? 1 - distance : 1 - distance * distance;
}

/* Shares of the rows and columns. */
static void margins_of(const int64_t *matrix, int classes, double n, double *rows, double *columns)
{
    for (int i = 0; i < classes; i++) {
        rows[i] = columns[i] = 0;
        for (int j = 0; j < classes; j++) {
            rows[i] += (double)matrix[(int64_t)i * classes + j];
            columns[i] += (double)matrix[(int64_t)j * classes + i];
        }
        rows[i] /= n;
        columns[i] /= n;
    }
}

/* Fleiss, Cohen and Everitt: the mean of a square over cells less the square of the chance term. */
static double kappa_variance(const int64_t *matrix, int classes, mt_kappa_weights weights, double n, const double *rows,
                             const double *columns, double kappa, double chance)
{
    double sum = 0;

    for (int i = 0; i < classes; i++) {
        for (int j = 0; j < classes; j++) {
            double row_mean = 0, column_mean = 0, term;

            if (matrix[(int64_t)i * classes + j] == 0)
                continue;
            for (int k = 0; k < classes; k++) {
                row_mean += columns[k] * weight(i, k, classes, weights);
                column_mean += rows[k] * weight(k, j, classes, weights);
            }
            term = weight(i, j, classes, weights) - (row_mean + column_mean) * (1 - kappa);
            sum += (double)matrix[(int64_t)i * classes + j] / n * term * term;
        }
    }
    double centre = kappa - chance * (1 - kappa);

    return fmax(0, sum - centre * centre) / ((1 - chance) * (1 - chance) * n);
}

static mt_estimate kappa_of(const int64_t *matrix, int classes, mt_kappa_weights weights, double z, double n, double *margins)
{
    double *rows = margins, *columns = margins + classes, observed = 0, chance = 0, kappa, half;

    margins_of(matrix, classes, n, rows, columns);
    for (int i = 0; i < classes; i++) {
        for (int j = 0; j < classes; j++) {
            observed += weight(i, j, classes, weights) * (double)matrix[(int64_t)i * classes + j] / n;
            chance += weight(i, j, classes, weights) * rows[i] * columns[j];
        }
    }
    for (int i = 0; i < classes; i++) {
        if (rows[i] == 1 && columns[i] == 1)
            return (mt_estimate){.defined = false}; /* one class alone: chance agrees always */
    }
    kappa = (observed - chance) / (1 - chance);
    half = z * sqrt(kappa_variance(matrix, classes, weights, n, rows, columns, kappa, chance));
    return mt_estimate_between(kappa, fmax(-1, kappa - half), fmin(1, kappa + half), "Wald");
}

bool mt_kappa(const int64_t *matrix, int classes, mt_kappa_weights weights, double level, mt_estimate *kappa, GError **error)
{
    double  z, n = 0;
    double *margins;

    *kappa = (mt_estimate){.defined = false};
    if (!mt_level_z(level, &z, error))
        return false;
    if (classes < 2) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "kappa over %d classes: there must be two or more", classes);
        return false;
    }
    for (int64_t i = 0; i < (int64_t)classes * classes; i++) {
        if (matrix[i] < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "kappa: a count of %" G_GINT64_FORMAT ": counts must be 0 or more", matrix[i]);
            return false;
        }
        n += (double)matrix[i];
    }
    if (n == 0)
        return true;
    margins = mt_alloc(2 * (int64_t)classes, sizeof *margins, error);
    if (margins == NULL)
        return false;
    *kappa = kappa_of(matrix, classes, weights, z, n, margins);
    mt_free(margins);
    return true;
}
