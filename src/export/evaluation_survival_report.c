/* Survival: the curves of low and high risk, who is still followed, and whether they differ by more than chance. */
#include "src/export/evaluation_parts.h"
#include "src/export/plot_svg.h"

#include <math.h>
#include <string.h>

static const int COLORS[2] = {1, 2};

/* A curve or band as corners, on to the last time of the axis: bands are drawn straight from point to point. */
typedef struct corners {
    double *x, *y, *low, *high;
    int     n;
} corners;

static void add_corner(corners *c, double x, double y, double low, double high)
{
    c->x[c->n] = x;
    c->y[c->n] = y;
    c->low[c->n] = low;
    c->high[c->n++] = high;
}

static corners trace(const mt_risk_group *g, double end)
{
    gsize   room = 2 * (gsize)g->curve.n + 2;
    corners c = {.x = g_new(double, room), .y = g_new(double, room), .low = g_new(double, room), .high = g_new(double, room)};

    for (int64_t i = 0; i < g->curve.n; i++) {
        double next = i + 1 < g->curve.n ? g->curve.x[i + 1] : MAX(end, g->curve.x[i]);
        add_corner(&c, g->curve.x[i], g->curve.y[i], g->low[i], g->high[i]);
        add_corner(&c, next, g->curve.y[i], g->low[i], g->high[i]);
    }
    return c;
}

static void corners_clear(corners *c)
{
    g_free(c->x);
    g_free(c->y);
    g_free(c->low);
    g_free(c->high);
}

/* The longest that anybody of the group was followed: beyond it the curve says nothing. */
static double followed(const mt_evaluation *e, int which)
{
    double last = 0;

    for (guint i = 0; i < e->subjects->len; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        if ((mt_evaluation_risk(e, s) >= e->risk_groups->cut) == which)
            last = MAX(last, s->time);
    }
    return last;
}

char *mt_evaluation_plot_survival(const mt_evaluation *e)
{
    const mt_risk_groups *r = e->risk_groups;
    corners               c[2];
    mt_plot_series        series[4];
    mt_plot_row           rows[2];
    g_autofree char      *names[2] = {NULL, NULL};
    double                last = 0;

    for (int g = 0; g < 2; g++) {
        double end = followed(e, g);
        last = MAX(last, end);
        c[g] = trace(&r->groups[g], end);
        names[g] = g_strdup_printf("%s: %d, of whom %d had the event", r->groups[g].name, r->groups[g].n, r->groups[g].n_events);
        series[g] = (mt_plot_series){
            .kind = MT_PLOT_BAND, .x = c[g].x, .y = c[g].y, .low = c[g].low, .high = c[g].high, .n = c[g].n, .color = COLORS[g]};
        series[g + 2] = (mt_plot_series){.name = names[g], .kind = MT_PLOT_LINE, .x = c[g].x, .y = c[g].y, .n = c[g].n, .color = COLORS[g]};
        rows[g] = (mt_plot_row){r->groups[g].name, r->groups[g].at_risk, COLORS[g]};
    }
    const mt_plot plot = {.title = "Survival by risk",
                          .x_label = "time",
                          .y_label = "share without event",
                          .x_max = last > 0 ? last : 1,
                          .y_max = 1,
                          .width_px = 640,
                          .height_px = 490,
                          .series = series,
                          .n_series = 4,
                          .rows_title = "Still followed",
                          .row_x = r->times,
                          .n_row_x = r->n_times,
                          .rows = rows,
                          .n_rows = 2};
    char         *svg = mt_plot_svg(&plot);
    for (int g = 0; g < 2; g++) {
        corners_clear(&c[g]);
        g_free(names[g]);
        names[g] = NULL;
    }
    return svg;
}

static const char *cut_words(const mt_risk_groups *r)
{
    return strcmp(r->cut_source, "head") == 0     ? "the threshold of the head"
           : strcmp(r->cut_source, "option") == 0 ? "the threshold that was given"
                                                  : "the median of these cases, which is no rule for the next ones";
}

static const char *time_text(const mt_estimate *median, char text[G_ASCII_DTOSTR_BUF_SIZE])
{
    return median->defined ? g_ascii_formatd(text, G_ASCII_DTOSTR_BUF_SIZE, "%.6g", median->value) : "not reached";
}

void mt_evaluation_survival_html(const mt_evaluation *e, GString *html)
{
    const mt_risk_groups *r = e->risk_groups;
    char                  text[MT_ESTIMATE_TEXT_BYTES], p[G_ASCII_DTOSTR_BUF_SIZE], cut[G_ASCII_DTOSTR_BUF_SIZE];

    if (r == NULL)
        return;
    g_autofree char *plot = mt_evaluation_plot_survival(e);
    mt_html_printf(html, "<h2>Survival by risk</h2>\n<p>High risk: %s and above, %s. ", g_ascii_formatd(cut, sizeof cut, "%.6g", r->cut),
                   cut_words(r));
    if (r->tested)
        mt_html_printf(html, "Log-rank test: p = %s. Hazard of high against low risk: <b>%s</b> times.</p>\n",
                       g_ascii_formatd(p, sizeof p, "%.3g", r->p), mt_estimate_text(&r->hazard_ratio, text));
    else
        g_string_append(html, "Not tested: a group is empty, or nobody had the event.</p>\n");
    g_string_append(html, plot);
    g_string_append(html,
                    "<table><tr><th>Group</th><th class=\"n\">n</th><th class=\"n\">Events</th><th class=\"n\">Half had the event by</th>"
                    "</tr>\n");
    for (int g = 0; g < 2; g++)
        mt_html_printf(html, "<tr><td>%s</td><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%s</td></tr>\n",
                       r->groups[g].name, r->groups[g].n, r->groups[g].n_events, time_text(&r->groups[g].median, p));
    g_string_append(html, "</table>\n<p class=\"note\">Kaplan and Meier, bands at 95 % (log-log). The ratio is Peto's, from the log-rank "
                          "test.</p>\n");
}

void mt_evaluation_survival_text(const mt_evaluation *e, GString *t)
{
    const mt_risk_groups *r = e->risk_groups;
    char                  text[MT_ESTIMATE_TEXT_BYTES], number[G_ASCII_DTOSTR_BUF_SIZE];

    if (r == NULL)
        return;
    g_string_append_printf(t, "\n  high risk: %s and above (%s)\n", g_ascii_formatd(number, sizeof number, "%.6g", r->cut), r->cut_source);
    for (int g = 0; g < 2; g++)
        g_string_append_printf(t, "  %-20s %d, events %d, half had the event by: %s\n", r->groups[g].name, r->groups[g].n,
                               r->groups[g].n_events, time_text(&r->groups[g].median, number));
    if (r->tested)
        g_string_append_printf(t, "  log-rank p = %s, hazard ratio %s\n", g_ascii_formatd(number, sizeof number, "%.3g", r->p),
                               mt_estimate_text(&r->hazard_ratio, text));
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *group_json(const mt_risk_groups *r, const mt_risk_group *g)
{
    json_t       *object = json_object(), *at_risk = json_array(), *curve = json_object();
    const double *columns[] = {g->curve.x, g->curve.y, g->low, g->high};
    const char   *names[] = {"time", "survival", "low", "high"};

    for (int i = 0; i < r->n_times; i++)
        json_array_append_new(at_risk, json_integer(g->at_risk[i]));
    for (size_t c = 0; c < G_N_ELEMENTS(columns); c++) {
        json_t *values = json_array();
        for (int64_t i = 0; i < g->curve.n; i++)
            json_array_append_new(values, number(columns[c][i]));
        json_object_set_new(curve, names[c], values);
    }
    json_object_set_new(object, "group", json_string(g->name));
    json_object_set_new(object, "n", json_integer(g->n));
    json_object_set_new(object, "events", json_integer(g->n_events));
    json_object_set_new(object, "median_time", g->median.defined ? number(g->median.value) : json_null());
    json_object_set_new(object, "at_risk", at_risk);
    json_object_set_new(object, "curve", curve);
    return object;
}

json_t *mt_evaluation_survival_json(const mt_evaluation *e)
{
    const mt_risk_groups *r = e->risk_groups;
    json_t               *object, *times = json_array(), *groups = json_array(), *log_rank = json_object(), *ratio = json_object();
    bool                  tested = r != NULL && r->tested;

    for (int i = 0; r != NULL && i < r->n_times; i++)
        json_array_append_new(times, number(r->times[i]));
    for (int g = 0; r != NULL && g < 2; g++)
        json_array_append_new(groups, group_json(r, &r->groups[g]));
    json_object_set_new(log_rank, "chi_squared", tested ? number(r->chi_squared) : json_null());
    json_object_set_new(log_rank, "p", tested ? number(r->p) : json_null());
    json_object_set_new(ratio, "value", tested ? number(r->hazard_ratio.value) : json_null());
    json_object_set_new(ratio, "low", tested ? number(r->hazard_ratio.low) : json_null());
    json_object_set_new(ratio, "high", tested ? number(r->hazard_ratio.high) : json_null());
    json_object_set_new(ratio, "interval", tested ? json_string(r->hazard_ratio.interval) : json_null());
    object = r != NULL ? json_pack("{sfss}", "cut", r->cut, "cut_source", r->cut_source) : json_null();
    if (r != NULL) {
        json_object_set(object, "at_risk_times", times);
        json_object_set(object, "groups", groups);
        json_object_set(object, "log_rank", log_rank);
        json_object_set(object, "hazard_ratio", ratio);
    }
    json_decref(times);
    json_decref(groups);
    json_decref(log_rank);
    json_decref(ratio);
    return object;
}
