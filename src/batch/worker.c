/* The worker process: commands as JSON lines on fd 0, events as JSON lines on fd 3.
 *   {"do":"load","recipe":{..},"threads":N}        -> {"event":"loaded","resolved":TEXT,"demonstration":B} | {"event":"unusable",..}
 *   {"do":"run","path":..,"id":..,"target":..,..}  -> {"event":"progress",..}* then {"event":"done","timings":{..}} | {"event":"failed",..}
 * SIGTERM, or the supervisor's end, stops the running case. */
#include <microtome/batch.h>

#include "src/batch/protocol.h"
#include "src/pipeline/timings.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EVENT_FD 3
#define PROGRESS_EVERY_US 100000

static volatile sig_atomic_t stop_asked; /* the one state a signal handler can reach */

static void on_stop(int signal_number)
{
    (void)signal_number;
    stop_asked = 1;
}

static bool send_event(json_t *event)
{
    return mt_protocol_write(EVENT_FD, event);
}

static bool send_failure(const char *event, const GError *error, const char *stage)
{
    g_autofree char *message = g_utf8_make_valid(error->message, -1);

    return send_event(json_pack("{s:s s:i s:s s:s}", "event", event, "code", error->domain == MT_ERROR ? error->code : MT_ERROR_INTERNAL,
                                "message", message, "stage", stage));
}

static bool on_progress(void *user, int64_t done, int64_t total)
{
    gint64 *last = user, now = g_get_monotonic_time();

    if (now - *last >= PROGRESS_EVERY_US || done == total) {
        *last = now;
        if (!send_event(json_pack("{s:s s:I s:I}", "event", "progress", "done", (json_int_t)done, "total", (json_int_t)total)))
            return false;
    }
    return !stop_asked;
}

static bool do_load(const json_t *command, mt_pipeline **pipeline)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_recipe) recipe = mt_recipe_from_json(json_string_value(json_object_get(command, "recipe")), &error);

    g_clear_pointer(pipeline, mt_pipeline_free); /* loaded again: the folder had another precision */
    if (recipe != NULL)
        *pipeline = mt_pipeline_new(recipe, (int)json_integer_value(json_object_get(command, "threads")), &error);
    if (*pipeline == NULL)
        return send_failure("unusable", error, "load");
    return send_event(json_pack("{s:s s:s s:b}", "event", "loaded", "resolved", mt_pipeline_resolved(*pipeline), "demonstration",
                                (int)mt_pipeline_demonstration(*pipeline)));
}

static bool do_run(const json_t *command, mt_pipeline *pipeline)
{
    g_autoptr(GError) error = NULL;
    mt_timings  timings = {0};
    gint64      last = 0;
    mt_job      job = {.path = json_string_value(json_object_get(command, "path")),
                       .id = json_string_value(json_object_get(command, "id")),
                       .mpp_x = json_number_value(json_object_get(command, "mpp_x")),
                       .mpp_y = json_number_value(json_object_get(command, "mpp_y")),
                       .mpp_source = json_string_value(json_object_get(command, "mpp_source")),
                       .claims = json_string_value(json_object_get(command, "claims")),
                       .run = json_string_value(json_object_get(command, "run")),
                       .epoch = (int)json_integer_value(json_object_get(command, "epoch"))};
    const char *target = json_string_value(json_object_get(command, "target"));

    if (pipeline == NULL || job.path == NULL || job.id == NULL || target == NULL)
        return false;
    if (!mt_pipeline_run(pipeline, &job, target, on_progress, &last, &timings, &error))
        return send_failure("failed", error, timings.stage);
    return send_event(json_pack("{s:s s:o}", "event", "done", "timings", mt_timings_to_json(&timings)));
}

static bool do_command(const char *line, mt_pipeline **pipeline)
{
    json_t     *command = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const char *verb = json_string_value(json_object_get(command, "do"));
    bool        ok = false;

    if (g_strcmp0(verb, "load") == 0)
        ok = do_load(command, pipeline);
    else if (g_strcmp0(verb, "run") == 0)
        ok = do_run(command, *pipeline);
    json_decref(command);
    return ok;
}

int mt_batch_worker(void)
{
    struct sigaction stop = {.sa_handler = on_stop};
    g_autoptr(mt_pipeline) pipeline = NULL;
    g_autofree char *line = NULL;
    size_t           capacity = 0;

    sigaction(SIGTERM, &stop, NULL); /* no SA_RESTART: a waiting read ends */
    signal(SIGINT, SIG_IGN);         /* Ctrl-C reaches the whole group; the supervisor decides */
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    while (!stop_asked && getline(&line, &capacity, stdin) > 0)
        if (!do_command(line, &pipeline))
            return 70;
    return 0;
}
