#include "src/evaluate/precision_recall.h"
#include "src/evaluate/score_order.h"

#include <math.h>

bool mt_precision_recall_curve(const double *scores, const int *truth, int64_t n, mt_curve *curve, GError **error)
{
    g_auto(mt_score_order) order = {0};
    int64_t positives = 0, point = 1;

    *curve = (mt_curve){.n = 0};
    if (!mt_score_order_init(&order, "precision and recall", scores, truth, n, error))
        return false;
    if (order.positives == 0)
        return true;
    if (!mt_curve_init(curve, n + 1, error))
        return false;
    curve->y[0] = 1;
    curve->threshold[0] = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double score = scores[order.rows[i]];

        positives += truth[order.rows[i]];
        if (i + 1 < n && scores[order.rows[i + 1]] == score)
            continue; /* equal scores fall together */
        curve->x[point] = (double)positives / (double)order.positives;
        curve->y[point] = (double)positives / (double)(i + 1);
        curve->threshold[point++] = score;
    }
    curve->n = point;
    return true;
}

bool mt_average_precision(const double *scores, const int *truth, int64_t n, mt_estimate *area, GError **error)
{
    g_auto(mt_curve) curve = {0};
    double sum = 0;

    *area = (mt_estimate){.defined = false};
    if (!mt_precision_recall_curve(scores, truth, n, &curve, error))
        return false;
    for (int64_t i = 1; i < curve.n; i++)
        sum += (curve.x[i] - curve.x[i - 1]) * curve.y[i];
    if (curve.n > 0)
        *area = mt_estimate_point(sum);
    return true;
}
