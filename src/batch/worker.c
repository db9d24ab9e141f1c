/* The worker process: commands as JSON lines on fd 0, events as JSON lines on fd 3.
 *   {"do":"load","recipe":{..},"threads":N,"workers":N,"writable":[DIR,..],"temporary":DIR,"beat_s":S}
 *        -> {"event":"loaded","resolved":TEXT,"demonstration":B,"warnings":[..],..} | {"event":"unusable",..}
 *   {"do":"share","fd":4} -> {"event":"weights","origin":"filled"|"shared"|"own","seconds":S}
 *   {"do":"run","path":..,"id":..,"target":..,..}
 *        -> {"event":"stage","stage":..}, {"event":"progress",..}* then {"event":"done","timings":{..}} | {"event":"failed",..}
 * and {"event":"beat"} while it computes or reads.  SIGTERM, or the supervisor's end, stops the running case.
 * Before it reads a byte of models or cases it gives up what it does not need (worker_sandbox.h, worker_limits.h). */
#include <microtome/batch.h>
#include <microtome/engine.h>

#include "src/batch/protocol.h"
#include "src/batch/worker_limits.h"
#include "src/batch/worker_process.h"
#include "src/batch/worker_pulse.h"
#include "src/batch/worker_sandbox.h"
#include "src/pipeline/timings.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EVENT_FD 3
#define PROGRESS_EVERY_US 100000

static volatile sig_atomic_t stop_asked; /* the one state a signal handler can reach */

typedef struct worker {
    mt_pipeline     *pipeline;
    mt_worker_pulse *pulse;
    pthread_mutex_t  lock; /* of the events' pipe: beats come from a thread of their own */
    bool             confined;
    json_t          *warnings;
    int64_t          address_space_bytes;
} worker;

typedef struct running {
    worker           *w;
    const mt_timings *timings;
    gint64            told_us;
} running;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stop_asked = 1;
}

static bool send_event(worker *w, json_t *event)
{
    pthread_mutex_lock(&w->lock);
    bool ok = mt_protocol_write(EVENT_FD, event);
    pthread_mutex_unlock(&w->lock);
    return ok;
}

static bool send_failure(worker *w, const char *event, const GError *error, const char *stage)
{
    g_autofree char *message = g_utf8_make_valid(error->message, -1);

    return send_event(w, json_pack("{s:s s:i s:s s:s}", "event", event, "code", error->domain == MT_ERROR ? error->code : MT_ERROR_INTERNAL,
                                   "message", message, "stage", stage));
}

static void send_beat(void *user)
{
    send_event(user, json_pack("{s:s}", "event", "beat"));
}

/* 0 of 0 tiles: a stage begins. */
static bool on_progress(void *user, int64_t done, int64_t total)
{
    running *r = user;
    gint64   now = g_get_monotonic_time();
    bool     ok = true;

    if (total == 0)
        ok = send_event(r->w, json_pack("{s:s s:s}", "event", "stage", "stage", r->timings->stage));
    else if (now - r->told_us >= PROGRESS_EVERY_US || done == total) {
        r->told_us = now;
        ok = send_event(r->w, json_pack("{s:s s:I s:I}", "event", "progress", "done", (json_int_t)done, "total", (json_int_t)total));
    }
    return ok && !stop_asked;
}

/* Once, while there is one thread. */
static bool confine(worker *w, const json_t *command, GError **error)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free), folders = g_ptr_array_new();
    const char *temporary = json_string_value(json_object_get(command, "temporary"));
    json_t     *list = json_object_get(command, "writable");

    for (size_t i = 0; i < json_array_size(list); i++)
        g_ptr_array_add(folders, (char *)json_string_value(json_array_get(list, i)));
    if (temporary != NULL) {
        g_ptr_array_add(folders, (char *)temporary);
        g_setenv("TMPDIR", temporary, TRUE); /* libvips keeps large pictures there */
    }
    g_ptr_array_add(folders, NULL);
    mt_worker_limits_begin();
    if (!mt_worker_sandbox_enter((const char *const *)folders->pdata, warnings, error))
        return false;
    for (guint i = 0; i < warnings->len; i++)
        json_array_append_new(w->warnings, json_string(warnings->pdata[i]));
    double beat_s = json_number_value(json_object_get(command, "beat_s"));
    w->pulse = beat_s > 0 ? mt_worker_pulse_new((gint64)(beat_s * 1e6), send_beat, w) : NULL;
    w->confined = true;
    return true;
}

static json_t *libraries(void)
{
    json_t *object = json_object();

    for (const mt_engine_library *l = mt_engine_libraries(); l->name != NULL; l++)
        json_object_set_new(object, l->name, json_string(l->version));
    return object;
}

static bool send_loaded(worker *w, const mt_worker_budget *budget)
{
    w->address_space_bytes = mt_worker_limits_settle(budget);
    return send_event(w, json_pack("{s:s s:s s:b s:O s:o s:s s:I}", "event", "loaded", "resolved", mt_pipeline_resolved(w->pipeline),
                                   "demonstration", (int)mt_pipeline_demonstration(w->pipeline), "warnings", w->warnings, "libraries",
                                   libraries(), "isa", mt_engine_isa(), "address_space_bytes", (json_int_t)w->address_space_bytes));
}

static bool do_load(worker *w, const json_t *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_recipe) recipe = NULL;
    mt_worker_budget budget = {.threads = (int)json_integer_value(json_object_get(command, "threads")),
                               .workers = (int)json_integer_value(json_object_get(command, "workers"))};

    g_clear_pointer(&w->pipeline, mt_pipeline_free); /* loaded again: the folder had another precision */
    if (w->confined || confine(w, command, &error))
        recipe = mt_recipe_from_json(json_string_value(json_object_get(command, "recipe")), &error);
    if (recipe != NULL)
        w->pipeline = mt_pipeline_new(recipe, budget.threads, &error);
    if (w->pipeline == NULL)
        return send_failure(w, "unusable", error, "load");
    budget.memory_bytes = recipe->memory_bytes;
    return send_loaded(w, &budget);
}

/* Packed weights of the memory file that the supervisor made and every worker inherits. */
static bool do_share(worker *w, const json_t *command)
{
    int    fd = (int)json_integer_value(json_object_get(command, "fd"));
    gint64 start = g_get_monotonic_time();

    if (w->pipeline == NULL || fd != MT_WORKER_WEIGHTS_FD)
        return false;
    const char *origin = mt_pipeline_share_weights(w->pipeline, fd);
    close(fd);
    return send_event(
        w, json_pack("{s:s s:s s:f}", "event", "weights", "origin", origin, "seconds", (double)(g_get_monotonic_time() - start) / 1e6));
}

static bool do_run(worker *w, const json_t *command)
{
    g_autoptr(GError) error = NULL;
    mt_timings  timings = {0};
    running     r = {.w = w, .timings = &timings};
    mt_job      job = {.path = json_string_value(json_object_get(command, "path")),
                       .id = json_string_value(json_object_get(command, "id")),
                       .mpp_x = json_number_value(json_object_get(command, "mpp_x")),
                       .mpp_y = json_number_value(json_object_get(command, "mpp_y")),
                       .mpp_source = json_string_value(json_object_get(command, "mpp_source")),
                       .preparation = json_string_value(json_object_get(command, "preparation")),
                       .claims = json_string_value(json_object_get(command, "claims")),
                       .run = json_string_value(json_object_get(command, "run")),
                       .epoch = (int)json_integer_value(json_object_get(command, "epoch")),
                       .halvings = (int)json_integer_value(json_object_get(command, "halvings"))};
    const char *target = json_string_value(json_object_get(command, "target"));

    if (w->pipeline == NULL || job.path == NULL || job.id == NULL || target == NULL)
        return false;
    if (!mt_pipeline_run(w->pipeline, &job, target, on_progress, &r, &timings, &error))
        return send_failure(w, "failed", error, timings.stage);
    return send_event(w, json_pack("{s:s s:o}", "event", "done", "timings", mt_timings_to_json(&timings)));
}

static bool do_command(worker *w, const char *line)
{
    json_t     *command = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const char *verb = json_string_value(json_object_get(command, "do"));
    bool        ok = false;

    if (g_strcmp0(verb, "load") == 0)
        ok = do_load(w, command);
    else if (g_strcmp0(verb, "share") == 0)
        ok = do_share(w, command);
    else if (g_strcmp0(verb, "run") == 0)
        ok = do_run(w, command);
    json_decref(command);
    return ok;
}

static int serve(worker *w)
{
    g_autofree char *line = NULL;
    size_t           capacity = 0;

    while (!stop_asked && getline(&line, &capacity, stdin) > 0)
        if (!do_command(w, line))
            return 70;
    return 0;
}

int mt_batch_worker(void)
{
    struct sigaction stop = {.sa_handler = on_stop};
    worker           w = {.warnings = json_array()};

    sigaction(SIGTERM, &stop, NULL); /* no SA_RESTART: a waiting read ends */
    signal(SIGINT, SIG_IGN);         /* Ctrl-C reaches the whole group, so does Slurm's warning; the supervisor decides */
    signal(SIGUSR1, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    pthread_mutex_init(&w.lock, NULL);
    int code = serve(&w);
    mt_worker_pulse_free(w.pulse);
    pthread_mutex_destroy(&w.lock);
    mt_pipeline_free(w.pipeline);
    json_decref(w.warnings);
    return code;
}
