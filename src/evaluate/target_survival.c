/* Time and event a case: intervals between quantiles of the times of events (hazard), or as they are (Cox). */
#include "src/base/decimal.h"
#include "src/evaluate/target_values.h"

#include <math.h>
#include <string.h>

#define DEFAULT_INTERVALS 4
#define MAX_INTERVALS 64
#define PREFIX "survive_"

static gint compare_doubles(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static bool refuse_cell(const mt_labels *labels, guint row, int column, const char *name, const char *wanted, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: line %u: '%s' in column '%s': %s", mt_labels_path(labels),
                mt_labels_line(labels, row), mt_labels_cell(labels, row, column), name, wanted);
    return false;
}

static bool read_event(const char *cell, bool *event)
{
    double number;

    if (g_ascii_strcasecmp(cell, "true") == 0 || g_ascii_strcasecmp(cell, "false") == 0) {
        *event = g_ascii_strcasecmp(cell, "true") == 0;
        return true;
    }
    bool ok = mt_target_number(cell, &number) && (number == 0 || number == 1);
    *event = ok && number == 1;
    return ok;
}

static bool read_rows(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    const char *time_name = params->time != NULL ? params->time : "time", *event_name = params->event != NULL ? params->event : "event";
    int         time = mt_target_column(labels, time_name, " of the time to the event or to the last visit", error);
    int event = time >= 0 ? mt_target_column(labels, event_name, " that says whether the event happened (1) or not (0)", error) : -1;

    for (guint row = 0; event >= 0 && row < t->n; row++) {
        const char *when = mt_labels_cell(labels, row, time), *what = mt_labels_cell(labels, row, event);
        t->times[row] = NAN;
        t->events[row] = false;
        t->strata[row] = -1;
        if (*when == '\0' || *what == '\0')
            continue;
        if (!mt_target_number(when, &t->times[row]) || t->times[row] < 0)
            return refuse_cell(labels, row, time, time_name, "a time of 0 or more is wanted", error);
        if (!read_event(what, &t->events[row]))
            return refuse_cell(labels, row, event, event_name, "1 (it happened) or 0 (censored) is wanted", error);
        t->strata[row] = t->events[row] ? 1 : 0;
    }
    return event >= 0;
}

static GArray *event_times(const mt_targets *t)
{
    GArray *times = g_array_new(FALSE, FALSE, sizeof(double));

    for (guint row = 0; row < t->n; row++)
        if (t->events[row])
            g_array_append_val(times, t->times[row]);
    g_array_sort(times, compare_doubles);
    return times;
}

/* Six digits: the name of an interval says its bound. */
static double shorten(double bound)
{
    char digits[MT_DECIMAL_BYTES];

    return g_ascii_strtod(g_ascii_formatd(digits, sizeof digits, "%.6g", bound), NULL);
}

/* Upper bounds of the intervals; the last takes all later times. Equal quantiles become one interval. */
static GArray *quantile_bounds(GArray *times, int wanted)
{
    GArray *bounds = g_array_new(FALSE, FALSE, sizeof(double));

    for (int i = 1; i <= wanted; i++) {
        double  position = (double)i * (times->len - 1) / wanted;
        guint   below = (guint)floor(position), above = MIN(below + 1, times->len - 1);
        double  low = g_array_index(times, double, below), high = g_array_index(times, double, above);
        double  bound = shorten(low + (position - below) * (high - low));
        double *last = bounds->len > 0 ? &g_array_index(bounds, double, bounds->len - 1) : NULL;
        if (last == NULL || bound > *last)
            g_array_append_val(bounds, bound);
    }
    return bounds;
}

static GArray *named_bounds(const char *const *names, GError **error)
{
    g_autoptr(GArray) bounds = g_array_new(FALSE, FALSE, sizeof(double));

    for (; *names != NULL; names++) {
        const char *number = g_str_has_prefix(*names, PREFIX) ? *names + strlen(PREFIX) : *names;
        double      bound;
        if (mt_target_number(number, &bound) && bound > (bounds->len > 0 ? g_array_index(bounds, double, bounds->len - 1) : 0)) {
            g_array_append_val(bounds, bound);
            continue;
        }
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "interval '%s': upper bounds that rise are wanted, as survive_365", *names);
        return NULL;
    }
    return g_steal_pointer(&bounds);
}

static GArray *find_bounds(const mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    g_autoptr(GArray) times = event_times(t);
    int wanted = params->intervals > 0 ? params->intervals : DEFAULT_INTERVALS;

    if (params->labels != NULL)
        return named_bounds(params->labels, error);
    if (wanted > MAX_INTERVALS) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "%d intervals of time: 2 to %d are wanted", wanted, MAX_INTERVALS);
        return NULL;
    }
    g_autoptr(GArray) bounds = times->len > 0 ? quantile_bounds(times, wanted) : NULL;
    if (bounds != NULL && bounds->len >= 2)
        return g_steal_pointer(&bounds);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: %u events: too few different times for intervals; use the task cox",
                mt_labels_path(labels), times->len);
    return NULL;
}

static void name_intervals(mt_targets *t, const GArray *bounds)
{
    t->labels = g_new0(char *, bounds->len + 1);
    for (guint i = 0; i < bounds->len; i++) {
        char digits[MT_DECIMAL_BYTES];
        t->labels[i] = g_strconcat(PREFIX, mt_decimal_text(g_array_index(bounds, double, i), digits), NULL);
    }
}

static void place_rows(mt_targets *t, const GArray *bounds)
{
    t->classes = g_new(int, t->n);
    for (guint row = 0; row < t->n; row++) {
        guint i = 0;
        while (i + 1 < bounds->len && t->times[row] > g_array_index(bounds, double, i))
            i++;
        t->classes[row] = t->strata[row] < 0 ? -1 : (int)i;
        if (t->strata[row] >= 0)
            t->strata[row] = (int)(2 * i) + (t->events[row] ? 1 : 0);
    }
}

bool mt_targets_read_survival(mt_targets *t, const mt_labels *labels, const mt_targets_params *params, GError **error)
{
    t->times = g_new(double, t->n);
    t->events = g_new(bool, t->n);
    if (!read_rows(t, labels, params, error))
        return false;
    if (t->task == MT_TASK_COX) {
        t->labels = g_strdupv((char *[]){(char *)(uintptr_t) "risk", NULL});
        return true;
    }
    g_autoptr(GArray) bounds = find_bounds(t, labels, params, error);
    if (bounds == NULL)
        return false;
    name_intervals(t, bounds);
    place_rows(t, bounds);
    return true;
}
