/* Intervals for every number at once, by drawing patients again. */
#include "src/evaluate/bootstrap.h"
#include "src/evaluate/evaluation.h"

#define LEVEL 0.95

/* Each draw is measured once, for all metrics; the passes for the others read what the first one kept, in the same order of draws. */
typedef struct draws {
    const mt_evaluation *e;
    GPtrArray           *kept; /* mt_estimate[n_metrics] of each draw */
    guint                n_metrics, metric, draw;
} draws;

/* All metrics of an evaluation in one row: those over all labels, then those of each label where there are several. */
static guint count_metrics(const mt_evaluation *e)
{
    guint n = e->metrics->len;

    for (guint i = 0; i < e->views->len && e->views->len > 1; i++)
        n += ((const mt_view *)e->views->pdata[i])->metrics->len;
    return n;
}

static mt_metric *metric_at(const mt_evaluation *e, guint at)
{
    if (at < e->metrics->len)
        return &g_array_index(e->metrics, mt_metric, at);
    at -= e->metrics->len;
    for (guint i = 0; i < e->views->len; i++) {
        const mt_view *v = e->views->pdata[i];
        if (at < v->metrics->len)
            return &g_array_index(v->metrics, mt_metric, at);
        at -= v->metrics->len;
    }
    return NULL;
}

static bool measure_draw(draws *d, const int64_t *rows, int64_t n, GError **error)
{
    g_autoptr(GPtrArray) subjects = g_ptr_array_sized_new((guint)n);
    mt_estimate *all = g_new0(mt_estimate, d->n_metrics + 1);

    g_ptr_array_add(d->kept, all);
    for (int64_t i = 0; i < n; i++)
        g_ptr_array_add(subjects, d->e->subjects->pdata[rows[i]]);
    g_autoptr(mt_evaluation) sub = mt_evaluation_of(d->e, subjects, error);
    for (guint k = 0; sub != NULL && k < d->n_metrics; k++)
        all[k] = metric_at(sub, k)->estimate;
    return sub != NULL;
}

static bool one_metric(const int64_t *rows, int64_t n, const void *data, mt_estimate *estimate, GError **error)
{
    draws *d = (draws *)(uintptr_t)data;

    if (d->metric == 0 && !measure_draw(d, rows, n, error))
        return false;
    *estimate = ((const mt_estimate *)d->kept->pdata[d->draw++])[d->metric];
    return true;
}

static void take_interval(mt_metric *m, const mt_bootstrap_result *result)
{
    if (!result->estimate.defined || result->estimate.interval == NULL)
        return;
    m->bootstrapped = true;
    m->low = result->estimate.low;
    m->high = result->estimate.high;
    if (m->estimate.defined && m->estimate.interval == NULL)
        m->estimate = mt_estimate_between(m->estimate.value, m->low, m->high, "bootstrap");
}

bool mt_evaluation_resample(mt_evaluation *e, GError **error)
{
    g_autofree int64_t *patients = mt_evaluation_patients(e, NULL);
    g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
    draws               d = {.e = e, .kept = kept, .n_metrics = count_metrics(e)};
    mt_bootstrap_params params = {
        .resamples = e->bootstrap, .seed = e->seed, .level = LEVEL, .interval = MT_BOOTSTRAP_PERCENTILE, .cluster = patients};

    for (; d.metric < d.n_metrics; d.metric++) {
        mt_bootstrap_result result;
        d.draw = 0;
        if (!mt_bootstrap(e->subjects->len, one_metric, &d, &params, &result, error))
            return false;
        take_interval(metric_at(e, d.metric), &result);
    }
    if (e->views->len == 1) { /* a binary task: the numbers of the one label are those of the whole */
        mt_view *v = e->views->pdata[0];
        g_array_set_size(v->metrics, 0);
        g_array_append_vals(v->metrics, e->metrics->data, e->metrics->len);
    }
    return true;
}
