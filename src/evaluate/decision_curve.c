#include "src/evaluate/decision_curve.h"
#include "src/evaluate/score_order.h"

static mt_net_benefit benefit_at(const double *scores, const int *truth, int64_t n, double threshold)
{
    int64_t tp = 0, fp = 0, positives = 0;
    double  odds = threshold / (1 - threshold), total = (double)n;

    for (int64_t i = 0; i < n; i++) {
        positives += truth[i];
        tp += scores[i] >= threshold && truth[i];
        fp += scores[i] >= threshold && !truth[i];
    }
    double model = (double)tp / total - (double)fp / total * odds;
    double all = (double)positives / total - (double)(n - positives) / total * odds;

    return (mt_net_benefit){threshold, model, all, odds > 0 ? 100 * (model - all) / odds : 0};
}

bool mt_decision_curve(const double *scores, const int *truth, int64_t n, const double *thresholds, int n_thresholds, mt_net_benefit *curve,
                       GError **error)
{
    if (!mt_probabilities_check("decision curve", scores, truth, n, error))
        return false;
    if (n == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "decision curve: there are no cases");
        return false;
    }
    for (int i = 0; i < n_thresholds; i++) {
        if (!(thresholds[i] >= 0 && thresholds[i] < 1)) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "decision curve: the threshold %g must lie in [0, 1)", thresholds[i]);
            return false;
        }
        curve[i] = benefit_at(scores, truth, n, thresholds[i]);
    }
    return true;
}
