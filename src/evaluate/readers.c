/* Agreement of several readers, and what most of them say. */
#include "src/base/alloc.h"
#include "src/evaluate/agreement.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/distribution.h"

#include <string.h>

static bool check_readings(const int *readings, int64_t n, int readers, int classes, GError **error)
{
    if (readers < 2 || classes < 2) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "agreement of %d readers over %d classes: there must be two or more of each", readers,
                    classes);
        return false;
    }
    for (int64_t i = 0; i < n * readers; i++) {
        if (readings[i] != MT_READING_MISSING && (readings[i] < 0 || readings[i] >= classes)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "agreement: reader %" G_GINT64_FORMAT " names class %d in row %" G_GINT64_FORMAT ": there are %d, from 0",
                        i % readers, readings[i], i / readers, classes);
            return false;
        }
    }
    return true;
}

/* Adds one case to the votes of each class; false when a reader is missing. */
static bool count_votes(const int *row, int readers, int classes, int64_t *votes)
{
    bool complete = true;

    memset(votes, 0, (size_t)classes * sizeof *votes);
    for (int r = 0; r < readers; r++) {
        if (row[r] == MT_READING_MISSING)
            complete = false;
        else
            votes[row[r]]++;
    }
    return complete;
}

static mt_estimate fleiss_of(const int *readings, int64_t n, int readers, int classes, int64_t *votes, int64_t *totals, int64_t *cases)
{
    double agreeing = 0, chance = 0, pairs = (double)readers * (readers - 1);

    for (int64_t i = 0; i < n; i++) {
        if (!count_votes(readings + i * readers, readers, classes, votes))
            continue;
        (*cases)++;
        for (int c = 0; c < classes; c++) {
            agreeing += (double)(votes[c] * (votes[c] - 1));
            totals[c] += votes[c];
        }
    }
    if (*cases == 0)
        return (mt_estimate){.defined = false};
    for (int c = 0; c < classes; c++) {
        double share = (double)totals[c] / ((double)*cases * readers);

        chance += share * share;
        if (totals[c] == *cases * readers)
            return (mt_estimate){.defined = false}; /* one class alone: chance agrees always */
    }
    return mt_estimate_point((agreeing / (pairs * (double)*cases) - chance) / (1 - chance));
}

bool mt_fleiss_kappa(const int *readings, int64_t n, int readers, int classes, mt_estimate *kappa, int64_t *cases, GError **error)
{
    int64_t *votes, complete = 0;

    *kappa = (mt_estimate){.defined = false};
    if (!check_readings(readings, n, readers, classes, error))
        return false;
    votes = mt_alloc(2 * (int64_t)classes, sizeof *votes, error);
    if (votes == NULL)
        return false;
    *kappa = fleiss_of(readings, n, readers, classes, votes, votes + classes, &complete);
    if (cases != NULL)
        *cases = complete;
    mt_free(votes);
    return true;
}

static void count_pair(const int *readings, int64_t n, int readers, int classes, int a, int b, int64_t *matrix)
{
    memset(matrix, 0, (size_t)classes * (size_t)classes * sizeof *matrix);
    for (int64_t i = 0; i < n; i++) {
        int first = readings[i * readers + a], second = readings[i * readers + b];

        if (first != MT_READING_MISSING && second != MT_READING_MISSING)
            matrix[(int64_t)first * classes + second]++;
    }
}

bool mt_pairwise_kappa(const int *readings, int64_t n, int readers, int classes, mt_kappa_weights weights, double level, mt_estimate *mean,
                       mt_estimate *pairs, GError **error)
{
    int64_t *matrix;
    double   sum = 0, z;
    int      defined = 0;
    bool     ok = true;

    *mean = (mt_estimate){.defined = false};
    if (!mt_level_z(level, &z, error) || !check_readings(readings, n, readers, classes, error))
        return false;
    matrix = mt_alloc((int64_t)classes * classes, sizeof *matrix, error);
    if (matrix == NULL)
        return false;
    for (int a = 0; ok && a < readers; a++) {
        if (pairs != NULL)
            pairs[(int64_t)a * readers + a] = (mt_estimate){.defined = false};
        for (int b = a + 1; ok && b < readers; b++) {
            mt_estimate kappa;

            count_pair(readings, n, readers, classes, a, b, matrix);
            ok = mt_kappa(matrix, classes, weights, level, &kappa, error);
            sum += kappa.value;
            defined += kappa.defined;
            if (pairs != NULL)
                pairs[(int64_t)a * readers + b] = pairs[(int64_t)b * readers + a] = kappa;
        }
    }
    mt_free(matrix);
    if (ok)
        *mean = mt_estimate_ratio(sum, defined);
    return ok;
}

static int most_votes(const int64_t *votes, int classes)
{
    int best = 0, winners = 0;

    for (int c = 1; c < classes; c++)
        best = votes[c] > votes[best] ? c : best;
    for (int c = 0; c < classes; c++)
        winners += votes[c] == votes[best];
    return votes[best] == 0 || winners > 1 ? MT_READING_MISSING : best;
}

bool mt_consensus(const int *readings, int64_t n, int readers, int classes, int *consensus, GError **error)
{
    int64_t *votes;

    if (!check_readings(readings, n, readers, classes, error))
        return false;
    votes = mt_alloc(classes, sizeof *votes, error);
    if (votes == NULL)
        return false;
    for (int64_t i = 0; i < n; i++) {
        (void)count_votes(readings + i * readers, readers, classes, votes);
        consensus[i] = most_votes(votes, classes);
    }
    mt_free(votes);
    return true;
}
