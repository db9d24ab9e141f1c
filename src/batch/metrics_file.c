#include "src/batch/metrics_file.h"

#include "src/base/publish.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t      offset;
} STAGES[] = {
    {"open", offsetof(mt_timings, open_s)},           {"mask", offsetof(mt_timings, mask_s)},
    {"decode", offsetof(mt_timings, decode_s)},       {"resample", offsetof(mt_timings, resample_s)},
    {"normalise", offsetof(mt_timings, normalise_s)}, {"encode", offsetof(mt_timings, encode_s)},
    {"write", offsetof(mt_timings, write_s)},         {"head", offsetof(mt_timings, head_s)},
    {"publish", offsetof(mt_timings, publish_s)},     {"total", offsetof(mt_timings, total_s)},
};

static const double BOUNDS[] = {0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000};

/* As the format wants it in quotes. */
static char *escape_label(const char *text)
{
    GString *escaped = g_string_new(NULL);

    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            g_string_append_c(escaped, '\\');
        if (*text == '\n')
            g_string_append(escaped, "\\n");
        else
            g_string_append_c(escaped, *text);
    }
    return g_string_free(escaped, FALSE);
}

static void put_head(GString *text, const char *name, const char *type, const char *help)
{
    g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value(GString *text, const char *name, const char *out, const char *label, const char *value, double number)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(text, "%s{out=\"%s\"", name, out);
    if (label != NULL)
        g_string_append_printf(text, ",%s=\"%s\"", label, value);
    g_string_append_printf(text, "} %s\n", g_ascii_formatd(digits, sizeof digits, "%.15g", number));
}

static double stage_seconds(const mt_folder_case *c, size_t offset)
{
    return *(const double *)((const char *)&c->timings + offset);
}

static void put_stage(GString *text, const mt_folder *folder, const char *out, const char *name, size_t offset)
{
    int64_t counts[G_N_ELEMENTS(BOUNDS)] = {0}, n = 0;
    double  sum = 0;
    char    bound[G_ASCII_DTOSTR_BUF_SIZE], digits[G_ASCII_DTOSTR_BUF_SIZE];

    for (guint i = 0; i < folder->cases->len; i++) {
        const mt_folder_case *c = folder->cases->pdata[i];
        if (c->state != MT_STATE_DONE || !c->timed)
            continue;
        double seconds = stage_seconds(c, offset);
        sum += seconds;
        n++;
        for (size_t k = 0; k < G_N_ELEMENTS(BOUNDS); k++)
            counts[k] += seconds <= BOUNDS[k];
    }
    for (size_t k = 0; k < G_N_ELEMENTS(BOUNDS); k++)
        g_string_append_printf(text, "microtome_stage_seconds_bucket{out=\"%s\",stage=\"%s\",le=\"%s\"} %" G_GINT64_FORMAT "\n", out, name,
                               g_ascii_formatd(bound, sizeof bound, "%g", BOUNDS[k]), counts[k]);
    g_string_append_printf(text, "microtome_stage_seconds_bucket{out=\"%s\",stage=\"%s\",le=\"+Inf\"} %" G_GINT64_FORMAT "\n", out, name,
                           n);
    g_string_append_printf(text, "microtome_stage_seconds_sum{out=\"%s\",stage=\"%s\"} %s\n", out, name,
                           g_ascii_formatd(digits, sizeof digits, "%.9g", sum));
    g_string_append_printf(text, "microtome_stage_seconds_count{out=\"%s\",stage=\"%s\"} %" G_GINT64_FORMAT "\n", out, name, n);
}

static void put_cases(GString *text, const mt_folder *folder, const char *out)
{
    put_head(text, "microtome_cases", "gauge", "Cases of the output folder by state.");
    for (int i = 0; i < MT_STATES; i++)
        put_value(text, "microtome_cases", out, "state", mt_case_state_name((mt_case_state)i), folder->n[i]);
    put_head(text, "microtome_decisions", "gauge", "Finished cases by decision.");
    put_value(text, "microtome_decisions", out, "decision", "urgent", folder->urgent);
    put_value(text, "microtome_decisions", out, "decision", "review", folder->review);
    put_value(text, "microtome_decisions", out, "decision", "clear", folder->clear);
    put_head(text, "microtome_cases_withheld", "gauge", "Finished cases whose score is withheld.");
    put_value(text, "microtome_cases_withheld", out, NULL, NULL, folder->withheld);
    put_head(text, "microtome_tiles_total", "counter", "Tiles of the finished cases.");
    put_value(text, "microtome_tiles_total", out, NULL, NULL, (double)folder->tiles);
}

char *mt_metrics_text(const mt_folder *folder)
{
    GString         *text = g_string_new(NULL);
    g_autofree char *whole = g_canonicalize_filename(folder->out, NULL), *name = g_path_get_basename(whole), *out = escape_label(name);
    gint64           last_us = 0;
    int              alive = 0;

    for (guint i = 0; i < folder->runs->len; i++) {
        const mt_folder_run *run = folder->runs->pdata[i];
        last_us = MAX(last_us, run->finished_us);
        alive += run->alive;
    }
    put_cases(text, folder, out);
    put_head(text, "microtome_runs", "gauge", "Runs that work on the folder now.");
    put_value(text, "microtome_runs", out, NULL, NULL, alive);
    put_head(text, "microtome_last_finish_timestamp_seconds", "gauge", "When a case was finished last, since 1970.");
    put_value(text, "microtome_last_finish_timestamp_seconds", out, NULL, NULL, (double)last_us / 1e6);
    put_head(text, "microtome_stage_seconds", "histogram", "Seconds a case took in each stage; decode to write are summed over threads.");
    for (size_t i = 0; i < G_N_ELEMENTS(STAGES); i++)
        put_stage(text, folder, out, STAGES[i].name, STAGES[i].offset);
    return g_string_free(text, FALSE);
}

bool mt_metrics_write(const mt_folder *folder, const char *other, GError **error)
{
    g_autofree char *path = g_build_filename(folder->out, "metrics.prom", NULL), *text = mt_metrics_text(folder);

    return mt_publish_text(path, text, true, error) && (other == NULL || mt_publish_text(other, text, true, error));
}
