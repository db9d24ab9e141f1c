#include "tools/model_report.h"

#include <jansson.h>
#include <string.h>

/* Steps that have something in common, or one alone. */
typedef struct row {
    const char         *name;
    const mt_step_info *step; /* NULL: a sum */
    double              seconds, flop;
    int                 count;
} row;

/* What rows are summed by: an operator or an implementation. */
typedef const char *(*key_of)(const mt_step_info *step);

static const char *operator_of(const mt_step_info *step)
{
    return step->op;
}

static const char *implementation_of(const mt_step_info *step)
{
    return step->implementation;
}

/* The longest first; equal ones stay in the order of execution, as g_array_sort is stable. */
static gint compare_rows(gconstpointer a, gconstpointer b)
{
    double x = ((const row *)a)->seconds, y = ((const row *)b)->seconds;

    return (x < y) - (x > y);
}

static GArray *single_rows(const GPtrArray *steps)
{
    GArray *rows = g_array_new(FALSE, FALSE, sizeof(row));

    for (guint i = 0; i < steps->len; i++) {
        const mt_step_info *step = steps->pdata[i];
        row                 r = {.name = step->node, .step = step, .seconds = step->seconds, .flop = step->flop, .count = 1};

        g_array_append_val(rows, r);
    }
    g_array_sort(rows, compare_rows);
    return rows;
}

static row *find_row(GArray *rows, const char *name)
{
    row fresh = {.name = name};

    for (guint i = 0; i < rows->len; i++)
        if (strcmp(g_array_index(rows, row, i).name, name) == 0)
            return &g_array_index(rows, row, i);
    g_array_append_val(rows, fresh);
    return &g_array_index(rows, row, rows->len - 1);
}

static GArray *summed_rows(const GPtrArray *steps, key_of key)
{
    GArray *rows = g_array_new(FALSE, FALSE, sizeof(row));

    for (guint i = 0; i < steps->len; i++) {
        const mt_step_info *step = steps->pdata[i];
        row                *r = find_row(rows, key(step));

        r->seconds += step->seconds;
        r->flop += step->flop;
        r->count++;
    }
    g_array_sort(rows, compare_rows);
    return rows;
}

static double total_seconds(const GPtrArray *steps)
{
    double sum = 0;

    for (guint i = 0; i < steps->len; i++)
        sum += ((const mt_step_info *)steps->pdata[i])->seconds;
    return sum;
}

static double rate(const row *r, int64_t runs)
{
    return r->seconds > 0 ? r->flop * (double)runs / r->seconds / 1e9 : 0;
}

static int widest(const GPtrArray *steps, key_of key, const char *heading)
{
    size_t width = strlen(heading);

    for (guint i = 0; i < steps->len; i++)
        width = MAX(width, strlen(key(steps->pdata[i])));
    return (int)width;
}

static void print_numbers(const row *r, double total, int64_t runs, FILE *out)
{
    fprintf(out, "%10.1f  %5.1f%%  ", 1e3 * r->seconds, total > 0 ? 100 * r->seconds / total : 0);
    if (r->flop > 0)
        fprintf(out, "%8.1f", rate(r, runs));
    else
        fprintf(out, "%8s", "-");
}

static void print_sums(const mt_model_bench *bench, key_of key, const char *heading, FILE *out)
{
    g_autoptr(GArray) rows = summed_rows(bench->steps, key);

    fprintf(out, "\n%10s  %6s  %8s  %5s  %s\n", "ms", "share", "GFLOP/s", "steps", heading);
    for (guint i = 0; i < rows->len; i++) {
        const row *r = &g_array_index(rows, row, i);

        print_numbers(r, total_seconds(bench->steps), bench->runs, out);
        fprintf(out, "  %5d  %s\n", r->count, r->name);
    }
}

void mt_print_profile(const mt_model_bench *bench, FILE *out)
{
    g_autoptr(GArray) rows = single_rows(bench->steps);
    int op = widest(bench->steps, operator_of, "operator"), impl = widest(bench->steps, implementation_of, "implementation");

    fprintf(out, "\ntimes of %" G_GINT64_FORMAT " runs, summed over %d threads; GFLOP/s of one thread\n\n", bench->runs, bench->threads);
    fprintf(out, "%10s  %6s  %8s  %-*s  %-*s  %s\n", "ms", "share", "GFLOP/s", op, "operator", impl, "implementation", "node");
    for (guint i = 0; i < rows->len; i++) {
        const row *r = &g_array_index(rows, row, i);

        print_numbers(r, total_seconds(bench->steps), bench->runs, out);
        fprintf(out, "  %-*s  %-*s  %s\n", op, r->step->op, impl, r->step->implementation, r->name);
    }
    print_sums(bench, operator_of, "operator", out);
    print_sums(bench, implementation_of, "implementation", out);
}

void mt_print_steps(const GPtrArray *steps, FILE *out)
{
    int op = widest(steps, operator_of, "operator"), impl = widest(steps, implementation_of, "implementation");

    fprintf(out, "%-*s  %-*s  %s\n", op, "operator", impl, "implementation", "node");
    for (guint i = 0; i < steps->len; i++) {
        const mt_step_info *step = steps->pdata[i];

        fprintf(out, "%-*s  %-*s  %s", op, step->op, impl, step->implementation, step->node);
        if (step->reason != NULL)
            fprintf(out, "  (%s)", step->reason);
        fputc('\n', out);
    }
}

void mt_print_choices(const mt_session *session, FILE *out)
{
    g_autoptr(GPtrArray) steps = mt_list_steps(session);

    mt_print_steps(steps, out);
}

static json_t *step_to_json(const row *r, int64_t runs)
{
    const mt_step_info *step = r->step;

    return json_pack("{s:s s:s s:s s:o s:f s:f s:f}", "node", step->node, "operator", step->op, "implementation", step->implementation,
                     "reason", step->reason == NULL ? json_null() : json_string(step->reason), "seconds", r->seconds, "gflop",
                     step->flop / 1e9, "gflops", rate(r, runs));
}

static json_t *sums_to_json(const mt_model_bench *bench, key_of key)
{
    g_autoptr(GArray) rows = summed_rows(bench->steps, key);
    json_t *list = json_array();

    for (guint i = 0; i < rows->len; i++) {
        const row *r = &g_array_index(rows, row, i);
        json_array_append_new(list, json_pack("{s:s s:i s:f s:f}", "name", r->name, "steps", r->count, "seconds", r->seconds, "gflops",
                                              rate(r, bench->runs)));
    }
    return list;
}

static json_t *steps_to_json(const mt_model_bench *bench)
{
    g_autoptr(GArray) rows = single_rows(bench->steps);
    json_t *list = json_array();

    for (guint i = 0; i < rows->len; i++)
        json_array_append_new(list, step_to_json(&g_array_index(rows, row, i), bench->runs));
    return list;
}

static json_t *known(double number)
{
    return number > 0 ? json_real(number) : json_null();
}

void mt_print_bench_json(const mt_model_bench *bench, FILE *out)
{
    json_t *root = json_pack("{s:f s:f s:f s:i s:i s:f s:I s:s}", "items_per_second", bench->items_per_second, "gflops", bench->gflops,
                             "peak_rss_mb", bench->peak_rss_mb, "batch", bench->batch, "threads", bench->threads, "seconds",
                             bench->measured_s, "items", (json_int_t)bench->items, "precision", mt_precision_name(bench->precision));

    json_object_set_new(root, "peak_gflops", known(bench->peak_gflops));
    json_object_set_new(root, "share_of_peak", known(bench->peak_gflops > 0 ? bench->gflops / bench->peak_gflops : 0));
    json_object_set_new(
        root, "load",
        json_pack("{s:f s:f s:f}", "seconds", bench->load_s, "import_seconds", bench->import_s, "sessions_seconds", bench->sessions_s));
    if (bench->profile) {
        json_object_set_new(root, "steps", steps_to_json(bench));
        json_object_set_new(root, "operators", sums_to_json(bench, operator_of));
        json_object_set_new(root, "implementations", sums_to_json(bench, implementation_of));
    }
    json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
    fputc('\n', out);
    json_decref(root);
}
