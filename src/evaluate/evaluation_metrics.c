/* The numbers of an evaluation over all labels. */
#include "src/evaluate/agreement.h"
#include "src/evaluate/confusion.h"
#include "src/evaluate/evaluation.h"
#include "src/evaluate/reliability.h"

#include <math.h>
#include <string.h>

#define LEVEL 0.95
#define BINS 10

void mt_metrics_add(GArray *metrics, const char *name, mt_estimate estimate, int64_t hits, int64_t n, const char *undefined)
{
    mt_metric m = {.name = name, .estimate = estimate, .hits = hits, .n = n, .undefined = estimate.defined ? NULL : undefined};

    g_array_append_val(metrics, m);
}

const mt_metric *mt_metrics_find(const GArray *metrics, const char *name)
{
    for (guint i = 0; i < metrics->len; i++)
        if (strcmp(g_array_index(metrics, mt_metric, i).name, name) == 0)
            return &g_array_index(metrics, mt_metric, i);
    return NULL;
}

/* The mean over all labels: one over those that happen to define it would be another number. */
static void add_mean(mt_evaluation *e, const char *name, const char *of)
{
    double sum = 0;
    int    n = 0;

    for (guint i = 0; i < e->views->len; i++) {
        const mt_metric *m = mt_metrics_find(((const mt_view *)e->views->pdata[i])->metrics, of);
        if (m != NULL && m->estimate.defined) {
            sum += m->estimate.value;
            n++;
        }
    }
    mt_metrics_add(e->metrics, name, n == (int)e->views->len ? mt_estimate_ratio(sum, n) : (mt_estimate){.defined = false}, 0, 0,
                   "one of the labels does not define it: see the labels one by one");
}

/* Calls and truth as arrays; free with g_free. */
static int *take_calls(const mt_evaluation *e, bool truth)
{
    int *values = g_new(int, e->subjects->len + 1);

    for (guint i = 0; i < e->subjects->len; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        values[i] = truth ? s->truth : s->called;
    }
    return values;
}

static bool add_kappas(mt_evaluation *e, GError **error)
{
    mt_estimate plain, quadratic;

    if (!mt_kappa(e->confusion, e->n_labels, MT_KAPPA_PLAIN, LEVEL, &plain, error) ||
        !mt_kappa(e->confusion, e->n_labels, MT_KAPPA_QUADRATIC, LEVEL, &quadratic, error))
        return false;
    mt_metrics_add(e->metrics, "kappa", plain, 0, 0, "all cases are of one class, and called so");
    if (e->task == MT_TASK_ORDINAL)
        mt_metrics_add(e->metrics, "quadratic_kappa", quadratic, 0, 0, "all cases are of one class, and called so");
    return true;
}

/* Of the score of the class that was called: is it as often right as it says? */
static bool add_calibration(mt_evaluation *e, GError **error)
{
    guint              n = e->subjects->len;
    g_autofree double *sure = g_new(double, n + 1);
    g_autofree int    *right = g_new(int, n + 1);
    mt_reliability_bin bins[BINS];
    double             squares = 0;

    for (guint i = 0; i < n; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        sure[i] = s->scores[s->called];
        right[i] = s->called == s->truth;
        for (int k = 0; k < e->n_labels; k++)
            squares += (s->scores[k] - (s->truth == k)) * (s->scores[k] - (s->truth == k));
    }
    if (!mt_reliability_curve(sure, right, n, BINS, MT_BINS_EQUAL_WIDTH, bins, error))
        return false;
    mt_metrics_add(e->metrics, "brier", mt_estimate_ratio(squares, n), 0, 0, "there is no case");
    mt_metrics_add(e->metrics, "ece", mt_calibration_error(bins, BINS), 0, 0, "there is no case");
    return true;
}

static bool measure_matrix(mt_evaluation *e, GError **error)
{
    g_autofree int *called = take_calls(e, false), *truth = take_calls(e, true);
    int64_t         n = e->subjects->len, right = 0;
    mt_matrix_rates r;

    e->confusion = g_new0(int64_t, (gsize)e->n_labels * (gsize)e->n_labels);
    if (!mt_confusion_matrix(called, truth, n, e->n_labels, e->confusion, error) ||
        !mt_matrix_measure(e->confusion, e->n_labels, LEVEL, &r, error))
        return false;
    if (e->task == MT_TASK_BINARY)
        return true;
    for (int k = 0; k < e->n_labels; k++)
        right += e->confusion[k * e->n_labels + k];
    mt_metrics_add(e->metrics, "accuracy", r.accuracy, right, n, "there is no case");
    mt_metrics_add(e->metrics, "balanced_accuracy", r.balanced_accuracy, 0, 0, "there is no case");
    mt_metrics_add(e->metrics, "macro_f1", r.macro_f1, 0, 0, "there is no case");
    mt_metrics_add(e->metrics, "weighted_f1", r.weighted_f1, 0, 0, "there is no case");
    mt_metrics_add(e->metrics, "mcc", r.mcc, 0, 0, "all cases are of one class, or called so");
    return add_kappas(e, error) && add_calibration(e, error);
}

static void measure_labels(mt_evaluation *e)
{
    if (e->task == MT_TASK_BINARY) {
        const mt_view *v = e->views->pdata[0];
        g_array_append_vals(e->metrics, v->metrics->data, v->metrics->len);
        return;
    }
    add_mean(e, "macro_auroc", "auroc");
    add_mean(e, "macro_auprc", "auprc");
    if (e->task == MT_TASK_MULTILABEL) {
        add_mean(e, "macro_sensitivity", "sensitivity");
        add_mean(e, "macro_specificity", "specificity");
        add_mean(e, "macro_f1", "f1");
    }
}

static void warn_undefined(mt_evaluation *e)
{
    for (guint i = 0; i < e->views->len; i++) {
        const mt_view *v = e->views->pdata[i];
        if (v->n_positive == 0 || v->n_positive == v->n)
            mt_evaluation_warn(e, "%s: all %d cases %s: AUROC, AUPRC and others are not defined", v->label, v->n,
                               v->n_positive == 0 ? "are without it" : "have it");
    }
}

bool mt_evaluation_measure(mt_evaluation *e, GError **error)
{
    bool survival = e->task == MT_TASK_HAZARD || e->task == MT_TASK_COX;

    for (int k = e->task == MT_TASK_BINARY ? 1 : 0; k < e->n_labels && !survival; k++) {
        mt_view *v = mt_view_new(e, k, error);
        if (v == NULL)
            return false;
        g_ptr_array_add(e->views, v);
    }
    if (!survival && e->task != MT_TASK_MULTILABEL && !measure_matrix(e, error))
        return false;
    if (survival)
        return mt_evaluation_measure_survival(e, error);
    measure_labels(e);
    warn_undefined(e);
    return true;
}
