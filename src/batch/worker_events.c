#include "src/batch/supervisor_private.h"

#include "mil/training_list.h"
#include "src/pipeline/resolved.h"
#include "src/pipeline/timings.h"

#include <microtome/encoder.h>

#include <string.h>

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
    mt_supervisor_learn_size(s, w->c);
    mt_supervisor_look_at_room(s);
    mt_supervisor_let_go(s, w->c);
    w->c = NULL;
}

static void on_failed(mt_supervisor *s, mt_worker_process *w, const json_t *event)
{
    int              code = (int)json_integer_value(json_object_get(event, "code"));
    const char      *stage = json_string_value(json_object_get(event, "stage"));
    g_autofree char *message = with_own_path(s, w->c, json_string_value(json_object_get(event, "message")));

    if (w->stalled_us > 0) /* it was asked to end, which on_end judges */
        return;
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
    bool ours = g_strcmp0(stage, "encode") == 0 || g_strcmp0(stage, "score") == 0 || g_strcmp0(stage, "publish") == 0;
    if (code == MT_ERROR_IO && ours && s->fatal == NULL)
        s->fatal = g_error_new(MT_ERROR, MT_ERROR_IO, "case '%s': %s", w->c->id, message);
    /* of what the head wants in all, a fresh worker has no more */
    if (code == MT_ERROR_MEMORY && g_strcmp0(stage, "score") != 0) {
        mt_supervisor_out_of_memory(s, w, message);
        return;
    }
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

/* The first one tells what this machine and this build lack, for all. */
static void learn_engine(mt_supervisor *s, mt_worker_process *w, const json_t *event)
{
    json_t *warnings = json_object_get(event, "warnings");

    w->address_space_bytes = json_integer_value(json_object_get(event, "address_space_bytes"));
    if (s->engine != NULL)
        return;
    s->engine = json_pack("{s:O? s:O?}", "libraries", json_object_get(event, "libraries"), "isa", json_object_get(event, "isa"));
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *text = json_string_value(json_array_get(warnings, i));
        if (text == NULL)
            continue;
        mt_account_log(s->account, json_pack("{s:s s:s}", "event", "unconfined", "why", text));
        mt_supervisor_tell(s, MT_BATCH_WARNED, NULL, NULL, text);
    }
}

static void on_loaded(mt_supervisor *s, mt_worker_process *w, const json_t *event)
{
    const char *resolved = json_string_value(json_object_get(event, "resolved"));
    g_autoptr(GError) cause = NULL;

    learn_engine(s, w, event);
    if (mt_account_recipe(s->account, resolved, s->o->force, &cause)) {
        w->loaded = true;
        s->load_deaths = 0;
        keep_training_list(s, resolved);
        s->totals->demonstration = json_is_true(json_object_get(event, "demonstration"));
        warn_of_slow_precision(s, resolved);
    } else if (!g_error_matches(cause, MT_ERROR, MT_ERROR_USAGE) || !follow_folder(s, w)) {
        w->loaded = true;
        if (s->fatal == NULL)
            s->fatal = g_steal_pointer(&cause);
    }
}

/* A file that could not be filled is read by nobody. */
static void on_weights(mt_supervisor *s, const mt_worker_process *w, const json_t *event)
{
    const char *origin = json_string_value(json_object_get(event, "origin"));

    mt_account_log(s->account, json_pack("{s:s s:s* s:i s:f}", "event", "weights", "origin", origin, "pid", (int)w->pid, "seconds",
                                         json_number_value(json_object_get(event, "seconds"))));
    if (s->filler != w)
        return;
    s->filler = NULL;
    if (g_strcmp0(origin, "filled") != 0)
        mt_supervisor_forget_weights(s);
}

void mt_supervisor_on_event(mt_supervisor *s, mt_worker_process *w, const json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));

    if (g_strcmp0(name, "loaded") == 0)
        on_loaded(s, w, event);
    else if (g_strcmp0(name, "weights") == 0)
        on_weights(s, w, event);
    else if (g_strcmp0(name, "unusable") == 0 && s->fatal == NULL)
        s->fatal = g_error_new_literal(MT_ERROR, (int)json_integer_value(json_object_get(event, "code")),
                                       json_string_value(json_object_get(event, "message")));
    else if (g_strcmp0(name, "beat") == 0)
        mt_worker_stall_beat(w);
    else if (w->c != NULL && g_strcmp0(name, "stage") == 0)
        mt_worker_stall_stage(w, json_string_value(json_object_get(event, "stage")));
    else if (w->c != NULL && g_strcmp0(name, "progress") == 0) {
        mt_worker_stall_tiles(w);
        w->tiles_done = json_integer_value(json_object_get(event, "done"));
        w->tiles_total = json_integer_value(json_object_get(event, "total"));
        mt_account_progress(s->account, w->c, w->tiles_done, w->tiles_total);
        mt_supervisor_tell(s, MT_BATCH_PROGRESS, w->c, w, NULL);
    } else if (w->c != NULL && g_strcmp0(name, "done") == 0)
        on_done(s, w, event);
    else if (w->c != NULL && g_strcmp0(name, "failed") == 0)
        on_failed(s, w, event);
}
