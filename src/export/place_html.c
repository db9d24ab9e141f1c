/* The page of an evaluation of masks or findings. */
#include "src/evaluate/place_evaluation.h"
#include "src/export/evaluation_parts.h"
#include "src/export/plot_svg.h"

#include <microtome/place_report.h>

#include <math.h>

#define MOST_CASES 200 /* rows of the table; cases.csv has all */

static void put_lead(GString *html, const mt_place_evaluation *e)
{
    char value[G_ASCII_DTOSTR_BUF_SIZE];

    mt_html_printf(html, "<h1>Evaluation of %s</h1>\n<p class=\"lead\">%u cases, %s against %s. ", e->folder, e->cases->len,
                   e->kind == MT_PLACE_MASKS ? "masks" : "findings", e->reference);
    if (isfinite(e->threshold))
        mt_html_printf(html, "Findings from a score of %s on are called. ", g_ascii_formatd(value, sizeof value, "%.6g", e->threshold));
    mt_html_printf(html, "Intervals are at 95 %%, over patients.</p>\n");
}

static void put_cards(GString *html, const mt_place_evaluation *e)
{
    static const char *const names[] = {"dice", "iou", "hausdorff_95_mm", "lesion_sensitivity", "false_positives_per_scan", "camelyon16"};

    g_string_append(html, "<div class=\"cards\">\n");
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        mt_html_card(html, e->metrics, names[i]);
    g_string_append(html, "</div>\n");
}

/* The seven rates with their intervals, over the curve: the axis doubles from tick to tick. */
static char *plot_froc(const mt_place_evaluation *e)
{
    static const char *const ticks[] = {"1/8", "1/4", "1/2", "1", "2", "4", "8", NULL};
    double                   x[MT_FROC_RATES], y[MT_FROC_RATES], low[MT_FROC_RATES], high[MT_FROC_RATES];
    g_autofree double       *rates = g_new(double, e->froc.n + 1), *found = g_new(double, e->froc.n + 1);
    int                      n = 0;

    for (int i = 0; i < MT_FROC_RATES; i++) {
        g_autofree char *name = g_strdup_printf("froc_%g", mt_froc_rates[i]);
        const mt_metric *m = mt_metrics_find(e->metrics, name);
        bool             between = m->estimate.defined && m->estimate.interval != NULL;
        x[i] = i;
        y[i] = m->estimate.defined ? m->estimate.value : (double)NAN;
        low[i] = between ? m->estimate.low : (double)NAN;
        high[i] = between ? m->estimate.high : (double)NAN;
    }
    for (int64_t i = 0; i < e->froc.n; i++)
        if (e->froc.x[i] >= mt_froc_rates[0] && e->froc.x[i] <= mt_froc_rates[MT_FROC_RATES - 1]) {
            rates[n] = log2(e->froc.x[i]) + 3;
            found[n++] = e->froc.y[i];
        }
    const mt_plot_series series[] = {
        {.name = "all thresholds", .kind = MT_PLOT_LINE, .x = rates, .y = found, .n = n, .color = 8},
        {.name = "lesions found, 95 %", .kind = MT_PLOT_POINTS, .x = x, .y = y, .low = low, .high = high, .n = MT_FROC_RATES, .color = 1}};
    const mt_plot plot = {.title = "FROC",
                          .x_label = "false positives a scan",
                          .y_label = "share of lesions found",
                          .x_min = -0.3,
                          .x_max = MT_FROC_RATES - 0.7,
                          .y_max = 1,
                          .height_px = 420,
                          .series = series,
                          .n_series = 2,
                          .x_names = ticks};

    return e->froc.n > 0 ? mt_plot_svg(&plot) : NULL;
}

static void put_classes(GString *html, const mt_place_evaluation *e)
{
    if (e->kind != MT_PLACE_MASKS)
        return;
    g_string_append(html, "<h2>Classes</h2>\n<table><tr><th>Class</th><th class=\"n\">in neither mask</th>"
                          "<th class=\"n\">predicted alone</th><th class=\"n\">in the reference alone</th></tr>\n");
    for (guint k = 0; k < e->classes->len; k++) {
        const mt_mask_class *c = &g_array_index(e->classes, mt_mask_class, k);
        mt_html_printf(html, "<tr><td>%s</td><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%d</td></tr>\n", c->name,
                       c->both_empty, c->reference_empty, c->predicted_empty);
    }
    g_string_append(html, "</table>\n<p class=\"note\">In neither mask: the case is in no number of the class. In one alone: Dice and IoU "
                          "are 0, and there is no distance.</p>\n");
}

static void put_cases(GString *html, const mt_place_evaluation *e)
{
    char value[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(html, "<h2>Cases</h2>\n<table><tr><th>Case</th>");
    for (guint k = 0; k < e->columns->len; k++)
        mt_html_printf(html, "<th class=\"n\">%s</th>", (const char *)e->columns->pdata[k]);
    g_string_append(html, "</tr>\n");
    for (guint i = 0; i < e->cases->len && i < MOST_CASES; i++) {
        const mt_place_case *c = e->cases->pdata[i];
        mt_html_printf(html, "<tr><td>%s</td>", c->id);
        for (guint k = 0; k < e->columns->len; k++)
            mt_html_printf(html, "<td class=\"n\">%s</td>",
                           isnan(c->values[k]) ? "–" : g_ascii_formatd(value, sizeof value, "%.4g", c->values[k]));
        g_string_append(html, "</tr>\n");
    }
    g_string_append(html, "</table>\n");
    if (e->cases->len > MOST_CASES)
        mt_html_printf(html, "<p class=\"note\">The first %d of %u; cases.csv has all.</p>\n", MOST_CASES, e->cases->len);
}

char *mt_place_html(const mt_place_evaluation *e)
{
    GString         *html = mt_html_begin(e->folder);
    g_autofree char *froc = e->kind == MT_PLACE_FINDINGS ? plot_froc(e) : NULL;

    put_lead(html, e);
    mt_html_warnings(html, e->warnings);
    put_cards(html, e);
    mt_html_goals(html, e->goals);
    mt_html_metrics(html, e->metrics, 0);
    if (froc != NULL)
        g_string_append_printf(html, "<h2>Curve</h2>\n<div class=\"plots\"><div>%s</div></div>\n", froc);
    put_classes(html, e);
    mt_html_comparison(html, e->comparison, "Compared with", "this run", "the other run", false);
    put_cases(html, e);
    g_string_append(html, "<footer>microtome " MT_VERSION
                          ". For research and decision support; not a medical device.</footer>\n</body>\n</html>\n");
    return g_string_free(html, FALSE);
}
