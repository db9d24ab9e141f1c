/* Survival: does the risk order the times, and do those of high risk live shorter than those of low. */
#include "src/evaluate/bootstrap.h"
#include "src/evaluate/concordance.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/evaluation.h"
#include "src/evaluate/log_rank.h"

#include <math.h>
#include <string.h>

#define LEVEL 0.95

/* Risks, times and events beside each other. */
typedef struct outcomes {
    int64_t n, n_events;
    double *risks, *times;
    int    *events;
} outcomes;

/* A head of intervals is the surer of an early event, the less it gives to surviving each. */
double mt_evaluation_risk(const mt_evaluation *e, const mt_subject *s)
{
    double sum = 0;

    if (e->task == MT_TASK_COX)
        return s->scores[0];
    for (int k = 0; k < e->n_labels; k++)
        sum += s->scores[k];
    return -sum;
}

static outcomes take(const mt_evaluation *e)
{
    guint    n = e->subjects->len;
    outcomes o = {.n = n, .risks = g_new(double, n + 1), .times = g_new(double, n + 1), .events = g_new(int, n + 1)};

    for (guint i = 0; i < n; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        o.risks[i] = mt_evaluation_risk(e, s);
        o.times[i] = s->time;
        o.n_events += o.events[i] = s->event;
    }
    return o;
}

static void outcomes_clear(outcomes *o)
{
    g_free(o->risks);
    g_free(o->times);
    g_free(o->events);
}

bool mt_evaluation_measure_survival(mt_evaluation *e, GError **error)
{
    outcomes       o = take(e);
    mt_concordance c;
    bool           ok = mt_concordance_index(o.risks, o.times, o.events, o.n, &c, error);

    if (ok) {
        mt_metrics_add(e->metrics, "c_index", c.index, 0, 0,
                       "no two cases can be compared: an event is needed, and someone followed for longer");
        mt_metrics_add(e->metrics, "events", mt_estimate_ratio((double)o.n_events, (double)o.n), o.n_events, o.n, "there is no case");
    }
    outcomes_clear(&o);
    return ok;
}

void mt_risk_groups_free(mt_risk_groups *r)
{
    for (int g = 0; r != NULL && g < 2; g++) {
        mt_curve_clear(&r->groups[g].curve);
        g_free(r->groups[g].low);
        g_free(r->groups[g].high);
    }
    g_free(r);
}

static gint compare_doubles(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median_of(const outcomes *o)
{
    g_autofree double *sorted = g_memdup2(o->risks, (gsize)o->n * sizeof *sorted);
    int64_t            middle = o->n / 2;

    qsort(sorted, (size_t)o->n, sizeof *sorted, compare_doubles);
    return o->n % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/* A cut of the evaluated cases themselves is no rule for the next ones; one that was stored is. */
static void choose_cut(const mt_evaluation *e, const mt_evaluation_params *params, const outcomes *o, mt_risk_groups *r)
{
    double of_head = ((const mt_subject *)e->subjects->pdata[0])->prediction->threshold;

    if (!isnan(params->threshold)) {
        r->cut = params->threshold;
        r->cut_source = "option";
    } else if (e->task == MT_TASK_COX && isfinite(of_head)) {
        r->cut = of_head;
        r->cut_source = "head";
    } else {
        r->cut = median_of(o);
        r->cut_source = "median";
    }
}

/* On the scale of log(-log S), where the interval stays within 0 and 1 (Kalbfleisch and Prentice). */
static void set_bounds(mt_risk_group *g, double z)
{
    const mt_curve *c = &g->curve;

    g->low = g_new(double, (gsize)c->n + 1);
    g->high = g_new(double, (gsize)c->n + 1);
    for (int64_t i = 0; i < c->n; i++) {
        double share = c->y[i], reach = share > 0 && share < 1 ? z * c->threshold[i] / (share * -log(share)) : (double)NAN;
        g->low[i] = pow(share, exp(reach));
        g->high[i] = pow(share, exp(-reach));
        if (share == 1)
            g->low[i] = g->high[i] = 1;
    }
}

static bool draw_group(mt_risk_groups *r, int which, const outcomes *o, const int *high, GError **error)
{
    mt_risk_group     *g = &r->groups[which];
    g_autofree double *times = g_new(double, (gsize)o->n + 1);
    g_autofree int    *events = g_new(int, (gsize)o->n + 1);
    double             z;

    for (int64_t i = 0; i < o->n; i++) {
        if (high[i] != which)
            continue;
        times[g->n] = o->times[i];
        g->n_events += events[g->n++] = o->events[i];
        for (int k = 0; k < r->n_times; k++)
            g->at_risk[k] += o->times[i] >= r->times[k];
    }
    if (!mt_level_z(LEVEL, &z, error) || !mt_kaplan_meier(times, events, g->n, &g->curve, error))
        return false;
    for (int64_t i = 0; i < g->curve.n && !g->median.defined; i++)
        if (g->curve.y[i] <= 0.5)
            g->median = mt_estimate_point(g->curve.x[i]);
    set_bounds(g, z);
    return true;
}

/* Round times, 1, 2 or 5 times a power of ten apart, up to the last one that anybody was followed to. */
static void choose_times(mt_risk_groups *r, const outcomes *o)
{
    double last = 0, step, power;

    for (int64_t i = 0; i < o->n; i++)
        last = MAX(last, o->times[i]);
    if (last > 0) {
        power = pow(10, floor(log10(last / (MT_RISK_TIMES - 1))));
        step = last / (MT_RISK_TIMES - 1) / power;
        step = power * (step <= 1 ? 1 : step <= 2 ? 2 : step <= 5 ? 5 : 10);
        while (r->n_times < MT_RISK_TIMES && r->n_times * step <= last) {
            r->times[r->n_times] = r->n_times * step;
            r->n_times++;
        }
    } else
        r->n_times = 1;
}

bool mt_evaluation_risk_groups(mt_evaluation *e, const mt_evaluation_params *params, GError **error)
{
    outcomes        o = take(e);
    mt_risk_groups *r = e->risk_groups = g_new0(mt_risk_groups, 1);
    g_autofree int *high = g_new(int, (gsize)o.n + 1);
    mt_log_rank     test;

    r->groups[0].name = "low risk";
    r->groups[1].name = "high risk";
    choose_cut(e, params, &o, r);
    choose_times(r, &o);
    for (int64_t i = 0; i < o.n; i++)
        high[i] = o.risks[i] >= r->cut;
    bool ok = draw_group(r, 0, &o, high, error) && draw_group(r, 1, &o, high, error) &&
              mt_log_rank_test(o.times, o.events, high, o.n, LEVEL, &test, error);
    if (ok && test.tested) {
        r->tested = true;
        r->chi_squared = test.chi_squared;
        r->p = test.p;
        r->hazard_ratio = test.hazard_ratio;
    }
    outcomes_clear(&o);
    return ok;
}

/* Two runs over the same subjects, in one order. */
typedef struct pair {
    outcomes first, second;
} pair;

static bool concordance_of(const outcomes *o, const int64_t *rows, int64_t n, mt_estimate *index, GError **error)
{
    outcomes drawn = {
        .n = n, .risks = g_new(double, (gsize)n + 1), .times = g_new(double, (gsize)n + 1), .events = g_new(int, (gsize)n + 1)};
    mt_concordance c;

    for (int64_t i = 0; i < n; i++) {
        drawn.risks[i] = o->risks[rows[i]];
        drawn.times[i] = o->times[rows[i]];
        drawn.events[i] = o->events[rows[i]];
    }
    bool ok = mt_concordance_index(drawn.risks, drawn.times, drawn.events, n, &c, error);
    *index = c.index;
    outcomes_clear(&drawn);
    return ok;
}

static bool difference_of(const int64_t *rows, int64_t n, const void *data, mt_estimate *difference, GError **error)
{
    const pair *p = data;
    mt_estimate a, b;

    if (!concordance_of(&p->first, rows, n, &a, error) || !concordance_of(&p->second, rows, n, &b, error))
        return false;
    *difference = a.defined && b.defined ? mt_estimate_point(a.value - b.value) : (mt_estimate){.defined = false};
    return true;
}

static bool first_of(const int64_t *rows, int64_t n, const void *data, mt_estimate *index, GError **error)
{
    return concordance_of(&((const pair *)data)->first, rows, n, index, error);
}

static bool second_of(const int64_t *rows, int64_t n, const void *data, mt_estimate *index, GError **error)
{
    return concordance_of(&((const pair *)data)->second, rows, n, index, error);
}

bool mt_evaluation_spread_survival(mt_evaluation *e, GError **error)
{
    pair                p = {.first = take(e)};
    g_autofree int64_t *patients = mt_evaluation_patients(e, NULL);
    mt_estimate        *index = &g_array_index(e->metrics, mt_metric, 0).estimate;
    mt_bootstrap_result drawn;
    mt_bootstrap_params draws = {.resamples = e->bootstrap > 0 ? e->bootstrap : MT_EVALUATION_ROUNDS,
                                 .seed = e->seed,
                                 .level = LEVEL,
                                 .interval = MT_BOOTSTRAP_PERCENTILE,
                                 .cluster = patients};
    bool                ok = !index->defined || mt_bootstrap(p.first.n, first_of, &p, &draws, &drawn, error);

    if (ok && index->defined && drawn.estimate.interval != NULL)
        *index = mt_estimate_between(index->value, drawn.estimate.low, drawn.estimate.high, "bootstrap");
    outcomes_clear(&p.first);
    return ok;
}

bool mt_evaluation_compare_survival(const mt_evaluation *a, const mt_evaluation *b, mt_difference *d, GError **error)
{
    pair                p = {.first = take(a), .second = take(b)};
    g_autofree int64_t *patients = mt_evaluation_patients(a, NULL);
    mt_bootstrap_result first, second, both;
    mt_bootstrap_params draws = {.resamples = a->bootstrap > 0 ? a->bootstrap : MT_EVALUATION_ROUNDS,
                                 .seed = a->seed,
                                 .level = LEVEL,
                                 .interval = MT_BOOTSTRAP_PERCENTILE,
                                 .cluster = patients};
    bool                ok = mt_bootstrap(p.first.n, first_of, &p, &draws, &first, error) &&
              mt_bootstrap(p.first.n, second_of, &p, &draws, &second, error) &&
              mt_bootstrap(p.first.n, difference_of, &p, &draws, &both, error);

    if (ok) {
        *d = (mt_difference){.name = "c_index", .first = first.estimate, .second = second.estimate, .difference = both.estimate, .p = NAN};
        mt_estimate *estimates[] = {&d->first, &d->second, &d->difference};
        for (size_t i = 0; i < G_N_ELEMENTS(estimates); i++)
            if (estimates[i]->interval != NULL)
                estimates[i]->interval = "bootstrap";
        if (both.estimate.defined && both.deviation > 0)
            d->p = mt_chi2_1_tail(both.estimate.value * both.estimate.value / (both.deviation * both.deviation));
    }
    outcomes_clear(&p.first);
    outcomes_clear(&p.second);
    return ok;
}
