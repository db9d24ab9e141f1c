#include "src/batch/supervisor_private.h"

#include "mil/training_list.h"
#include "src/pipeline/resolved.h"
#include "src/pipeline/timings.h"

#include <microtome/encoder.h>

#include <string.h>
#include <sys/wait.h>

#define ATTEMPTS 2

/* Nobody is told the names of copies. */
static char *with_own_path(mt_supervisor *s, const mt_batch_case *c, const char *message)
{
    g_auto(GStrv) parts = g_strsplit(message != NULL ? message : "", mt_supervisor_path(s, c), -1);

    return g_strjoinv(c->path, parts);
}

static void on_done(mt_supervisor *s, mt_worker_process *w, const json_t *event)
{
    mt_timings timings = {0};

    mt_timings_from_json(json_object_get(event, "timings"), &timings);
    g_array_append_val(s->totals->timings, timings);
    s->totals->done++;
    s->totals->tiles += timings.tiles;
    mt_account_done(s->account, w->c, timings.total_s, json_object_get(event, "timings"));
    mt_supervisor_tell(s, MT_BATCH_DONE, w->c, w, NULL);
    mt_supervisor_let_go(s, w->c);
    w->c = NULL;
}

static void on_failed(mt_supervisor *s, mt_worker_process *w, const json_t *event)
{
    int              code = (int)json_integer_value(json_object_get(event, "code"));
    const char      *stage = json_string_value(json_object_get(event, "stage"));
    g_autofree char *message = with_own_path(s, w->c, json_string_value(json_object_get(event, "message")));

    if (code == MT_ERROR_STOPPED) {
        s->totals->stopped = true;
        w->c = NULL;
        return;
    }
    if (!mt_claims_holds(s->claims, w->c->id)) { /* we were away for longer than the lease: see what the other makes of it */
        mt_account_log(s->account, json_pack("{s:s s:s}", "event", "taken_over", "id", w->c->id));
        g_queue_push_tail(s->elsewhere, w->c);
        mt_supervisor_let_go(s, w->c);
        w->c = NULL;
        return;
    }
    if (mt_account_is_done(s->account, w->c)) { /* another run published it first */
        mt_supervisor_skip(s, w->c);
        w->c = NULL;
        return;
    }
    /* past the mask it is our own disk that failed, not the input: the next cases would fail too */
    bool ours = g_strcmp0(stage, "encode") == 0 || g_strcmp0(stage, "publish") == 0;
    if (code == MT_ERROR_IO && ours && s->fatal == NULL)
        s->fatal = g_error_new(MT_ERROR, MT_ERROR_IO, "case '%s': %s", w->c->id, message);
    mt_supervisor_fail(s, w->c, w, message, stage, code, 0);
    w->c = NULL;
}

/* `auto` chose before another machine's run gave the empty folder its recipe: load again, with the folder's precision. */
static bool follow_folder(mt_supervisor *s, mt_worker_process *w)
{
    bool is_auto = s->recipe->precision == NULL || strcmp(s->recipe->precision, "auto") == 0;

    if (!is_auto || s->recipe->folder_precision != NULL)
        return false;
    s->recipe->folder_precision = mt_account_precision(s->account);
    if (s->recipe->folder_precision != NULL)
        mt_supervisor_send_load(s, w);
    return s->recipe->folder_precision != NULL;
}

static void warn_of_slow_precision(mt_supervisor *s, const char *resolved)
{
    g_autofree char *name = mt_resolved_precision(resolved);
    mt_precision     precision;

    if (s->warned || name == NULL || !mt_precision_parse(name, &precision) || mt_precision_why_slow(precision) == NULL)
        return;
    g_autofree char *message = g_strdup_printf("precision %s: %s, so it is slower than fp32 here", name, mt_precision_why_slow(precision));
    s->warned = true;
    mt_supervisor_tell(s, MT_BATCH_WARNED, NULL, NULL, message);
}

/* Results know whom their head was trained on. */
static void keep_training_list(mt_supervisor *s, const char *resolved)
{
    g_autofree char *sha256 = s->recipe->head != NULL ? mt_resolved_head_sha256(resolved) : NULL;

    if (sha256 != NULL && s->fatal == NULL)
        mt_training_list_keep(s->recipe->head, sha256, s->o->out, &s->fatal);
}

static void on_loaded(mt_supervisor *s, mt_worker_process *w, const json_t *event)
{
    const char *resolved = json_string_value(json_object_get(event, "resolved"));
    g_autoptr(GError) cause = NULL;

    if (mt_account_recipe(s->account, resolved, s->o->force, &cause)) {
        w->loaded = true;
        keep_training_list(s, resolved);
        s->totals->demonstration = json_is_true(json_object_get(event, "demonstration"));
        warn_of_slow_precision(s, resolved);
    } else if (!g_error_matches(cause, MT_ERROR, MT_ERROR_USAGE) || !follow_folder(s, w)) {
        w->loaded = true;
        if (s->fatal == NULL)
            s->fatal = g_steal_pointer(&cause);
    }
}

void mt_supervisor_on_event(mt_supervisor *s, mt_worker_process *w, const json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));

    if (g_strcmp0(name, "loaded") == 0)
        on_loaded(s, w, event);
    else if (g_strcmp0(name, "unusable") == 0 && s->fatal == NULL)
        s->fatal = g_error_new_literal(MT_ERROR, (int)json_integer_value(json_object_get(event, "code")),
                                       json_string_value(json_object_get(event, "message")));
    else if (w->c != NULL && g_strcmp0(name, "progress") == 0) {
        w->tiles_done = json_integer_value(json_object_get(event, "done"));
        w->tiles_total = json_integer_value(json_object_get(event, "total"));
        mt_account_progress(s->account, w->c, w->tiles_done, w->tiles_total);
        mt_supervisor_tell(s, MT_BATCH_PROGRESS, w->c, w, NULL);
    } else if (w->c != NULL && g_strcmp0(name, "done") == 0)
        on_done(s, w, event);
    else if (w->c != NULL && g_strcmp0(name, "failed") == 0)
        on_failed(s, w, event);
}

/* The worker is gone.  Its case is tried once more in a fresh worker, then recorded with the signal. */
void mt_supervisor_on_end(mt_supervisor *s, mt_worker_process *w)
{
    int              status = mt_worker_process_end(w);
    int              number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    g_autofree char *how =
        number != 0 ? g_strdup_printf("signal %d (%s)", number, strsignal(number)) : g_strdup_printf("exit code %d", WEXITSTATUS(status));

    if (!w->loaded && s->fatal == NULL && s->stopped_us == 0)
        s->fatal = g_error_new(MT_ERROR, MT_ERROR_INTERNAL, "load the models in a worker: the worker died with %s", how);
    w->loaded = false;
    if (w->c == NULL)
        return;
    g_autofree char *target = mt_account_target(s->account, w->c);
    mt_claims_sweep(s->claims, w->c->id, target);
    if (mt_account_is_done(s->account, w->c)) { /* it died after the rename */
        mt_supervisor_skip(s, w->c);
        w->c = NULL;
        return;
    }
    if (s->stopped_us != 0) {
        s->totals->stopped = true;
        w->c = NULL;
        return;
    }
    g_autofree char *reason =
        g_strdup_printf("read and encode %s: the worker died with %s after %" G_GINT64_FORMAT " tiles", w->c->path, how, w->tiles_done);
    if (GPOINTER_TO_INT(g_hash_table_lookup(s->attempts, w->c)) >= ATTEMPTS) {
        mt_supervisor_fail(s, w->c, w, reason, NULL, MT_ERROR_INTERNAL, number);
        w->c = NULL;
        return;
    }
    mt_account_log(s->account, json_pack("{s:s s:s s:s}", "event", "retry", "id", w->c->id, "why", how));
    mt_supervisor_tell(s, MT_BATCH_RETRIED, w->c, w, reason);
    g_queue_push_head(s->pending, w->c);
    w->c = NULL;
}
