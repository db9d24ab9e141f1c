/* An evaluation as a table for a terminal. */
#include "src/export/evaluation_parts.h"

#include <math.h>
#include <string.h>

static void put_head(GString *t, const mt_evaluation *e)
{
    char value[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(t, "%s against %s: %u %ss, task %s", e->folder, e->labels_path, e->subjects->len, e->level,
                           mt_task_name(e->task));
    if (e->task == MT_TASK_BINARY) {
        const mt_view *v = e->views->pdata[0];
        g_string_append_printf(t, ", %d %s and %d not, threshold %s", v->n_positive, v->label, v->n - v->n_positive,
                               g_ascii_formatd(value, sizeof value, "%.6g", e->threshold));
    }
    if (e->prevalence > 0)
        g_string_append_printf(t, ", stated prevalence %s", g_ascii_formatd(value, sizeof value, "%.6g", e->prevalence));
    if (e->n_trained_on > 0)
        g_string_append_printf(t, " (TRAINED ON: %u of these)", e->n_trained_on);
    g_string_append(t, ((const mt_subject *)e->subjects->pdata[0])->prediction->demonstration ? " (DEMONSTRATION)\n\n" : "\n\n");
}

static void end_line(GString *t)
{
    while (t->str[t->len - 1] == ' ')
        g_string_truncate(t, t->len - 1);
    g_string_append_c(t, '\n');
}

void mt_text_metric(GString *t, const mt_metric *m)
{
    char text[MT_ESTIMATE_TEXT_BYTES], low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];

    if (!m->estimate.defined) {
        g_string_append_printf(t, "  %-24s not defined: %s\n", mt_metric_title(m->name), m->undefined);
        return;
    }
    g_string_append_printf(t, "  %-24s %-25s", mt_metric_title(m->name), mt_estimate_text(&m->estimate, text));
    if (m->bootstrapped)
        g_string_append_printf(t, " bootstrap %s to %s", g_ascii_formatd(low, sizeof low, "%.3f", m->low),
                               g_ascii_formatd(high, sizeof high, "%.3f", m->high));
    if (m->n > 0)
        g_string_append_printf(t, " %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, m->hits, m->n);
    end_line(t);
}

static void put_classes(GString *t, const mt_evaluation *e)
{
    static const char *const columns[] = {"auroc", "sensitivity", "specificity"};
    char                     text[MT_ESTIMATE_TEXT_BYTES];

    if (e->views->len < 2)
        return;
    g_string_append_printf(t, "\n  %-20s %6s %6s  %-24s %-24s %s\n", "label", "n", "with", "AUROC", "sensitivity", "specificity");
    for (guint i = 0; i < e->views->len; i++) {
        const mt_view *v = e->views->pdata[i];
        g_string_append_printf(t, "  %-20s %6d %6d  ", v->label, v->n, v->n_positive);
        for (size_t c = 0; c < G_N_ELEMENTS(columns); c++) {
            const mt_metric *m = mt_metrics_find(v->metrics, columns[c]);
            g_string_append_printf(t, c < 2 ? "%-24s " : "%s", m != NULL ? mt_estimate_text(&m->estimate, text) : "");
        }
        g_string_append_c(t, '\n');
    }
}

static void put_confusion(GString *t, const mt_evaluation *e)
{
    const char *const *names = mt_targets_labels(e->targets);

    if (e->confusion == NULL)
        return;
    g_string_append_printf(t, "\n  %-20s", "is \\ called");
    for (int k = 0; k < e->n_labels; k++)
        g_string_append_printf(t, " %10s", names[k]);
    g_string_append_c(t, '\n');
    for (int i = 0; i < e->n_labels; i++) {
        g_string_append_printf(t, "  %-20s", names[i]);
        for (int k = 0; k < e->n_labels; k++)
            g_string_append_printf(t, " %10" G_GINT64_FORMAT, e->confusion[i * e->n_labels + k]);
        g_string_append_c(t, '\n');
    }
}

void mt_text_goals(GString *t, const GArray *goals)
{
    char wanted[G_ASCII_DTOSTR_BUF_SIZE], text[MT_ESTIMATE_TEXT_BYTES];

    if (goals->len > 0)
        g_string_append(t, "\n");
    for (guint i = 0; i < goals->len; i++) {
        const mt_goal *g = &g_array_index(goals, mt_goal, i);
        g_string_append_printf(t, "  goal %s at %s %s: %s, %s bound counts: %s\n", mt_metric_title(g->name), g->upper ? "most" : "least",
                               g_ascii_formatd(wanted, sizeof wanted, "%.4g", g->wanted), mt_estimate_text(&g->got, text),
                               g->upper ? "upper" : "lower", g->met ? "met" : "NOT MET");
    }
}

static void put_gap(GString *t, const char *what, const mt_estimate *gap, const char *const pair[2])
{
    char text[MT_ESTIMATE_TEXT_BYTES];

    if (gap->defined)
        g_string_append_printf(t, "  largest gap in %s %s: %s against %s\n", what, mt_estimate_text(gap, text), pair[0], pair[1]);
}

static void put_grouping(GString *t, const mt_grouping *g, bool binary)
{
    char text[MT_ESTIMATE_TEXT_BYTES];

    g_string_append_printf(t, "\n  %-20s %6s %6s", g->column, "n", binary ? "with" : "");
    for (int k = 0; k < MT_GROUP_METRICS && g->metrics[k] != NULL; k++)
        g_string_append_printf(t, "  %-23s", mt_metric_title(g->metrics[k]));
    end_line(t);
    for (guint i = 0; i < g->groups->len; i++) {
        const mt_group *group = g->groups->pdata[i];
        g_string_append_printf(t, "  %-20s %6d ", group->name, group->n);
        if (binary)
            g_string_append_printf(t, "%6d", group->n_positive);
        else
            g_string_append(t, "      ");
        for (int k = 0; k < MT_GROUP_METRICS && g->metrics[k] != NULL; k++)
            g_string_append_printf(t, "  %-23s", mt_estimate_text(&group->estimates[k], text));
        end_line(t);
    }
    put_gap(t, "sensitivity", &g->tpr_gap, g->tpr_pair);
    put_gap(t, "false positive rate", &g->fpr_gap, g->fpr_pair);
}

void mt_text_comparison(GString *t, const mt_comparison *c, const char *title, bool paired)
{
    char text[3][MT_ESTIMATE_TEXT_BYTES], p[G_ASCII_DTOSTR_BUF_SIZE];

    if (c == NULL)
        return;
    g_string_append_printf(t, "\n  %s %s (%d and %d)\n", title, c->other, c->n, c->n_other);
    for (guint i = 0; i < c->differences->len; i++) {
        const mt_difference *d = &g_array_index(c->differences, mt_difference, i);
        g_autofree char *name = g_strconcat(d->label != NULL ? d->label : "", d->label != NULL ? ": " : "", mt_metric_title(d->name), NULL);
        g_string_append_printf(t, "  %-24s %s, there %s: difference %s", name, mt_estimate_text(&d->first, text[0]),
                               mt_estimate_text(&d->second, text[1]), mt_estimate_text(&d->difference, text[2]));
        if (isfinite(d->p))
            g_string_append_printf(t, ", p = %s", g_ascii_formatd(p, sizeof p, "%.3g", d->p));
        g_string_append_c(t, '\n');
    }
    if (paired && isfinite(c->mcnemar_p))
        g_string_append_printf(t, "  right here alone %" G_GINT64_FORMAT ", there alone %" G_GINT64_FORMAT ", McNemar p = %s\n",
                               c->first_only, c->second_only, g_ascii_formatd(p, sizeof p, "%.3g", c->mcnemar_p));
}

static void put_readers(GString *t, const mt_readers *r)
{
    char text[2][MT_ESTIMATE_TEXT_BYTES];

    if (r == NULL)
        return;
    g_string_append_printf(t,
                           "\n  readers: Fleiss' kappa %s over %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                           " without a majority; model with the majority: kappa %s\n",
                           mt_estimate_text(&r->fleiss, text[0]), r->n_cases, r->n_ties, mt_estimate_text(&r->model_kappa, text[1]));
    for (guint i = 0; i < r->readers->len; i++) {
        const mt_reader *reader = &g_array_index(r->readers, mt_reader, i);
        g_string_append_printf(t, "  %-20s read %" G_GINT64_FORMAT ", kappa with the majority %s, with the model %s\n", reader->name,
                               reader->n, mt_estimate_text(&reader->kappa, text[0]), mt_estimate_text(&reader->model_kappa, text[1]));
    }
}

char *mt_evaluation_text(const mt_evaluation *e)
{
    GString *t = g_string_new(NULL);

    put_head(t, e);
    for (guint i = 0; i < e->metrics->len; i++)
        mt_text_metric(t, &g_array_index(e->metrics, mt_metric, i));
    put_classes(t, e);
    put_confusion(t, e);
    mt_text_goals(t, e->goals);
    mt_evaluation_survival_text(e, t);
    for (guint i = 0; i < e->groupings->len; i++)
        put_grouping(t, e->groupings->pdata[i], e->task == MT_TASK_BINARY);
    mt_text_comparison(t, e->external, "external against internal:", false);
    mt_text_comparison(t, e->comparison, "compared with", true);
    put_readers(t, e->readers);
    return g_string_free(t, FALSE);
}
