/* Hands cases to worker processes and accounts for every one.  Opens no case, calls no HDF5. */
#include "src/batch/supervisor_private.h"

#include "kernels/graph/weight_store.h"
#include "src/batch/cases.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a stopped worker may take before it is killed: asked to be gone within 20 s, with time to clear up. */
#define STOP_GRACE_US INT64_C(12000000)

void mt_supervisor_tell(mt_supervisor *s, mt_batch_event_kind kind, const mt_batch_case *c, const mt_worker_process *w, const char *message)
{
    g_autofree char *told = message != NULL && c != NULL && c->shown != NULL ? mt_account_told(s->account, message, c) : NULL;
    mt_batch_event   event = {.kind = kind,
                              .c = c,
                              .cases_done = s->totals->done + s->totals->skipped + s->totals->failed,
                              .cases_total = s->n_cases,
                              .message = told != NULL ? told : message};

    if (w != NULL) {
        event.tiles_done = w->tiles_done;
        event.tiles_total = w->tiles_total;
        event.seconds = (double)(g_get_monotonic_time() - w->started_us) / 1e6;
    }
    if (s->o->event != NULL)
        s->o->event(s->o->user, &event);
}

void mt_supervisor_send_load(mt_supervisor *s, mt_worker_process *w)
{
    g_autofree char *recipe = mt_recipe_to_json(s->recipe), *cases = g_build_filename(s->o->out, "cases", NULL);
    double           limit_s = (double)mt_supervisor_stall_limit(s) / 1e6;
    json_t          *command =
        json_pack("{s:s s:s s:i s:i s:[s] s:f}", "do", "load", "recipe", recipe, "threads", MAX(1, s->o->threads / s->n_workers), "workers",
                  s->n_workers, "writable", cases, "beat_s", CLAMP(limit_s / 4, 0.1, 5));

    if (w->temporary != NULL)
        json_object_set_new(command, "temporary", json_string(w->temporary));
    mt_worker_stall_begin(w, "load");
    mt_worker_process_send(w, command);
}

void mt_supervisor_forget_weights(mt_supervisor *s)
{
    if (s->weights_fd >= 0)
        close(s->weights_fd);
    s->weights_fd = -1;
    s->filler = NULL;
}

const char *mt_supervisor_path(mt_supervisor *s, const mt_batch_case *c)
{
    const char *copy = NULL, *why = NULL;

    return s->copies != NULL && mt_local_copies_get(s->copies, c->id, &copy, &why) == MT_COPY_READY ? copy : c->path;
}

void mt_supervisor_let_go(mt_supervisor *s, const mt_batch_case *c)
{
    if (s->copies != NULL)
        mt_local_copies_drop(s->copies, c->id);
    mt_claims_release(s->claims, c->id);
    if (c->control != NULL)
        mt_supervisor_review(s, NULL);
    s->untold = true;
}

void mt_supervisor_fail(mt_supervisor *s, mt_batch_case *c, mt_worker_process *w, const char *reason, const char *stage, int code,
                        int signal_number)
{
    mt_supervisor_set_aside(s, c, w, reason, stage, code, signal_number, NULL);
}

void mt_supervisor_set_aside(mt_supervisor *s, mt_batch_case *c, mt_worker_process *w, const char *reason, const char *stage, int code,
                             int signal_number, const json_t *record)
{
    int attempts = GPOINTER_TO_INT(g_hash_table_lookup(s->attempts, c));

    s->totals->failed++;
    if (!mt_account_failed(s->account, c, reason, stage, code, signal_number, attempts, record, s->fatal == NULL ? &s->fatal : NULL))
        g_prefix_error(&s->fatal, "record the failure of '%s': ", c->id);
    mt_supervisor_tell(s, MT_BATCH_FAILED, c, w, reason);
    mt_supervisor_let_go(s, c);
}

void mt_supervisor_skip(mt_supervisor *s, mt_batch_case *c)
{
    s->totals->skipped++;
    mt_supervisor_learn_size(s, c);
    mt_account_clear_failed(s->account, c);
    mt_supervisor_tell(s, MT_BATCH_SKIPPED, c, NULL, NULL);
    mt_supervisor_let_go(s, c);
}

static bool someone_works(const mt_supervisor *s)
{
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i].pid != 0 && (s->workers[i].c != NULL || !s->workers[i].loaded))
            return true;
    return false;
}

/* Pass a stop on; after the grace, or asked twice, kill. */
static void pass_stop(mt_supervisor *s)
{
    gint64 now = g_get_monotonic_time();
    bool   first = s->stopped_us == 0;
    bool   twice = s->o->stop != NULL && *s->o->stop > 1;
    int    number = twice || (!first && now - s->stopped_us > STOP_GRACE_US) ? SIGKILL : first ? SIGTERM : 0;

    if (first)
        s->stopped_us = now;
    for (int i = 0; number != 0 && i < s->n_workers; i++)
        if (s->workers[i].pid != 0)
            kill(s->workers[i].pid, number);
    s->totals->stopped = true;
}

static bool stop_is_asked(const mt_supervisor *s)
{
    return s->o->stop != NULL && *s->o->stop;
}

static void poll_workers(mt_supervisor *s)
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
            mt_supervisor_on_event(s, w, event);
        if (!alive && stop_is_asked(s))
            pass_stop(s); /* the signal may have met the whole group: no worker has failed */
        if (!alive)
            mt_supervisor_on_end(s, w);
    }
}

/* The first worker checks models and recipe before any other is started. */
static bool load_first(mt_supervisor *s, GError **error)
{
    if (!mt_worker_process_start(&s->workers[0], s->o->program, s->weights_fd, error))
        return false;
    mt_supervisor_send_load(s, &s->workers[0]);
    while (s->fatal == NULL && s->stopped_us == 0 && !s->workers[0].loaded && s->workers[0].pid != 0) {
        mt_claims_beat(s->claims, mt_claims_now_us());
        poll_workers(s);
        mt_supervisor_watch_workers(s);
        if (stop_is_asked(s))
            pass_stop(s);
    }
    return true;
}

/* Nothing more to hand out, by the wall clock: what runs is stopped when the hour has come. */
static bool is_past(const mt_supervisor *s, gint64 more_us)
{
    return s->o->until_us != 0 && g_get_real_time() + more_us >= s->o->until_us;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* The median of what the cases have taken so far. */
static gint64 usual_us(const mt_supervisor *s)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(double));

    for (guint i = 0; i < s->totals->timings->len; i++)
        g_array_append_val(all, g_array_index(s->totals->timings, mt_timings, i).total_s);
    g_array_sort(all, compare_doubles);
    return all->len > 0 ? (gint64)(g_array_index(all, double, all->len / 2) * 1e6) : 0;
}

static bool is_work_left(const mt_supervisor *s)
{
    return !g_queue_is_empty(s->pending) || !g_queue_is_empty(s->elsewhere) || s->watch != NULL;
}

/* Hand out, unless the hour is near; what still runs when it has come is stopped. */
static bool next_cases(mt_supervisor *s, GError **error)
{
    bool near = s->o->until_us != 0 && is_past(s, usual_us(s));

    if (s->stopped_us == 0 && (is_past(s, 0) || (near && !someone_works(s))))
        pass_stop(s);
    return s->stopped_us != 0 || near || mt_supervisor_hand_out(s, error);
}

static bool run_loop(mt_supervisor *s, GError **error)
{
    if (!load_first(s, error))
        return false;
    if (s->fatal == NULL && mt_account_cases(s->account, s->cases, &s->fatal)) {
        mt_supervisor_review(s, NULL); /* until a control case has passed, no score is given */
        mt_supervisor_queue(s);
        mt_supervisor_look_at_room(s);
    }
    while (s->fatal == NULL && (someone_works(s) || (is_work_left(s) && s->stopped_us == 0))) {
        mt_claims_beat(s->claims, mt_claims_now_us());
        if (stop_is_asked(s))
            pass_stop(s);
        mt_supervisor_take_in(s);
        if (!next_cases(s, error))
            return false;
        poll_workers(s);
        mt_supervisor_watch_workers(s);
        mt_account_tick(s->account);
    }
    if (s->fatal != NULL) {
        g_propagate_error(error, g_steal_pointer(&s->fatal));
        return false;
    }
    return true;
}

/* Until it is over; what does not end when told is killed after the grace, or at once for who asks twice. */
static void await_end(const mt_supervisor *s, const mt_worker_process *w)
{
    gint64    until = g_get_monotonic_time() + STOP_GRACE_US;
    siginfo_t over = {0};

    while (waitid(P_PID, (id_t)w->pid, &over, WEXITED | WNOHANG | WNOWAIT) == 0 && over.si_pid == 0) {
        if (g_get_monotonic_time() > until || (s->o->stop != NULL && *s->o->stop > 1))
            kill(w->pid, SIGKILL);
        g_usleep(2000);
    }
}

static void end_workers(mt_supervisor *s)
{
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i].pid != 0 && s->workers[i].c != NULL)
            kill(s->workers[i].pid, SIGTERM);
    for (int i = 0; i < s->n_workers; i++) {
        mt_worker_process *w = &s->workers[i];
        if (w->pid != 0 && w->c != NULL)
            await_end(s, w);
        mt_worker_process_end(w);
        if (w->c != NULL) {
            g_autofree char *target = mt_account_target(s->account, w->c);
            mt_claims_sweep(s->claims, w->c->id, target);
        }
    }
}

/* A copy of the caller's, with what the folder says. */
static bool open_recipe(mt_supervisor *s, GError **error)
{
    g_autofree char *json = mt_recipe_to_json(s->o->recipe);

    s->recipe = mt_recipe_from_json(json, error);
    if (s->recipe != NULL)
        s->recipe->folder_precision = mt_account_precision(s->account);
    return s->recipe != NULL;
}

static void free_json(void *data)
{
    json_decref(data);
}

static bool open_all(mt_supervisor *s, GError **error)
{
    s->account = mt_account_open(s->o, error);
    s->claims = s->account != NULL ? mt_claims_open(s->o->out, s->o->lease_us > 0 ? s->o->lease_us : MT_BATCH_LEASE_US, error) : NULL;
    if (s->claims == NULL || !open_recipe(s, error))
        return false;
    mt_account_log(s->account, json_pack("{s:s s:s s:f}", "event", "began", "run", mt_claims_run(s->claims), "lease",
                                         (double)(s->o->lease_us > 0 ? s->o->lease_us : MT_BATCH_LEASE_US) / 1e6));
    if (s->o->copy_to != NULL && (s->copies = mt_local_copies_new(s->o->copy_to, s->o->copy_bytes, error)) == NULL)
        return false;
    mt_drop_folder_params params = {s->o->watch, s->o->settle_us, s->o->mpp_x, s->o->mpp_y, s->cases->len};
    if (s->o->watch != NULL && (s->watch = mt_watch_thread_new(&params, error)) == NULL)
        return false;
    s->arrived = g_queue_new();
    s->pending = g_queue_new();
    s->elsewhere = g_queue_new();
    s->attempts = g_hash_table_new(NULL, NULL);
    s->endings = g_hash_table_new_full(NULL, NULL, NULL, free_json);
    s->failed_before = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    s->weights_fd = mt_weight_store_file();
    s->n_workers = CLAMP(s->o->workers, 1, MAX(1, s->o->threads));
    s->workers = g_new0(mt_worker_process, s->n_workers);
    return true;
}

static void close_all(mt_supervisor *s)
{
    mt_claims_close(s->claims);
    mt_local_copies_free(s->copies);
    mt_account_close(s->account);
    mt_watch_thread_end(s->watch);
    if (s->arrived != NULL)
        g_queue_free_full(s->arrived, mt_batch_case_free);
    g_clear_pointer(&s->pending, g_queue_free);
    g_clear_pointer(&s->elsewhere, g_queue_free);
    g_clear_pointer(&s->attempts, g_hash_table_unref);
    g_clear_pointer(&s->endings, g_hash_table_unref);
    json_decref(s->engine);
    g_clear_pointer(&s->failed_before, g_hash_table_unref);
    g_free(s->workers);
    mt_supervisor_forget_weights(s);
    mt_recipe_free(s->recipe);
    g_clear_error(&s->fatal);
}

bool mt_batch_run(GPtrArray *cases, const mt_batch_options *options, mt_batch_totals *totals, GError **error)
{
    mt_supervisor s = {.o = options, .totals = totals, .cases = cases, .n_cases = (int)cases->len, .weights_fd = -1};
    g_autoptr(GError) summary_error = NULL;

    *totals =
        (mt_batch_totals){.timings = g_array_new(FALSE, FALSE, sizeof(mt_timings)), .withheld = g_ptr_array_new_with_free_func(g_free)};
    if (!open_all(&s, error)) {
        close_all(&s);
        return false;
    }
    signal(SIGPIPE, SIG_IGN);
    bool ok = run_loop(&s, error);
    end_workers(&s);
    mt_supervisor_review(&s, totals->withheld);
    if (ok && s.fatal != NULL) { /* no score may be given that should be withheld */
        g_propagate_error(error, g_steal_pointer(&s.fatal));
        ok = false;
    }
    mt_account_end(s.account, totals);
    totals->summary = mt_account_summary(s.account, &summary_error);
    if (ok && totals->summary == NULL) {
        g_propagate_error(error, g_steal_pointer(&summary_error));
        ok = false;
    }
    close_all(&s);
    return ok;
}

void mt_batch_totals_clear(mt_batch_totals *totals)
{
    g_clear_pointer(&totals->summary, g_free);
    g_clear_pointer(&totals->timings, g_array_unref);
    g_clear_pointer(&totals->withheld, g_ptr_array_unref);
}
