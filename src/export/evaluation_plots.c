/* The plots of an evaluation. */
#include "src/export/evaluation_parts.h"
#include "src/export/plot_svg.h"

#include <math.h>
#include <string.h>

#define CURVES 7 /* as many as there are colours */

static const double UNIT[] = {0, 1};

/* "tumour: 0.93 (0.88 to 0.97)" */
static char *name_curve(const mt_view *v, const char *metric)
{
    const mt_metric *m = mt_metrics_find(v->metrics, metric);
    char             text[MT_ESTIMATE_TEXT_BYTES];

    return m != NULL ? g_strdup_printf("%s: %s %s", v->label, mt_metric_title(metric), mt_estimate_text(&m->estimate, text))
                     : g_strdup(v->label);
}

/* Room for the curves, two points each for chance and the operating point, and their names. */
typedef struct sheet {
    mt_plot_series series[CURVES + 2];
    char          *names[CURVES];
    int            n, n_names;
} sheet;

static void sheet_clear(sheet *s)
{
    for (int i = 0; i < s->n_names; i++)
        g_free(s->names[i]);
}

/* The curves in the unit square; clears them. */
static char *draw(sheet *s, const char *title, const char *x_label, const char *y_label)
{
    const mt_plot plot = {.title = title,
                          .x_label = x_label,
                          .y_label = y_label,
                          .x_max = 1,
                          .y_max = 1,
                          .height_px = 380 + 18 * s->n,
                          .series = s->series,
                          .n_series = s->n};
    char         *svg = mt_plot_svg(&plot);

    sheet_clear(s);
    return svg;
}

static void add_curve(sheet *s, const mt_view *v, const double *x, const double *y, int64_t n, mt_plot_kind kind, const char *metric)
{
    if (n == 0 || s->n_names == CURVES)
        return;
    s->names[s->n_names] = name_curve(v, metric);
    s->series[s->n++] = (mt_plot_series){.name = s->names[s->n_names], .kind = kind, .x = x, .y = y, .n = (int)n, .color = s->n_names + 1};
    s->n_names++;
}

char *mt_evaluation_plot_roc(const mt_evaluation *e)
{
    sheet            s = {0};
    const mt_view   *first = e->views->len > 0 ? e->views->pdata[0] : NULL;
    const mt_metric *sensitivity = first != NULL ? mt_metrics_find(first->metrics, "sensitivity") : NULL;
    const mt_metric *specificity = first != NULL ? mt_metrics_find(first->metrics, "specificity") : NULL;
    double           point[4];

    for (guint i = 0; i < e->views->len; i++) {
        const mt_view *v = e->views->pdata[i];
        add_curve(&s, v, v->roc.x, v->roc.y, v->roc.n, MT_PLOT_LINE, "auroc");
    }
    if (s.n == 0)
        return NULL;
    s.series[s.n++] = (mt_plot_series){.name = "guessing", .kind = MT_PLOT_LINE, .x = UNIT, .y = UNIT, .n = 2, .color = 8, .dashed = true};
    if (e->views->len == 1 && sensitivity != NULL && sensitivity->estimate.defined && specificity->estimate.defined) {
        point[0] = 1 - specificity->estimate.value;
        point[1] = sensitivity->estimate.value;
        point[2] = sensitivity->estimate.low;
        point[3] = sensitivity->estimate.high;
        s.series[s.n++] = (mt_plot_series){.name = "at the threshold",
                                           .kind = MT_PLOT_POINTS,
                                           .x = point,
                                           .y = point + 1,
                                           .low = point + 2,
                                           .high = point + 3,
                                           .n = 1,
                                           .color = 2};
    }
    return draw(&s, "ROC", "1 - specificity", "sensitivity");
}

char *mt_evaluation_plot_pr(const mt_evaluation *e)
{
    sheet  s = {0};
    double share[2];

    for (guint i = 0; i < e->views->len; i++) {
        const mt_view *v = e->views->pdata[i];
        add_curve(&s, v, v->pr.x, v->pr.y, v->pr.n, MT_PLOT_STEP_BACK, "auprc");
    }
    if (s.n == 0)
        return NULL;
    if (e->views->len == 1) {
        const mt_view *v = e->views->pdata[0];
        share[0] = share[1] = (double)v->n_positive / v->n;
        s.series[s.n++] =
            (mt_plot_series){.name = "guessing", .kind = MT_PLOT_LINE, .x = UNIT, .y = share, .n = 2, .color = 8, .dashed = true};
    }
    return draw(&s, "Precision and recall", "recall (sensitivity)", "precision (PPV)");
}

char *mt_evaluation_plot_reliability(const mt_evaluation *e)
{
    sheet s = {0};

    for (guint i = 0; i < e->views->len; i++) {
        const mt_view *v = e->views->pdata[i];
        add_curve(&s, v, v->reliability.x, v->reliability.y, v->reliability.n, MT_PLOT_LINE, "ece");
    }
    if (s.n == 0)
        return NULL;
    if (e->views->len == 1) {
        s.series[s.n] = s.series[0];
        s.series[s.n].kind = MT_PLOT_POINTS;
        s.series[s.n++].name = NULL;
    }
    s.series[s.n++] =
        (mt_plot_series){.name = "perfect calibration", .kind = MT_PLOT_LINE, .x = UNIT, .y = UNIT, .n = 2, .color = 8, .dashed = true};
    return draw(&s, "Reliability", "mean score of the bin", "share of positive cases");
}

/* What happens below guessing is cut off: a net loss of any size is a loss. */
static double lowest_benefit(const mt_points *p)
{
    double low = 0;

    for (int i = 0; i < p->n; i++)
        low = MIN(low, p->y[i]);
    return MAX(low, -0.1) - 0.02;
}

char *mt_evaluation_plot_decision(const mt_evaluation *e)
{
    const mt_view   *v = e->views->len == 1 ? e->views->pdata[0] : NULL;
    const mt_points *p = v != NULL ? &v->decision : NULL;
    const double     none[] = {0, 0};
    double           high = 0;

    if (p == NULL || p->n == 0)
        return NULL;
    for (int i = 0; i < p->n; i++)
        high = MAX(high, MAX(p->y[i], p->second[i]));
    const mt_plot_series series[] = {
        {.name = "the model", .kind = MT_PLOT_LINE, .x = p->x, .y = p->y, .n = p->n, .color = 1},
        {.name = "call every case", .kind = MT_PLOT_LINE, .x = p->x, .y = p->second, .n = p->n, .color = 2},
        {.name = "call none", .kind = MT_PLOT_LINE, .x = UNIT, .y = none, .n = 2, .color = 8, .dashed = true},
    };
    const mt_plot plot = {.title = "Decision curve",
                          .x_label = "threshold probability",
                          .y_label = "net benefit",
                          .x_max = 1,
                          .y_min = lowest_benefit(p),
                          .y_max = high + 0.02,
                          .height_px = 380 + 18 * 3,
                          .series = series,
                          .n_series = 3};
    return mt_plot_svg(&plot);
}

/* NAN where the group does not say. */
static void spread(const mt_grouping *g, int metric, double *x, double *rows)
{
    guint n = g->groups->len;

    for (guint i = 0; i < n; i++) {
        const mt_estimate *e = &((const mt_group *)g->groups->pdata[i])->estimates[metric];
        bool               between = e->defined && e->interval != NULL;
        x[i] = i + 0.15 * (metric - 1);
        rows[i] = e->defined ? e->value : (double)NAN;
        rows[n + i] = between ? e->low : (double)NAN;
        rows[2 * n + i] = between ? e->high : (double)NAN;
    }
}

char *mt_evaluation_plot_groups(const mt_grouping *g)
{
    guint              n = g->groups->len;
    g_autofree double *values = g_new(double, 4 * MT_GROUP_METRICS * (gsize)n + 1);
    const char       **names = g_new0(const char *, n + 1);
    mt_plot_series     series[MT_GROUP_METRICS];
    int                n_series = 0;

    for (guint i = 0; i < n; i++)
        names[i] = ((const mt_group *)g->groups->pdata[i])->name;
    for (; n_series < MT_GROUP_METRICS && g->metrics[n_series] != NULL; n_series++) {
        double *x = values + n_series * 4 * (gsize)n, *y = x + n;
        spread(g, n_series, x, y);
        series[n_series] = (mt_plot_series){.name = mt_metric_title(g->metrics[n_series]),
                                            .kind = MT_PLOT_POINTS,
                                            .x = x,
                                            .y = y,
                                            .low = y + n,
                                            .high = y + 2 * (gsize)n,
                                            .n = (int)n};
    }
    const mt_plot plot = {.x_min = -0.5,
                          .x_max = n - 0.5,
                          .y_max = 1,
                          .width_px = CLAMP(160 + 90 * (int)n, 460, 980),
                          .height_px = 320,
                          .series = series,
                          .n_series = n_series,
                          .x_names = names};
    char         *svg = n > 0 ? mt_plot_svg(&plot) : NULL;
    g_free(names);
    return svg;
}
