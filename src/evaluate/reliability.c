#include "src/evaluate/reliability.h"
#include "src/base/alloc.h"
#include "src/evaluate/score_order.h"

#include <float.h>
#include <math.h>

bool mt_brier(const double *scores, const int *truth, int64_t n, mt_estimate *brier, GError **error)
{
    double sum = 0;

    *brier = (mt_estimate){.defined = false};
    if (!mt_probabilities_check("Brier score", scores, truth, n, error))
        return false;
    for (int64_t i = 0; i < n; i++)
        sum += (scores[i] - truth[i]) * (scores[i] - truth[i]);
    *brier = mt_estimate_ratio(sum, (double)n);
    return true;
}

bool mt_log_loss(const double *scores, const int *truth, int64_t n, mt_estimate *loss, GError **error)
{
    double sum = 0;

    *loss = (mt_estimate){.defined = false};
    if (!mt_probabilities_check("log loss", scores, truth, n, error))
        return false;
    for (int64_t i = 0; i < n; i++) {
        double p = fmin(fmax(scores[i], DBL_EPSILON), 1 - DBL_EPSILON);

        sum -= truth[i] ? log(p) : log1p(-p);
    }
    *loss = mt_estimate_ratio(sum, (double)n);
    return true;
}

static bool check_row(const double *row, int truth, int classes, int64_t i, GError **error)
{
    double sum = 0;
    bool   inside = true;

    for (int c = 0; c < classes; c++) {
        sum += row[c];
        inside = inside && row[c] >= 0 && row[c] <= 1;
    }
    if (truth < 0 || truth >= classes)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "log loss: the truth of row %" G_GINT64_FORMAT " is class %d: there are %d, from 0", i,
                    truth, classes);
    else if (!inside || !(fabs(sum - 1) <= 1e-6))
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "log loss: the scores of row %" G_GINT64_FORMAT " are no probabilities: each must lie in 0..1 and all must sum to 1",
                    i);
    else
        return true;
    return false;
}

bool mt_log_loss_classes(const double *scores, const int *truth, int64_t n, int classes, mt_estimate *loss, GError **error)
{
    double sum = 0;

    *loss = (mt_estimate){.defined = false};
    if (classes < 2) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "log loss over %d classes: there must be two or more", classes);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        if (!check_row(scores + i * classes, truth[i], classes, i, error))
            return false;
        sum -= log(fmin(fmax(scores[i * classes + truth[i]], DBL_EPSILON), 1 - DBL_EPSILON));
    }
    *loss = mt_estimate_ratio(sum, (double)n);
    return true;
}

/* Edge i of equal-mass bins: the quantile i / bins, found in whole numbers so that an edge that is a score is exactly that score. */
static double mass_edge(const double *scores, const int64_t *rows, int64_t n, int i, int bins)
{
    int64_t below = (n - 1) / bins * i + (n - 1) % bins * i / bins, rest = (n - 1) % bins * i % bins;
    double  low = scores[rows[below]];

    return rest == 0 ? low : low + (scores[rows[below + 1]] - low) * ((double)rest / bins);
}

static bool set_edges(mt_reliability_bin *curve, int bins, mt_binning binning, const double *scores, int64_t n, GError **error)
{
    int64_t *rows = binning == MT_BINS_EQUAL_MASS ? mt_rows_ascending(scores, n, error) : NULL;

    if (binning == MT_BINS_EQUAL_MASS && rows == NULL)
        return false;
    for (int i = 0; i < bins; i++) {
        bool by_mass = rows != NULL && n > 0;

        curve[i] = (mt_reliability_bin){
            .low = by_mass ? mass_edge(scores, rows, n, i, bins) : (double)i / bins,
            .high = by_mass ? mass_edge(scores, rows, n, i + 1, bins) : (double)(i + 1) / bins,
        };
    }
    mt_free(rows);
    return true;
}

/* The first bin whose upper edge reaches the score. */
static int bin_of(const mt_reliability_bin *curve, int bins, double score)
{
    int low = 0, high = bins - 1;

    while (low < high) {
        int middle = (low + high) / 2;

        if (curve[middle].high < score)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool mt_reliability_curve(const double *scores, const int *truth, int64_t n, int bins, mt_binning binning, mt_reliability_bin *curve,
                          GError **error)
{
    if (bins < 1 || bins > MT_RELIABILITY_BINS_MAX) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "a reliability curve of %d bins: give 1 to %d", bins, MT_RELIABILITY_BINS_MAX);
        return false;
    }
    if (!mt_probabilities_check("reliability curve", scores, truth, n, error) || !set_edges(curve, bins, binning, scores, n, error))
        return false;
    for (int64_t i = 0; i < n; i++) {
        mt_reliability_bin *bin = &curve[bin_of(curve, bins, scores[i])];

        bin->n++;
        bin->mean_score += scores[i];
        bin->positive_share += truth[i];
    }
    for (int i = 0; i < bins; i++) {
        if (curve[i].n > 0) {
            curve[i].mean_score /= (double)curve[i].n;
            curve[i].positive_share /= (double)curve[i].n;
        }
    }
    return true;
}

mt_estimate mt_calibration_error(const mt_reliability_bin *curve, int bins)
{
    double  sum = 0;
    int64_t n = 0;

    for (int i = 0; i < bins; i++) {
        sum += (double)curve[i].n * fabs(curve[i].mean_score - curve[i].positive_share);
        n += curve[i].n;
    }
    return mt_estimate_ratio(sum, (double)n);
}

mt_estimate mt_calibration_error_max(const mt_reliability_bin *curve, int bins)
{
    mt_estimate worst = {.defined = false};

    for (int i = 0; i < bins; i++) {
        double gap = fabs(curve[i].mean_score - curve[i].positive_share);

        if (curve[i].n > 0 && (!worst.defined || gap > worst.value))
            worst = mt_estimate_point(gap);
    }
    return worst;
}
