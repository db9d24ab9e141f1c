#include "src/evaluate/confusion.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/proportion.h"
#include "src/evaluate/score_order.h"

#include <math.h>

static void count_case(mt_confusion *counts, bool called, int truth)
{
    counts->tp += called && truth;
    counts->fp += called && !truth;
    counts->fn += !called && truth;
    counts->tn += !called && !truth;
}

bool mt_confusion_at(const double *scores, const int *truth, int64_t n, double threshold, mt_confusion *counts, GError **error)
{
    *counts = (mt_confusion){0};
    if (!isfinite(threshold)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "decisions: the threshold is %g: it must be a finite number", threshold);
        return false;
    }
    if (!mt_scores_check("decisions", scores, truth, n, error))
        return false;
    for (int64_t i = 0; i < n; i++)
        count_case(counts, scores[i] >= threshold, truth[i]);
    return true;
}

bool mt_confusion_of(const int *called, const int *truth, int64_t n, mt_confusion *counts, GError **error)
{
    *counts = (mt_confusion){0};
    for (int64_t i = 0; i < n; i++) {
        if ((called[i] | truth[i]) & ~1) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "decisions: row %" G_GINT64_FORMAT " is called %d and is %d: both must be 0 or 1",
                        i, called[i], truth[i]);
            return false;
        }
    }
    for (int64_t i = 0; i < n; i++)
        count_case(counts, called[i], truth[i]);
    return true;
}

/* The root of the product of four counts, without the overflow of their product. */
static mt_estimate matthews(const mt_confusion *c)
{
    double tp = (double)c->tp, fp = (double)c->fp, fn = (double)c->fn, tn = (double)c->tn;

    return mt_estimate_ratio(tp * tn - fp * fn, sqrt((tp + fp) * (tp + fn)) * sqrt((tn + fp) * (tn + fn)));
}

static bool check_counts(const mt_confusion *c, GError **error)
{
    if (c->tp >= 0 && c->fp >= 0 && c->fn >= 0 && c->tn >= 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                "decisions: %" G_GINT64_FORMAT " true and %" G_GINT64_FORMAT " false positives, %" G_GINT64_FORMAT
                " false and %" G_GINT64_FORMAT " true negatives: counts must be 0 or more",
                c->tp, c->fp, c->fn, c->tn);
    return false;
}

bool mt_confusion_measure(const mt_confusion *c, double level, mt_confusion_rates *rates, GError **error)
{
    const int64_t n = c->tp + c->fp + c->fn + c->tn;
    const struct {
        mt_estimate *rate;
        int64_t      part, whole;
    } shares[] = {
        {&rates->sensitivity, c->tp, c->tp + c->fn}, {&rates->specificity, c->tn, c->tn + c->fp}, {&rates->ppv, c->tp, c->tp + c->fp},
        {&rates->npv, c->tn, c->tn + c->fn},         {&rates->accuracy, c->tp + c->tn, n},        {&rates->prevalence, c->tp + c->fn, n},
    };

    *rates = (mt_confusion_rates){0};
    if (!check_counts(c, error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(shares); i++) {
        if (!mt_proportion(shares[i].part, shares[i].whole, level, MT_PROPORTION_WILSON, shares[i].rate, error))
            return false;
    }
    if (rates->sensitivity.defined && rates->specificity.defined)
        rates->balanced_accuracy = mt_estimate_point((rates->sensitivity.value + rates->specificity.value) / 2);
    rates->f1 = mt_estimate_ratio(2 * (double)c->tp, (double)(2 * c->tp + c->fp + c->fn));
    rates->mcc = matthews(c);
    return true;
}

/* Of those called, the share called rightly, by Bayes; 0 / 0 when nothing is ever called. */
static double predictive(double right, double wrong)
{
    return right / (right + wrong);
}

bool mt_confusion_at_prevalence(const mt_confusion *c, double prevalence, double level, mt_estimate *ppv, mt_estimate *npv, GError **error)
{
    mt_estimate sens, spec;
    double      z;

    *ppv = *npv = (mt_estimate){.defined = false};
    if (!(prevalence > 0 && prevalence < 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "predictive values at a prevalence of %g: give a share between 0 and 1", prevalence);
        return false;
    }
    if (!check_counts(c, error) || !mt_level_z(level, &z, error) ||
        !mt_proportion(c->tp, c->tp + c->fn, (1 + level) / 2, MT_PROPORTION_CLOPPER_PEARSON, &sens, error) ||
        !mt_proportion(c->tn, c->tn + c->fp, (1 + level) / 2, MT_PROPORTION_CLOPPER_PEARSON, &spec, error))
        return false;
    if (!sens.defined || !spec.defined)
        return true;
    if (sens.value > 0 || spec.value < 1)
        *ppv = mt_estimate_between(predictive(sens.value * prevalence, (1 - spec.value) * (1 - prevalence)),
                                   predictive(sens.low * prevalence, (1 - spec.low) * (1 - prevalence)),
                                   predictive(sens.high * prevalence, (1 - spec.high) * (1 - prevalence)), "Clopper-Pearson, Bonferroni");
    if (spec.value > 0 || sens.value < 1)
        *npv = mt_estimate_between(predictive(spec.value * (1 - prevalence), (1 - sens.value) * prevalence),
                                   predictive(spec.low * (1 - prevalence), (1 - sens.low) * prevalence),
                                   predictive(spec.high * (1 - prevalence), (1 - sens.high) * prevalence), "Clopper-Pearson, Bonferroni");
    return true;
}
