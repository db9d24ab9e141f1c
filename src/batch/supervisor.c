/* Hands cases to worker processes and accounts for every one.  Opens no case, calls no HDF5. */
#include "mil/training_list.h"
#include "src/batch/account.h"
#include "src/batch/local_copies.h"
#include "src/batch/protocol.h"
#include "src/batch/worker_process.h"
#include "src/pipeline/resolved.h"
#include "src/pipeline/timings.h"

#include <microtome/encoder.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define STOP_GRACE_US INT64_C(20000000) /* how long a stopped worker may take before it is killed */
#define ATTEMPTS 2

typedef struct supervisor {
    const mt_batch_options *o;
    mt_batch_totals        *totals;
    mt_account             *account;
    mt_recipe              *recipe; /* the options' and, once there is one, the folder's precision */
    bool                    warned;
    GPtrArray              *cases;
    GQueue                 *pending;  /* mt_batch_case */
    mt_local_copies        *copies;   /* NULL: cases are read in place */
    GHashTable             *attempts; /* mt_batch_case -> count */
    mt_worker_process      *workers;
    int                     n_workers, n_cases;
    gint64                  stopped_us; /* when the stop was passed on; 0: not */
    GError                 *fatal;      /* what ends the batch: disk full */
} supervisor;

static void tell(supervisor *s, mt_batch_event_kind kind, const mt_batch_case *c, const mt_worker_process *w, const char *message)
{
    mt_batch_event event = {.kind = kind,
                            .c = c,
                            .cases_done = s->totals->done + s->totals->skipped + s->totals->failed,
                            .cases_total = s->n_cases,
                            .message = message};

    if (w != NULL) {
        event.tiles_done = w->tiles_done;
        event.tiles_total = w->tiles_total;
        event.seconds = (double)(g_get_monotonic_time() - w->started_us) / 1e6;
    }
    if (s->o->event != NULL)
        s->o->event(s->o->user, &event);
}

static void send_load(supervisor *s, mt_worker_process *w)
{
    g_autofree char *recipe = mt_recipe_to_json(s->recipe);

    mt_worker_process_send(w, json_pack("{s:s s:s s:i}", "do", "load", "recipe", recipe, "threads", MAX(1, s->o->threads / s->n_workers)));
}

static bool start_worker(supervisor *s, mt_worker_process *w, GError **error)
{
    if (!mt_worker_process_start(w, s->o->program, error))
        return false;
    send_load(s, w);
    return true;
}

/* The case's own path, or that of its local copy. */
static const char *path_to_open(supervisor *s, const mt_batch_case *c)
{
    const char *copy = NULL, *why = NULL;

    return s->copies != NULL && mt_local_copies_get(s->copies, c->id, &copy, &why) == MT_COPY_READY ? copy : c->path;
}

static void drop_copy(supervisor *s, const mt_batch_case *c)
{
    if (s->copies != NULL)
        mt_local_copies_drop(s->copies, c->id);
}

/* Nobody is told the names of copies. */
static char *with_own_path(supervisor *s, const mt_batch_case *c, const char *message)
{
    g_auto(GStrv) parts = g_strsplit(message != NULL ? message : "", path_to_open(s, c), -1);

    return g_strjoinv(c->path, parts);
}

static void give_case(supervisor *s, mt_worker_process *w)
{
    mt_batch_case   *c = g_queue_pop_head(s->pending);
    g_autofree char *target = mt_account_target(s->account, c);
    int              attempt = GPOINTER_TO_INT(g_hash_table_lookup(s->attempts, c)) + 1;

    g_hash_table_insert(s->attempts, c, GINT_TO_POINTER(attempt));
    w->c = c;
    w->started_us = g_get_monotonic_time();
    w->tiles_done = w->tiles_total = 0;
    mt_account_log(s->account, json_pack("{s:s s:s s:i}", "event", "started", "id", c->id, "attempt", attempt));
    tell(s, MT_BATCH_STARTED, c, w, NULL);
    json_t *command = json_pack("{s:s s:s s:s s:s s:f s:f}", "do", "run", "path", path_to_open(s, c), "id", c->id, "target", target,
                                "mpp_x", c->mpp_x, "mpp_y", c->mpp_y);
    if (c->mpp_source != NULL)
        json_object_set_new(command, "mpp_source", json_string(c->mpp_source));
    mt_worker_process_send(w, command); /* a worker that is gone shows as end of file */
}

static void record_failure(supervisor *s, mt_worker_process *w, const char *reason, const char *stage, int code, int signal_number)
{
    mt_batch_case *c = w->c;
    int            attempts = GPOINTER_TO_INT(g_hash_table_lookup(s->attempts, c));

    s->totals->failed++;
    if (!mt_account_failed(s->account, c, reason, stage, code, signal_number, attempts, s->fatal == NULL ? &s->fatal : NULL))
        g_prefix_error(&s->fatal, "record the failure of '%s': ", c->id);
    tell(s, MT_BATCH_FAILED, c, w, reason);
    drop_copy(s, c);
    w->c = NULL;
}

static void on_done(supervisor *s, mt_worker_process *w, const json_t *event)
{
    mt_timings timings = {0};

    mt_timings_from_json(json_object_get(event, "timings"), &timings);
    g_array_append_val(s->totals->timings, timings);
    s->totals->done++;
    s->totals->tiles += timings.tiles;
    mt_account_done(s->account, w->c, timings.total_s, json_object_get(event, "timings"));
    tell(s, MT_BATCH_DONE, w->c, w, NULL);
    drop_copy(s, w->c);
    w->c = NULL;
}

static void finish_elsewhere(supervisor *s, mt_worker_process *w)
{
    s->totals->skipped++;
    mt_account_clear_failed(s->account, w->c);
    tell(s, MT_BATCH_SKIPPED, w->c, NULL, NULL);
    drop_copy(s, w->c);
    w->c = NULL;
}

static void on_failed(supervisor *s, mt_worker_process *w, const json_t *event)
{
    int              code = (int)json_integer_value(json_object_get(event, "code"));
    const char      *stage = json_string_value(json_object_get(event, "stage"));
    g_autofree char *message = with_own_path(s, w->c, json_string_value(json_object_get(event, "message")));

    if (code == MT_ERROR_STOPPED) {
        s->totals->stopped = true;
        w->c = NULL;
        return;
    }
    if (mt_account_is_done(s->account, w->c)) { /* another run published it first */
        finish_elsewhere(s, w);
        return;
    }
    /* past the mask it is our own disk that failed, not the input: the next cases would fail too */
    bool ours = g_strcmp0(stage, "encode") == 0 || g_strcmp0(stage, "publish") == 0;
    if (code == MT_ERROR_IO && ours && s->fatal == NULL)
        s->fatal = g_error_new(MT_ERROR, MT_ERROR_IO, "case '%s': %s", w->c->id, message);
    record_failure(s, w, message, stage, code, 0);
}

/* `auto` chose before another machine's run gave the empty folder its recipe: load again, with the folder's precision. */
static bool follow_folder(supervisor *s, mt_worker_process *w)
{
    bool is_auto = s->recipe->precision == NULL || strcmp(s->recipe->precision, "auto") == 0;

    if (!is_auto || s->recipe->folder_precision != NULL)
        return false;
    s->recipe->folder_precision = mt_account_precision(s->account);
    if (s->recipe->folder_precision != NULL)
        send_load(s, w);
    return s->recipe->folder_precision != NULL;
}

static void warn_of_slow_precision(supervisor *s, const char *resolved)
{
    g_autofree char *name = mt_resolved_precision(resolved);
    mt_precision     precision;

    if (s->warned || name == NULL || !mt_precision_parse(name, &precision) || mt_precision_why_slow(precision) == NULL)
        return;
    g_autofree char *message = g_strdup_printf("precision %s: %s, so it is slower than fp32 here", name, mt_precision_why_slow(precision));
    s->warned = true;
    tell(s, MT_BATCH_WARNED, NULL, NULL, message);
}

/* Results know whom their head was trained on. */
static void keep_training_list(supervisor *s, const char *resolved)
{
    g_autofree char *sha256 = s->recipe->head != NULL ? mt_resolved_head_sha256(resolved) : NULL;

    if (sha256 != NULL && s->fatal == NULL)
        mt_training_list_keep(s->recipe->head, sha256, s->o->out, &s->fatal);
}

static void on_loaded(supervisor *s, mt_worker_process *w, const json_t *event)
{
    const char *resolved = json_string_value(json_object_get(event, "resolved"));
    g_autoptr(GError) cause = NULL;

    if (mt_account_recipe(s->account, resolved, &cause)) {
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

static void on_event(supervisor *s, mt_worker_process *w, const json_t *event)
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
        tell(s, MT_BATCH_PROGRESS, w->c, w, NULL);
    } else if (w->c != NULL && g_strcmp0(name, "done") == 0)
        on_done(s, w, event);
    else if (w->c != NULL && g_strcmp0(name, "failed") == 0)
        on_failed(s, w, event);
}

/* The worker is gone.  Its case is tried once more in a fresh worker, then recorded with the signal. */
static void on_end(supervisor *s, mt_worker_process *w)
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
    if (mt_account_is_done(s->account, w->c)) { /* it died after the rename */
        finish_elsewhere(s, w);
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
        record_failure(s, w, reason, NULL, MT_ERROR_INTERNAL, number);
        return;
    }
    mt_account_log(s->account, json_pack("{s:s s:s s:s}", "event", "retry", "id", w->c->id, "why", how));
    tell(s, MT_BATCH_RETRIED, w->c, w, reason);
    g_queue_push_head(s->pending, w->c);
    w->c = NULL;
}

static bool someone_works(const supervisor *s)
{
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i].pid != 0 && (s->workers[i].c != NULL || !s->workers[i].loaded))
            return true;
    return false;
}

/* Pass a stop on; after the grace, kill. */
static void pass_stop(supervisor *s)
{
    gint64 now = g_get_monotonic_time();
    int    number = s->stopped_us == 0 ? SIGTERM : now - s->stopped_us > STOP_GRACE_US ? SIGKILL : 0;

    if (s->stopped_us == 0)
        s->stopped_us = now;
    for (int i = 0; number != 0 && i < s->n_workers; i++)
        if (s->workers[i].pid != 0)
            kill(s->workers[i].pid, number);
    s->totals->stopped = true;
}

static void poll_workers(supervisor *s)
{
    g_autofree struct pollfd *fds = g_new0(struct pollfd, s->n_workers);

    for (int i = 0; i < s->n_workers; i++)
        fds[i] = (struct pollfd){.fd = s->workers[i].pid != 0 ? s->workers[i].event_fd : -1, .events = POLLIN};
    if (poll(fds, (nfds_t)s->n_workers, 200) <= 0)
        return;
    for (int i = 0; i < s->n_workers; i++) {
        mt_worker_process *w = &s->workers[i];
        if (fds[i].fd < 0 || fds[i].revents == 0)
            continue;
        bool alive = mt_worker_process_receive(w);
        for (json_t *event; (event = mt_worker_process_next(w)) != NULL; json_decref(event))
            on_event(s, w, event);
        if (!alive)
            on_end(s, w);
    }
}

/* The next cases are copied, as many ahead as there are workers. */
static void ask_for_copies(supervisor *s)
{
    int n = 0;

    for (GList *next = s->pending->head; s->copies != NULL && next != NULL && n < s->n_workers; next = next->next, n++)
        mt_local_copies_ask(s->copies, ((mt_batch_case *)next->data)->id, ((mt_batch_case *)next->data)->path);
}

/* The next case's copy is made, or will not be. */
static bool is_at_hand(supervisor *s)
{
    const mt_batch_case *c = g_queue_peek_head(s->pending);
    const char          *copy = NULL, *why = NULL;

    if (s->copies == NULL)
        return true;
    mt_copy_state state = mt_local_copies_get(s->copies, c->id, &copy, &why);
    if (state == MT_COPY_DECLINED && !g_hash_table_contains(s->attempts, c)) {
        g_autofree char *message = g_strdup_printf("case '%s' is read in place: %s", c->id, why);
        mt_account_log(s->account, json_pack("{s:s s:s s:s}", "event", "read_in_place", "id", c->id, "why", why));
        tell(s, MT_BATCH_WARNED, NULL, NULL, message);
    }
    return state != MT_COPY_UNDER_WAY;
}

/* Idle workers get the next cases, dead ones are replaced while there is work. */
static bool hand_out(supervisor *s, int usable, GError **error)
{
    for (int i = 0; i < usable && !g_queue_is_empty(s->pending); i++) {
        mt_worker_process *w = &s->workers[i];
        if (w->pid == 0 && !start_worker(s, w, error))
            return false;
        ask_for_copies(s);
        if (w->loaded && w->c == NULL && is_at_hand(s))
            give_case(s, w);
    }
    ask_for_copies(s);
    return true;
}

/* The folder has a result of this id, made from another file: never passed off as this case's. */
static void refuse_other_input(supervisor *s, mt_batch_case *c)
{
    g_autofree char *reason = g_strdup_printf(
        "skip %s: the folder holds a finished case '%s' of another file: give this one an id of its own in a manifest", c->path, c->id);

    s->totals->failed++;
    if (!mt_account_failed(s->account, c, reason, "claim", MT_ERROR_USAGE, 0, 0, s->fatal == NULL ? &s->fatal : NULL))
        g_prefix_error(&s->fatal, "record the failure of '%s': ", c->id);
    tell(s, MT_BATCH_FAILED, c, NULL, reason);
}

static void queue_cases(supervisor *s)
{
    for (guint i = 0; i < s->cases->len; i++) {
        mt_batch_case *c = s->cases->pdata[i];
        if (!mt_account_is_done(s->account, c)) {
            g_queue_push_tail(s->pending, c);
            continue;
        }
        if (!mt_account_same_input(s->account, c)) {
            refuse_other_input(s, c);
            continue;
        }
        s->totals->skipped++;
        mt_account_clear_failed(s->account, c);
        tell(s, MT_BATCH_SKIPPED, c, NULL, NULL);
    }
}

static bool run_loop(supervisor *s, GError **error)
{
    /* The first worker checks models and recipe before any other is started. */
    if (!start_worker(s, &s->workers[0], error))
        return false;
    while (s->fatal == NULL && s->stopped_us == 0 && !s->workers[0].loaded && s->workers[0].pid != 0) {
        poll_workers(s);
        if (s->o->stop != NULL && *s->o->stop)
            pass_stop(s);
    }
    if (s->fatal == NULL && mt_account_cases(s->account, s->cases, &s->fatal))
        queue_cases(s);
    while (s->fatal == NULL && (someone_works(s) || (!g_queue_is_empty(s->pending) && s->stopped_us == 0))) {
        if (s->o->stop != NULL && *s->o->stop)
            pass_stop(s);
        if (s->stopped_us == 0 && !hand_out(s, s->n_workers, error))
            return false;
        poll_workers(s);
    }
    if (s->fatal != NULL) {
        g_propagate_error(error, g_steal_pointer(&s->fatal));
        return false;
    }
    return true;
}

static void end_workers(supervisor *s)
{
    for (int i = 0; i < s->n_workers; i++) {
        if (s->workers[i].pid != 0 && s->workers[i].c != NULL)
            kill(s->workers[i].pid, SIGTERM);
        mt_worker_process_end(&s->workers[i]);
    }
}

/* A copy of the caller's, with what the folder says. */
static bool open_recipe(supervisor *s, GError **error)
{
    g_autofree char *json = mt_recipe_to_json(s->o->recipe);

    s->recipe = mt_recipe_from_json(json, error);
    if (s->recipe != NULL)
        s->recipe->folder_precision = mt_account_precision(s->account);
    return s->recipe != NULL;
}

bool mt_batch_run(GPtrArray *cases, const mt_batch_options *options, mt_batch_totals *totals, GError **error)
{
    supervisor s = {.o = options, .totals = totals, .cases = cases, .n_cases = (int)cases->len};

    *totals = (mt_batch_totals){.timings = g_array_new(FALSE, FALSE, sizeof(mt_timings))};
    s.account = mt_account_open(options->out, error);
    if (s.account == NULL)
        return false;
    if (!open_recipe(&s, error)) {
        mt_account_close(s.account);
        return false;
    }
    if (options->copy_to != NULL && (s.copies = mt_local_copies_new(options->copy_to, options->copy_bytes, error)) == NULL) {
        mt_account_close(s.account);
        mt_recipe_free(s.recipe);
        return false;
    }
    s.pending = g_queue_new();
    s.attempts = g_hash_table_new(NULL, NULL);
    s.n_workers = CLAMP(options->workers, 1, MAX(1, options->threads));
    s.workers = g_new0(mt_worker_process, s.n_workers);
    signal(SIGPIPE, SIG_IGN);
    bool ok = run_loop(&s, error);
    end_workers(&s);
    mt_local_copies_free(s.copies);
    g_autoptr(GError) summary_error = NULL;
    totals->summary = mt_account_summary(s.account, &summary_error);
    if (ok && totals->summary == NULL) {
        g_propagate_error(error, g_steal_pointer(&summary_error));
        ok = false;
    }
    mt_account_log(s.account, json_pack("{s:s s:i s:i s:i s:b}", "event", "ended", "done", totals->done, "skipped", totals->skipped,
                                        "failed", totals->failed, "stopped", (int)totals->stopped));
    mt_account_close(s.account);
    g_queue_free(s.pending);
    g_hash_table_unref(s.attempts);
    g_free(s.workers);
    mt_recipe_free(s.recipe);
    g_clear_error(&s.fatal);
    return ok;
}

void mt_batch_totals_clear(mt_batch_totals *totals)
{
    g_clear_pointer(&totals->summary, g_free);
    g_clear_pointer(&totals->timings, g_array_unref);
}
