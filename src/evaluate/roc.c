#include "src/evaluate/roc.h"
#include "src/base/alloc.h"
#include "src/evaluate/score_order.h"

#include <math.h>

/* Pairs a positive wins, a tie counting half; whole and half numbers, exact to 2^52 pairs. */
static double won_pairs(const mt_score_order *order, const double *scores, const int *truth)
{
    double  won = 0;
    int64_t negatives_above = 0;

    for (int64_t i = 0; i < order->n;) {
        int64_t end = i, positives = 0;

        for (; end < order->n && scores[order->rows[end]] == scores[order->rows[i]]; end++)
            positives += truth[order->rows[end]];
        int64_t equal = end - i - positives, below = order->negatives - negatives_above - equal;

        won += (double)positives * ((double)below + 0.5 * (double)equal);
        negatives_above += equal;
        i = end;
    }
    return won;
}

bool mt_roc_area(const double *scores, const int *truth, int64_t n, mt_estimate *area, GError **error)
{
    g_auto(mt_score_order) order = {0};

    *area = (mt_estimate){.defined = false};
    if (!mt_score_order_init(&order, "AUROC", scores, truth, n, error))
        return false;
    *area = mt_estimate_ratio(won_pairs(&order, scores, truth), (double)order.positives * (double)order.negatives);
    return true;
}

static void fill_curve(mt_curve *curve, const mt_score_order *order, const double *scores, const int *truth)
{
    int64_t positives = 0, point = 1;

    curve->threshold[0] = INFINITY;
    for (int64_t i = 0; i < order->n; i++) {
        double score = scores[order->rows[i]];

        positives += truth[order->rows[i]];
        if (i + 1 < order->n && scores[order->rows[i + 1]] == score)
            continue; /* equal scores fall together */
        curve->x[point] = (double)(i + 1 - positives) / (double)order->negatives;
        curve->y[point] = (double)positives / (double)order->positives;
        curve->threshold[point++] = score;
    }
    curve->n = point;
}

bool mt_roc_curve(const double *scores, const int *truth, int64_t n, mt_curve *curve, GError **error)
{
    g_auto(mt_score_order) order = {0};

    *curve = (mt_curve){.n = 0};
    if (!mt_score_order_init(&order, "ROC curve", scores, truth, n, error))
        return false;
    if (order.positives == 0 || order.negatives == 0)
        return true;
    if (!mt_curve_init(curve, n + 1, error))
        return false;
    fill_curve(curve, &order, scores, truth);
    return true;
}

static bool check_classes(const int *truth, int64_t n, int classes, GError **error)
{
    if (classes < 2) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "AUROC over %d classes: there must be two or more", classes);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        if (truth[i] < 0 || truth[i] >= classes) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "AUROC: the truth of row %" G_GINT64_FORMAT " is class %d: there are %d, from 0",
                        i, truth[i], classes);
            return false;
        }
    }
    return true;
}

/* Mean of the areas of all classes; one class without an area leaves the mean undefined. */
static void average_classes(const double *areas, const int64_t *cases, int classes, int64_t n, mt_roc_classes *result)
{
    double sum = 0, weighted = 0;

    for (int c = 0; c < classes; c++) {
        if (cases[c] == 0 || cases[c] == n)
            return;
        sum += areas[c];
        weighted += areas[c] * (double)cases[c];
    }
    result->macro = mt_estimate_point(sum / classes);
    result->weighted = mt_estimate_point(weighted / (double)n);
}

static bool area_of_class(const double *scores, const int *truth, int64_t n, int classes, int c, double *column, int *is_class,
                          mt_estimate *area, GError **error)
{
    for (int64_t i = 0; i < n; i++) {
        column[i] = scores[i * classes + c];
        is_class[i] = truth[i] == c;
    }
    return mt_roc_area(column, is_class, n, area, error);
}

bool mt_roc_multiclass(const double *scores, const int *truth, int64_t n, int classes, mt_roc_classes *areas, mt_estimate *each,
                       GError **error)
{
    double  *column = NULL, *values = NULL;
    int     *is_class = NULL;
    int64_t *cases = NULL;
    bool     ok = check_classes(truth, n, classes, error);

    *areas = (mt_roc_classes){0};
    ok = ok && (column = mt_alloc(n, sizeof *column, error)) != NULL && (values = mt_alloc(classes, sizeof *values, error)) != NULL &&
         (cases = mt_alloc(classes, sizeof *cases, error)) != NULL && (is_class = mt_alloc(n * classes, sizeof *is_class, error)) != NULL;
    for (int c = 0; ok && c < classes; c++) {
        mt_estimate area;

        ok = area_of_class(scores, truth, n, classes, c, column, is_class, &area, error);
        values[c] = area.value;
        for (int64_t i = 0; i < n; i++)
            cases[c] += is_class[i];
        if (each != NULL)
            each[c] = area;
    }
    if (ok) {
        average_classes(values, cases, classes, n, areas);
        for (int64_t i = 0; i < n * classes; i++)
            is_class[i] = truth[i / classes] == i % classes;
        ok = mt_roc_area(scores, is_class, n * classes, &areas->micro, error);
    }
    mt_free(column);
    mt_free(values);
    mt_free(cases);
    mt_free(is_class);
    return ok;
}
