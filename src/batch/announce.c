#include "src/batch/announce.h"

#include "src/batch/hooks.h"
#include "src/batch/metrics_file.h"

#include <string.h>

#define METRICS_EVERY_US INT64_C(15000000)
#define METRICS_SHARE 50 /* writing them takes a fiftieth of the time at most */
#define WAIT_US INT64_C(65000000)
#define WAIT_STOPPED_US INT64_C(3000000)

struct mt_announce {
    const mt_batch_options *o;
    char                   *out;
    mt_announce_log         log;
    void                   *user;
    mt_hooks               *hooks;
    gint64                  metrics_us; /* when they are due */
};

static void on_hook_ended(void *user, const char *what, const char *id, bool ok, const char *how)
{
    mt_announce *a = user;

    a->log(a->user, json_pack("{s:s s:s s:s s:b s:s}", "event", "hook", "on", what, "id", id, "ok", (int)ok, "how", how));
}

mt_announce *mt_announce_new(const mt_batch_options *options, mt_announce_log log, void *user)
{
    mt_announce *a = g_new0(mt_announce, 1);

    a->o = options;
    a->out = g_canonicalize_filename(options->out, NULL);
    a->log = log;
    a->user = user;
    a->hooks = mt_hooks_new(on_hook_ended, a);
    return a;
}

static char *number_text(const json_t *value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    return json_is_number(value) ? g_strdup(g_ascii_formatd(text, sizeof text, "%.9g", json_number_value(value))) : NULL;
}

void mt_announce_done(mt_announce *a, const mt_batch_case *c, const json_t *result)
{
    const char      *decision = json_string_value(json_object_get(result, "decision"));
    const char      *status = json_string_value(json_object_get(result, "status"));
    g_autofree char *score = number_text(json_object_get(result, "score")), *tiles = number_text(json_object_get(result, "tiles"));
    g_autofree char *name = g_strconcat(c->id, ".h5", NULL), *path = g_build_filename(a->out, "cases", name, NULL);
    const char      *variables[] = {"MICROTOME_ID",
                                    c->id,
                                    "MICROTOME_DECISION",
                                    decision,
                                    "MICROTOME_STATUS",
                                    status,
                                    "MICROTOME_SCORE",
                                    score,
                                    "MICROTOME_TILES",
                                    tiles,
                                    "MICROTOME_RESULT",
                                    path,
                                    "MICROTOME_OUT",
                                    a->out,
                                    "MICROTOME_PATIENT",
                               c->patient != NULL ? c->patient : "",
                                    NULL};

    for (const char *const *on = a->o->on; on != NULL && on[0] != NULL; on += 2)
        if (g_strcmp0(on[0], decision) == 0 || g_strcmp0(on[0], status) == 0)
            mt_hooks_start(a->hooks, on[1], on[0], c->id, variables);
}

void mt_announce_failed(mt_announce *a, const mt_batch_case *c, const char *reason, const char *stage, int exit_code)
{
    g_autofree char *code = g_strdup_printf("%d", exit_code);
    const char      *variables[] = {"MICROTOME_ID",
                                    c->id,
                                    "MICROTOME_REASON",
                                    reason,
                                    "MICROTOME_STAGE",
                               stage != NULL ? stage : "",
                                    "MICROTOME_EXIT_CODE",
                                    code,
                                    "MICROTOME_OUT",
                                    a->out,
                                    NULL};

    if (a->o->on_fail != NULL)
        mt_hooks_start(a->hooks, a->o->on_fail, "fail", c->id, variables);
}

/* Of the whole folder, whoever works on it.  A file that cannot be written stops nothing. */
static void write_metrics(mt_announce *a)
{
    gint64 begun = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_folder) folder = mt_folder_read(a->out, &error);

    if (folder == NULL || !mt_metrics_write(folder, a->o->metrics, &error))
        a->log(a->user, json_pack("{s:s s:s}", "event", "metrics_failed", "why", error->message));
    gint64 now = g_get_monotonic_time();
    a->metrics_us = now + MAX(METRICS_EVERY_US, METRICS_SHARE * (now - begun));
}

void mt_announce_tick(mt_announce *a)
{
    mt_hooks_tick(a->hooks);
    if (g_get_monotonic_time() >= a->metrics_us)
        write_metrics(a);
}

void mt_announce_finish(mt_announce *a, bool stopped)
{
    mt_hooks_finish(a->hooks, stopped ? WAIT_STOPPED_US : WAIT_US);
    write_metrics(a);
}

void mt_announce_free(mt_announce *a)
{
    if (a == NULL)
        return;
    mt_hooks_free(a->hooks);
    g_free(a->out);
    g_free(a);
}

static void keep_how(void *user, const char *what, const char *id, bool ok, const char *how)
{
    char **failure = user;

    (void)what;
    (void)id;
    if (!ok)
        *failure = g_strdup(how);
}

char *mt_batch_finish_hook(const char *out, const char *command, const mt_batch_totals *totals, int exit_code)
{
    g_autofree char *folder = g_canonicalize_filename(out, NULL), *summary = g_build_filename(folder, "summary.csv", NULL),
                    *report = g_build_filename(folder, "report.html", NULL);
    g_autofree char *done = g_strdup_printf("%d", totals->done), *skipped = g_strdup_printf("%d", totals->skipped),
                    *failed = g_strdup_printf("%d", totals->failed), *code = g_strdup_printf("%d", exit_code);
    const char *variables[] = {"MICROTOME_OUT",
                               folder,
                               "MICROTOME_DONE",
                               done,
                               "MICROTOME_SKIPPED",
                               skipped,
                               "MICROTOME_FAILED",
                               failed,
                               "MICROTOME_SUMMARY",
                               summary,
                               "MICROTOME_REPORT",
                               report,
                               "MICROTOME_EXIT_CODE",
                               code,
                               NULL};
    char       *failure = NULL;
    mt_hooks   *hooks = mt_hooks_new(keep_how, &failure);

    mt_hooks_start(hooks, command, "finish", "", variables);
    mt_hooks_finish(hooks, totals->stopped ? WAIT_STOPPED_US : WAIT_US);
    mt_hooks_free(hooks);
    return failure;
}
