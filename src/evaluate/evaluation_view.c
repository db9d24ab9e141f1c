/* One label against all others: its numbers, and the curves behind them. */
#include "src/evaluate/agreement.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/decision_curve.h"
#include "src/evaluate/delong.h"
#include "src/evaluate/evaluation.h"
#include "src/evaluate/precision_recall.h"
#include "src/evaluate/predictive_value.h"
#include "src/evaluate/reliability.h"
#include "src/evaluate/roc.h"

#include <math.h>
#include <string.h>

#define LEVEL 0.95
#define BINS 10
#define DECISIONS 99 /* thresholds of the decision curve: 0.01 to 0.99 */

#define ONE_CLASS "needs positive and negative cases, and these are all of one kind"

static void clear_points(mt_points *p)
{
    g_free(p->x);
    g_free(p->y);
    g_free(p->second);
    g_free(p->counts);
}

void mt_view_free(void *pointer)
{
    mt_view *v = pointer;

    if (v == NULL)
        return;
    g_free(v->scores);
    g_free(v->truth);
    g_free(v->called);
    g_free(v->subject);
    g_clear_pointer(&v->metrics, g_array_unref);
    mt_curve_clear(&v->roc);
    mt_curve_clear(&v->pr);
    clear_points(&v->reliability);
    clear_points(&v->decision);
    g_free(v);
}

/* 1, 0, or -1 where nothing is known of this label. */
static int truth_of(const mt_evaluation *e, const mt_subject *s, int index)
{
    if (e->task != MT_TASK_MULTILABEL)
        return s->truth == index;
    return isnan(s->holds[index]) ? -1 : s->holds[index] >= 0.5f;
}

static void take_subjects(mt_view *v, const mt_evaluation *e, int index)
{
    guint n = e->subjects->len;

    v->scores = g_new(double, n + 1);
    v->truth = g_new(int, n + 1);
    v->called = g_new(int, n + 1);
    v->subject = g_new(int, n + 1);
    for (guint i = 0; i < n; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        int               truth = truth_of(e, s, index);
        if (truth < 0)
            continue;
        v->subject[v->n] = (int)i;
        v->scores[v->n] = s->scores[index];
        v->truth[v->n] = truth;
        v->called[v->n] = isnan(v->threshold) ? s->called == index : (float)s->scores[index] >= (float)v->threshold;
        v->n_positive += truth;
        v->n++;
    }
}

static bool rank(mt_view *v, GError **error)
{
    mt_estimate area, precision;

    if (!mt_roc_delong(v->scores, v->truth, v->n, LEVEL, MT_ROC_WALD, &area, error) ||
        !mt_roc_curve(v->scores, v->truth, v->n, &v->roc, error))
        return false;
    if (!mt_average_precision(v->scores, v->truth, v->n, &precision, error) ||
        !mt_precision_recall_curve(v->scores, v->truth, v->n, &v->pr, error))
        return false;
    mt_metrics_add(v->metrics, "auroc", area, 0, 0, ONE_CLASS);
    mt_metrics_add(v->metrics, "auprc", precision, 0, 0, "there is no positive case");
    return true;
}

static bool count(mt_view *v, GError **error)
{
    mt_confusion       c;
    mt_confusion_rates r;
    GArray            *m = v->metrics;
    mt_estimate        kappa;

    if (!mt_confusion_of(v->called, v->truth, v->n, &c, error) || !mt_confusion_measure(&c, LEVEL, &r, error))
        return false;
    const int64_t matrix[] = {c.tn, c.fp, c.fn, c.tp};
    if (!mt_kappa(matrix, 2, MT_KAPPA_PLAIN, LEVEL, &kappa, error))
        return false;
    v->tp = c.tp, v->fp = c.fp, v->tn = c.tn, v->fn = c.fn;
    mt_metrics_add(m, "sensitivity", r.sensitivity, c.tp, c.tp + c.fn, "there is no positive case");
    mt_metrics_add(m, "specificity", r.specificity, c.tn, c.tn + c.fp, "there is no negative case");
    mt_metrics_add(m, "ppv", r.ppv, c.tp, c.tp + c.fp, "no case was called positive");
    mt_metrics_add(m, "npv", r.npv, c.tn, c.tn + c.fn, "no case was called negative");
    mt_metrics_add(m, "accuracy", r.accuracy, c.tp + c.tn, v->n, "there is no case");
    mt_metrics_add(m, "balanced_accuracy", r.balanced_accuracy, 0, 0, ONE_CLASS);
    mt_metrics_add(m, "f1", r.f1, 0, 0, "no case is positive or called so");
    mt_metrics_add(m, "mcc", r.mcc, 0, 0, "all cases are of one kind, or called so");
    mt_metrics_add(m, "kappa", kappa, 0, 0, "all cases are of one kind, and called so");
    mt_metrics_add(m, "prevalence", r.prevalence, c.tp + c.fn, v->n, "there is no case");
    return true;
}

/* Where another share is positive than here; from the intervals as they now are. */
static bool foretell(mt_view *v, double prevalence, GError **error)
{
    mt_estimate ppv, npv;

    if (prevalence == 0)
        return true;
    if (!mt_predictive_values(&mt_metrics_find(v->metrics, "sensitivity")->estimate, &mt_metrics_find(v->metrics, "specificity")->estimate,
                              prevalence, &ppv, &npv, error))
        return false;
    mt_metrics_add(v->metrics, "ppv_at_prevalence", ppv, 0, 0, "needs positive and negative cases, and one that was called positive");
    mt_metrics_add(v->metrics, "npv_at_prevalence", npv, 0, 0, "needs positive and negative cases, and one that was called negative");
    return true;
}

static void keep_bins(mt_view *v, const mt_reliability_bin *bins)
{
    mt_points *p = &v->reliability;

    p->x = g_new(double, BINS);
    p->y = g_new(double, BINS);
    p->counts = g_new(int64_t, BINS);
    for (int i = 0; i < BINS; i++) {
        if (bins[i].n == 0)
            continue;
        p->x[p->n] = bins[i].mean_score;
        p->y[p->n] = bins[i].positive_share;
        p->counts[p->n++] = bins[i].n;
    }
}

static bool calibrate(mt_view *v, GError **error)
{
    mt_reliability_bin bins[BINS];
    mt_estimate        brier;

    if (!mt_brier(v->scores, v->truth, v->n, &brier, error) ||
        !mt_reliability_curve(v->scores, v->truth, v->n, BINS, MT_BINS_EQUAL_WIDTH, bins, error))
        return false;
    mt_metrics_add(v->metrics, "brier", brier, 0, 0, "there is no case");
    mt_metrics_add(v->metrics, "ece", mt_calibration_error(bins, BINS), 0, 0, "there is no case");
    keep_bins(v, bins);
    return true;
}

static bool weigh(mt_view *v, GError **error)
{
    double         thresholds[DECISIONS];
    mt_net_benefit curve[DECISIONS];
    mt_points     *p = &v->decision;

    for (int i = 0; i < DECISIONS; i++)
        thresholds[i] = (i + 1) / (DECISIONS + 1.0);
    if (v->n == 0)
        return true;
    if (!mt_decision_curve(v->scores, v->truth, v->n, thresholds, DECISIONS, curve, error))
        return false;
    p->n = DECISIONS;
    p->x = g_new(double, DECISIONS);
    p->y = g_new(double, DECISIONS);
    p->second = g_new(double, DECISIONS);
    for (int i = 0; i < DECISIONS; i++) {
        p->x[i] = curve[i].threshold;
        p->y[i] = curve[i].model;
        p->second[i] = curve[i].all;
    }
    return true;
}

mt_view *mt_view_new(const mt_evaluation *e, int index, GError **error)
{
    mt_view *v = g_new0(mt_view, 1);

    v->label = mt_targets_labels(e->targets)[index];
    v->threshold = e->threshold;
    v->metrics = g_array_new(FALSE, TRUE, sizeof(mt_metric));
    take_subjects(v, e, index);
    if (rank(v, error) && count(v, error) && mt_view_widen(v, e, error) && foretell(v, e->prevalence, error) && calibrate(v, error) &&
        weigh(v, error))
        return v;
    g_prefix_error(error, "evaluate %s, %s: ", e->folder, v->label);
    mt_view_free(v);
    return NULL;
}
