/* An evaluation as one HTML page: no file beside it, nothing fetched, ready to print. */
#include "src/export/evaluation_parts.h"

#include <math.h>
#include <string.h>

static const char STYLE[] =
    "body{font:15px/1.5 Helvetica,Arial,'Noto Sans','Noto Sans KR',sans-serif;color:#18202e;background:#fff;max-width:1040px;margin:0 auto;"
    "padding:28px 24px 60px}\n"
    "h1{font-size:26px;margin:0 0 2px}h2{font-size:19px;margin:36px 0 8px;border-bottom:1px solid #d6dbe3;padding-bottom:4px}"
    "h3{font-size:15px;margin:20px 0 8px}\n"
    ".lead,.note{color:#5b6472}.lead{margin:0 0 20px}.note{font-size:13px}\n"
    ".cards{display:flex;flex-wrap:wrap;gap:12px}.card{border:1px solid #d6dbe3;border-radius:8px;padding:12px 16px;flex:1 1 150px}"
    ".card b{display:block;font-size:26px;line-height:1.2}.card span{display:block;color:#5b6472;font-size:13px}\n"
    "table{border-collapse:collapse;margin:6px 0 12px}th,td{padding:5px 12px;text-align:left;border-bottom:1px solid #e3e6ea;"
    "vertical-align:top}th{font-weight:600;color:#4a5361;font-size:13px}td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:"
    "tabular-nums}\n"
    "table.matrix td{text-align:center;min-width:56px;border:1px solid #fff;font-variant-numeric:tabular-nums}"
    "table.matrix th{border:0;text-align:center}table.matrix th.row{text-align:right}\n"
    ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(440px,1fr));gap:12px 20px}.plots svg{max-width:100%;height:auto}\n"
    ".gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:16px}figure{margin:0;border:1px solid #d6dbe3;"
    "border-radius:8px;padding:10px 12px;break-inside:avoid}figure img{max-width:100%;height:auto;display:block;margin:8px auto}"
    "figcaption b{word-break:break-all}figcaption span{display:block;font-size:13px;color:#4a5361}\n"
    "ol.tiles{margin:6px 0 0;padding-left:22px;font-size:13px;color:#4a5361;font-variant-numeric:tabular-nums}\n"
    ".warn{border-left:4px solid #e69f00;background:#fff8e8;padding:8px 14px;margin:10px 0}\n"
    ".met{color:#00694d;font-weight:600}.missed{color:#a8321c;font-weight:600}\n"
    "footer{margin-top:40px;border-top:1px solid #d6dbe3;padding-top:10px;color:#5b6472;font-size:13px}\n"
    "@media print{body{padding:0;max-width:none;font-size:12px}h2{break-after:avoid}table,.card,.plots svg{break-inside:avoid}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

void mt_html_text(GString *html, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *escaped = g_markup_escape_text(valid, -1);

    g_string_append(html, escaped);
}

/* The values alone are escaped, the format is markup. */
void mt_html_printf(GString *html, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_autofree char *text = g_markup_vprintf_escaped(format, values);
    va_end(values);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_string_append(html, valid);
}

void mt_html_card(GString *html, const GArray *metrics, const char *name)
{
    const mt_metric *m = mt_metrics_find(metrics, name);
    char             value[G_ASCII_DTOSTR_BUF_SIZE], low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];

    if (m == NULL)
        return;
    g_ascii_formatd(value, sizeof value, "%.3f", m->estimate.value);
    g_ascii_formatd(low, sizeof low, "%.3f", m->estimate.low);
    g_ascii_formatd(high, sizeof high, "%.3f", m->estimate.high);
    mt_html_printf(html, "<div class=\"card\"><span>%s</span><b>%s</b>", mt_metric_title(name), m->estimate.defined ? value : "–");
    if (!m->estimate.defined)
        mt_html_printf(html, "<span>%s</span>", m->undefined);
    else if (m->estimate.interval != NULL)
        mt_html_printf(html, "<span>95 %%: %s to %s</span>", low, high);
    g_string_append(html, "</div>\n");
}

static void put_cards(GString *html, const mt_evaluation *e)
{
    static const char *const names[] = {"auroc",       "sensitivity", "specificity",       "ppv",     "npv",
                                        "macro_auroc", "c_index",     "balanced_accuracy", "accuracy"};
    int                      n = 0;

    g_string_append(html, "<div class=\"cards\">\n");
    for (size_t i = 0; i < G_N_ELEMENTS(names) && n < 5; i++)
        if (mt_metrics_find(e->metrics, names[i]) != NULL) {
            mt_html_card(html, e->metrics, names[i]);
            n++;
        }
    g_string_append(html, "</div>\n");
}

static void put_lead(GString *html, const mt_evaluation *e)
{
    const char *noun = strcmp(e->level, "patient") == 0 ? "patients" : "cases";
    char        value[G_ASCII_DTOSTR_BUF_SIZE];

    mt_html_printf(html, "<h1>Evaluation of %s%s</h1>\n<p class=\"lead\">%u %s against %s", e->folder,
                   e->n_trained_on > 0 ? " on cases it was trained on" : "", e->subjects->len, noun, e->labels_path);
    if (e->task == MT_TASK_BINARY && e->views->len == 1) {
        const mt_view *v = e->views->pdata[0];
        mt_html_printf(html, ": %d %s, %d not", v->n_positive, v->label, v->n - v->n_positive);
    }
    g_string_append(html, ". ");
    if (isfinite(e->threshold)) {
        static const char *const sources[][2] = {{"head", "from the head's card"}, {"option", "given"}, {"default", "none was set"}};
        mt_html_printf(html, "Threshold %s", g_ascii_formatd(value, sizeof value, "%.6g", e->threshold));
        for (size_t i = 0; i < G_N_ELEMENTS(sources); i++)
            if (strcmp(e->threshold_source, sources[i][0]) == 0)
                mt_html_printf(html, " (%s). ", sources[i][1]);
    }
    if (e->prevalence > 0)
        mt_html_printf(html, "Stated prevalence %s. ", g_ascii_formatd(value, sizeof value, "%.6g", e->prevalence));
    mt_html_printf(html, "Task: %s. Intervals are at 95 %%.</p>\n", mt_task_name(e->task));
}

void mt_html_warnings(GString *html, const GPtrArray *warnings)
{
    for (guint i = 0; warnings->pdata[i] != NULL; i++)
        mt_html_printf(html, "<p class=\"warn\">%s</p>\n", (const char *)warnings->pdata[i]);
}

void mt_html_goals(GString *html, const GArray *goals)
{
    char wanted[G_ASCII_DTOSTR_BUF_SIZE], bound[G_ASCII_DTOSTR_BUF_SIZE], got[MT_ESTIMATE_TEXT_BYTES];

    if (goals->len == 0)
        return;
    g_string_append(html, "<h2>Goals</h2>\n<table><tr><th>Goal</th><th class=\"n\">Wanted</th><th>Reached</th><th class=\"n\">Bound that "
                          "counts</th><th></th></tr>\n");
    for (guint i = 0; i < goals->len; i++) {
        const mt_goal *g = &g_array_index(goals, mt_goal, i);
        bool           between = g->got.defined && g->got.interval != NULL;
        g_ascii_formatd(wanted, sizeof wanted, "%.4g", g->wanted);
        g_ascii_formatd(bound, sizeof bound, "%.3f", g->upper ? g->got.high : g->got.low);
        mt_html_printf(html, "<tr><td>%s</td><td class=\"n\">%s %s</td><td>%s</td><td class=\"n\">%s</td>", mt_metric_title(g->name),
                       g->upper ? "at most" : "at least", wanted, mt_estimate_text(&g->got, got), between ? bound : "none");
        mt_html_printf(html, "<td class=\"%s\">%s</td></tr>\n", g->met ? "met" : "missed", g->met ? "met" : "not met");
    }
    g_string_append(html,
                    "</table>\n<p class=\"note\">A goal is met when the bound of the interval reaches it, not the value alone.</p>\n");
}

static void put_metric_row(GString *html, const mt_metric *m, bool bootstrapped)
{
    char text[MT_ESTIMATE_TEXT_BYTES], low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];

    mt_html_printf(html, "<tr><td>%s</td><td class=\"n\">%s</td>", mt_metric_title(m->name), mt_estimate_text(&m->estimate, text));
    if (bootstrapped && m->bootstrapped)
        mt_html_printf(html, "<td class=\"n\">%s to %s</td>", g_ascii_formatd(low, sizeof low, "%.3f", m->low),
                       g_ascii_formatd(high, sizeof high, "%.3f", m->high));
    else if (bootstrapped)
        g_string_append(html, "<td></td>");
    if (m->n > 0)
        mt_html_printf(html, "<td class=\"n\">%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT "</td>", m->hits, m->n);
    else
        g_string_append(html, "<td></td>");
    mt_html_printf(html, "<td class=\"note\">%s%s%s</td></tr>\n", m->estimate.defined ? mt_metric_meaning(m->name) : m->undefined,
                   m->estimate.defined && m->estimate.interval != NULL ? "; interval: " : "",
                   m->estimate.defined && m->estimate.interval != NULL ? m->estimate.interval : "");
}

void mt_html_metrics(GString *html, const GArray *metrics, int rounds)
{
    g_string_append(html, "<h2>Numbers</h2>\n<table><tr><th></th><th class=\"n\">Value (95 %)</th>");
    if (rounds > 0)
        mt_html_printf(html, "<th class=\"n\">Bootstrap, %d rounds</th>", rounds);
    g_string_append(html, "<th class=\"n\">Cases</th><th>What it says</th></tr>\n");
    for (guint i = 0; i < metrics->len; i++)
        put_metric_row(html, &g_array_index(metrics, mt_metric, i), rounds > 0);
    g_string_append(html, "</table>\n");
}

static void put_classes(GString *html, const mt_evaluation *e)
{
    static const char *const columns[] = {"auroc", "auprc", "sensitivity", "specificity"};
    char                     text[MT_ESTIMATE_TEXT_BYTES];

    if (e->views->len < 2)
        return;
    g_string_append(html, "<h3>Each label against the others</h3>\n<table><tr><th>Label</th><th class=\"n\">n</th>"
                          "<th class=\"n\">with it</th>");
    for (size_t c = 0; c < G_N_ELEMENTS(columns); c++)
        mt_html_printf(html, "<th class=\"n\">%s</th>", mt_metric_title(columns[c]));
    g_string_append(html, "</tr>\n");
    for (guint i = 0; i < e->views->len; i++) {
        const mt_view *v = e->views->pdata[i];
        mt_html_printf(html, "<tr><td>%s</td><td class=\"n\">%d</td><td class=\"n\">%d</td>", v->label, v->n, v->n_positive);
        for (size_t c = 0; c < G_N_ELEMENTS(columns); c++) {
            const mt_metric *m = mt_metrics_find(v->metrics, columns[c]);
            mt_html_printf(html, "<td class=\"n\">%s</td>", m != NULL ? mt_estimate_text(&m->estimate, text) : "");
        }
        g_string_append(html, "</tr>\n");
    }
    g_string_append(html, "</table>\n");
}

static void put_cell(GString *html, int64_t count, int64_t of, bool right)
{
    double share = of > 0 ? (double)count / (double)of : 0;
    int    light = (int)lround(97 - 42 * share);

    g_string_append_printf(html, "<td style=\"background:hsl(%d,%d%%,%d%%)\">", right ? 205 : 20, count > 0 ? 70 : 0, light);
    g_string_append_printf(html, "%" G_GINT64_FORMAT "</td>", count);
}

static void put_confusion(GString *html, const mt_evaluation *e)
{
    const char *const *names = mt_targets_labels(e->targets);
    int                n = e->n_labels;

    if (e->confusion == NULL)
        return;
    g_string_append(html, "<h3>Confusion matrix</h3>\n<table class=\"matrix\"><tr><th></th>");
    for (int k = 0; k < n; k++)
        mt_html_printf(html, "<th>called %s</th>", names[k]);
    g_string_append(html, "<th>all</th></tr>\n");
    for (int i = 0; i < n; i++) {
        int64_t all = 0;
        for (int k = 0; k < n; k++)
            all += e->confusion[i * n + k];
        mt_html_printf(html, "<tr><th class=\"row\">is %s</th>", names[i]);
        for (int k = 0; k < n; k++)
            put_cell(html, e->confusion[i * n + k], all, i == k);
        mt_html_printf(html, "<td>%" G_GINT64_FORMAT "</td></tr>\n", all);
    }
    g_string_append(html, "</table>\n");
}

static void put_plots(GString *html, const mt_evaluation *e)
{
    char *plots[] = {mt_evaluation_plot_roc(e), mt_evaluation_plot_pr(e), mt_evaluation_plot_reliability(e),
                     mt_evaluation_plot_decision(e)};
    bool  any = false;

    for (size_t i = 0; i < G_N_ELEMENTS(plots); i++)
        any = any || plots[i] != NULL;
    if (any)
        g_string_append(html, "<h2>Curves</h2>\n<div class=\"plots\">\n");
    for (size_t i = 0; i < G_N_ELEMENTS(plots); i++) {
        if (plots[i] != NULL)
            g_string_append_printf(html, "<div>%s</div>\n", plots[i]);
        g_free(plots[i]);
    }
    if (any)
        g_string_append(html, "</div>\n");
    if (e->views->len > 7)
        g_string_append(html, "<p class=\"note\">The first seven labels are drawn; the table has all.</p>\n");
}

static void put_gap(GString *html, const char *what, const mt_estimate *gap, const char *const pair[2])
{
    char text[MT_ESTIMATE_TEXT_BYTES];

    if (gap->defined)
        mt_html_printf(html, "<p>Largest gap in %s: <b>%s</b>, %s against %s.</p>\n", what, mt_estimate_text(gap, text), pair[0], pair[1]);
}

static void put_grouping(GString *html, const mt_evaluation *e, const mt_grouping *g)
{
    char             text[MT_ESTIMATE_TEXT_BYTES];
    bool             binary = e->task == MT_TASK_BINARY;
    g_autofree char *plot = mt_evaluation_plot_groups(g);

    mt_html_printf(html, "<h3>By %s</h3>\n<table><tr><th>%s</th><th class=\"n\">n</th>", g->column, g->column);
    g_string_append(html, binary ? "<th class=\"n\">positive</th>" : "");
    for (int k = 0; k < MT_GROUP_METRICS && g->metrics[k] != NULL; k++)
        mt_html_printf(html, "<th class=\"n\">%s</th>", mt_metric_title(g->metrics[k]));
    g_string_append(html, "</tr>\n");
    for (guint i = 0; i < g->groups->len; i++) {
        const mt_group *group = g->groups->pdata[i];
        mt_html_printf(html, "<tr><td>%s</td><td class=\"n\">%d</td>", group->name, group->n);
        if (binary)
            mt_html_printf(html, "<td class=\"n\">%d</td>", group->n_positive);
        for (int k = 0; k < MT_GROUP_METRICS && g->metrics[k] != NULL; k++)
            mt_html_printf(html, "<td class=\"n\">%s</td>", mt_estimate_text(&group->estimates[k], text));
        g_string_append(html, "</tr>\n");
    }
    g_string_append(html, "</table>\n");
    put_gap(html, "sensitivity", &g->tpr_gap, g->tpr_pair);
    put_gap(html, "false positive rate", &g->fpr_gap, g->fpr_pair);
    if (g->n_unknown > 0)
        mt_html_printf(html, "<p class=\"note\">%d without a %s are in no group.</p>\n", g->n_unknown, g->column);
    if (plot != NULL)
        g_string_append(html, plot);
}

static void put_groupings(GString *html, const mt_evaluation *e)
{
    if (e->groupings->len == 0)
        return;
    g_string_append(html,
                    "<h2>Subgroups</h2>\n<p class=\"note\">Equalised odds wants sensitivity and false positives to be the same in every "
                    "group. Wide intervals mean too few cases to say.</p>\n");
    for (guint i = 0; i < e->groupings->len; i++)
        put_grouping(html, e, e->groupings->pdata[i]);
}

void mt_html_comparison(GString *html, const mt_comparison *c, const char *title, const char *first, const char *second, bool paired)
{
    char text[3][MT_ESTIMATE_TEXT_BYTES], p[G_ASCII_DTOSTR_BUF_SIZE];

    if (c == NULL)
        return;
    mt_html_printf(html, "<h2>%s %s</h2>\n<table><tr><th></th><th class=\"n\">%s (%d)</th><th class=\"n\">%s (%d)</th>", title, c->other,
                   first, c->n, second, c->n_other);
    g_string_append(html,
                    paired ? "<th class=\"n\">Difference</th><th class=\"n\">p</th></tr>\n" : "<th class=\"n\">Difference</th></tr>\n");
    for (guint i = 0; i < c->differences->len; i++) {
        const mt_difference *d = &g_array_index(c->differences, mt_difference, i);
        mt_html_printf(html, "<tr><td>%s%s%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td>", d->label != NULL ? d->label : "",
                       d->label != NULL ? ": " : "", mt_metric_title(d->name), mt_estimate_text(&d->first, text[0]),
                       mt_estimate_text(&d->second, text[1]));
        mt_html_printf(html, "<td class=\"n\">%s</td>", mt_estimate_text(&d->difference, text[2]));
        if (paired)
            mt_html_printf(html, "<td class=\"n\">%s</td>", isfinite(d->p) ? g_ascii_formatd(p, sizeof p, "%.3g", d->p) : "");
        g_string_append(html, "</tr>\n");
    }
    g_string_append(html, "</table>\n");
    if (paired && isfinite(c->mcnemar_p))
        mt_html_printf(html, "<p>%" G_GINT64_FORMAT " are right here alone, %" G_GINT64_FORMAT " there alone; McNemar's p = %s.</p>\n",
                       c->first_only, c->second_only, g_ascii_formatd(p, sizeof p, "%.3g", c->mcnemar_p));
}

static void put_pairwise(GString *html, const mt_readers *r)
{
    guint n = r->readers->len;
    char  value[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(html, "<table class=\"matrix\"><tr><th></th>");
    for (guint i = 0; i < n; i++)
        mt_html_printf(html, "<th>%s</th>", g_array_index(r->readers, mt_reader, i).name);
    g_string_append(html, "</tr>\n");
    for (guint i = 0; i < n; i++) {
        mt_html_printf(html, "<tr><th class=\"row\">%s</th>", g_array_index(r->readers, mt_reader, i).name);
        for (guint k = 0; k < n; k++) {
            const mt_estimate *kappa = &r->pairwise[i * n + k];
            bool               shown = i != k && kappa->defined;
            mt_html_printf(html, "<td>%s</td>", shown ? g_ascii_formatd(value, sizeof value, "%.3f", kappa->value) : "");
        }
        g_string_append(html, "</tr>\n");
    }
    g_string_append(html, "</table>\n");
}

static void put_readers(GString *html, const mt_evaluation *e)
{
    const mt_readers *r = e->readers;
    char              text[2][MT_ESTIMATE_TEXT_BYTES];

    if (r == NULL)
        return;
    mt_html_printf(
        html, "<h2>Readers</h2>\n<p>Fleiss' kappa %s over the %" G_GINT64_FORMAT " read by all; without a majority: %" G_GINT64_FORMAT ". ",
        mt_estimate_text(&r->fleiss, text[0]), r->n_cases, r->n_ties);
    mt_html_printf(html, "%s Model with the majority: kappa %s.</p>\n",
                   r->consensus_is_truth ? "The majority is the truth of this page." : "The truth of this page is the label.",
                   mt_estimate_text(&r->model_kappa, text[0]));
    g_string_append(html, "<table><tr><th>Reader</th><th class=\"n\">Read</th><th class=\"n\">Kappa with the majority</th>"
                          "<th class=\"n\">Kappa with the model</th></tr>\n");
    for (guint i = 0; i < r->readers->len; i++) {
        const mt_reader *reader = &g_array_index(r->readers, mt_reader, i);
        mt_html_printf(html,
                       "<tr><td>%s</td><td class=\"n\">%" G_GINT64_FORMAT "</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
                       reader->name, reader->n, mt_estimate_text(&reader->kappa, text[0]), mt_estimate_text(&reader->model_kappa, text[1]));
    }
    g_string_append(html, "</table>\n<h3>Kappa between readers</h3>\n");
    put_pairwise(html, r);
}

static void put_unanswered(GString *html, const mt_evaluation *e)
{
    if (e->unanswered->len == 0)
        return;
    mt_html_printf(html, "<h2>Without an answer: %u</h2>\n<table><tr><th>Case</th><th>Status</th><th>Why</th></tr>\n", e->unanswered->len);
    for (guint i = 0; i < e->unanswered->len; i++) {
        const mt_unanswered *u = &g_array_index(e->unanswered, mt_unanswered, i);
        mt_html_printf(html, "<tr><td>%s</td><td>%s</td><td>%s</td></tr>\n", u->id, u->status, u->reason != NULL ? u->reason : "");
    }
    g_string_append(html, "</table>\n");
}

static void put_training_set(GString *html, const mt_evaluation *e)
{
    if (e->leak_sources->len == 0) {
        g_string_append(html, "Nothing said whom the head was trained on: it was not looked for among these. ");
        return;
    }
    if (e->n_trained_on > 0)
        mt_html_printf(html, "The head was trained on %u of these, by ", e->n_trained_on);
    else
        g_string_append(html, "The head was trained on none of these, by ");
    for (guint i = 0; i < e->leak_sources->len; i++)
        mt_html_printf(html, "%s%s", i > 0 ? ", " : "", (const char *)e->leak_sources->pdata[i]);
    g_string_append(html, ". ");
}

static void put_footer(GString *html, const mt_evaluation *e)
{
    const mt_case_prediction *c = ((const mt_subject *)e->subjects->pdata[0])->prediction;

    g_string_append(html, "<footer>");
    mt_html_printf(html, "Encoder %s, head %s, SHA-256 of the head %s. microtome " MT_VERSION ". ",
                   c->encoder != NULL ? c->encoder : "not said", c->head != NULL ? c->head : "not said",
                   c->head_sha256 != NULL && *c->head_sha256 != '\0' ? c->head_sha256 : "not said");
    put_training_set(html, e);
    g_string_append(html, "For research and decision support; not a medical device.</footer>\n");
}

GString *mt_html_begin(const char *folder)
{
    GString *html = g_string_new("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");

    mt_html_printf(html, "<title>Evaluation of %s</title>\n<style>\n", folder);
    g_string_append(html, STYLE);
    g_string_append(html, "</style>\n</head>\n<body>\n");
    return html;
}

char *mt_evaluation_html(const mt_evaluation *e, int gallery)
{
    GString *html = mt_html_begin(e->folder);
    g_autoptr(GString) errors = g_string_new(NULL);

    put_lead(html, e);
    mt_html_warnings(html, e->warnings);
    put_cards(html, e);
    mt_html_goals(html, e->goals);
    mt_html_metrics(html, e->metrics, e->bootstrap);
    put_classes(html, e);
    put_confusion(html, e);
    put_plots(html, e);
    mt_evaluation_survival_html(e, html);
    put_groupings(html, e);
    mt_html_comparison(html, e->external, "External against internal:", "here, external", "internal", false);
    mt_html_comparison(html, e->comparison, "Compared with", "this run", "the other run", true);
    put_readers(html, e);
    mt_evaluation_gallery(e, gallery, errors);
    if (errors->len > 0) {
        g_string_append(
            html, "<h2>What went wrong</h2>\n<p class=\"note\">Farthest from the threshold first. Frames and list: the tiles with the "
                  "strongest evidence, x and y in pixels of level 0.</p>\n");
        g_string_append_len(html, errors->str, (gssize)errors->len);
    }
    put_unanswered(html, e);
    put_footer(html, e);
    g_string_append(html, "</body>\n</html>\n");
    return g_string_free(html, FALSE);
}
