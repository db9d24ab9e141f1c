#include "src/batch/run_log.h"

#include "src/batch/claims.h"
#include "src/pipeline/timings.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A run of another machine that has told of no beat and has not written for so long is taken for gone. */
#define SILENT_AFTER_S 180

typedef struct reading {
    mt_folder     *folder;
    mt_folder_run *run;
    mt_find_case   find;
    void          *user;
    char          *claims; /* the name that its claims and its beat have; NULL: of a version that did not tell */
    gint64         lease_us;
} reading;

void mt_folder_run_free(mt_folder_run *run)
{
    g_free(run->host);
    g_free(run);
}

/* <time>-<host>-<pid>.jsonl; a host's name may have dashes. */
static mt_folder_run *run_of_name(const char *name)
{
    const char *host = strchr(name, '-'), *pid = strrchr(name, '-');

    if (host == NULL || pid == host || !g_str_has_suffix(name, ".jsonl"))
        return NULL;
    mt_folder_run *run = g_new0(mt_folder_run, 1);
    run->host = g_strndup(host + 1, (gsize)(pid - host - 1));
    run->pid = atoi(pid + 1);
    return run;
}

/* Another process may have the number by now: it must be a microtome, too. */
static bool process_lives(int pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/comm", pid), *name = NULL;

    if (pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH))
        return false;
    return !g_file_get_contents(path, &name, NULL, NULL) || strstr(name, "microtome") != NULL;
}

static bool run_lives(const reading *r, const struct stat *log)
{
    const mt_folder_run *run = r->run;
    bool                 here = strcmp(run->host, g_get_host_name()) == 0;

    if (run->ended)
        return false;
    if (r->claims != NULL)
        return mt_claims_run_lives(r->folder->out, r->claims, r->lease_us);
    if (here)
        return process_lives(run->pid);
    return time(NULL) - log->st_mtime < SILENT_AFTER_S;
}

static gint64 time_of(const json_t *event)
{
    const char *text = json_string_value(json_object_get(event, "time"));
    g_autoptr(GDateTime) time = text != NULL ? g_date_time_new_from_iso8601(text, NULL) : NULL;

    return time != NULL ? g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time) : 0;
}

static void replace_text(char **field, const json_t *value)
{
    g_free(*field);
    *field = g_strdup(json_string_value(value));
}

static void on_done(mt_folder_case *c, const json_t *event)
{
    const json_t *result = json_object_get(event, "result"), *timings = json_object_get(event, "timings");
    const json_t *score = json_object_get(result, "score"), *seconds = json_object_get(event, "seconds");

    c->run = NULL;
    c->timed = timings != NULL;
    if (timings != NULL)
        mt_timings_from_json(timings, &c->timings);
    c->seconds = json_is_number(seconds) ? json_number_value(seconds) : timings != NULL ? c->timings.total_s : -1;
    if (result == NULL)
        return;
    replace_text(&c->status, json_object_get(result, "status"));
    replace_text(&c->decision, json_object_get(result, "decision"));
    c->score = json_is_number(score) ? json_number_value(score) : (double)NAN;
    c->tiles = json_integer_value(json_object_get(result, "tiles"));
    c->invalid_tiles = json_integer_value(json_object_get(result, "invalid_tiles"));
}

static void on_case(const reading *r, const char *what, mt_folder_case *c, const json_t *event)
{
    if (strcmp(what, "started") == 0) {
        c->run = r->run;
        c->tiles_done = c->tiles_total = 0;
    } else if (strcmp(what, "progress") == 0) {
        c->tiles_done = json_integer_value(json_object_get(event, "done"));
        c->tiles_total = json_integer_value(json_object_get(event, "total"));
    } else if (strcmp(what, "done") == 0) {
        r->run->done++;
        on_done(c, event);
    } else if (strcmp(what, "taken_over") == 0) {
        if (c->run == r->run)
            c->run = NULL;
    } else if (strcmp(what, "failed") == 0) {
        r->run->failed++;
        c->run = NULL;
    }
}

static void on_began(reading *r, const json_t *event)
{
    const char *run = json_string_value(json_object_get(event, "run"));

    g_free(r->claims);
    r->claims = run != NULL && strchr(run, '/') == NULL ? g_strdup(run) : NULL;
    r->lease_us = (gint64)(json_number_value(json_object_get(event, "lease")) * 1e6);
}

static void on_line(reading *r, const json_t *event)
{
    const char *what = json_string_value(json_object_get(event, "event"));
    const char *id = json_string_value(json_object_get(event, "id"));
    bool        first = r->run->began_us == 0, last = g_strcmp0(what, "done") != 0;

    if (what == NULL)
        return;
    if (strcmp(what, "began") == 0) { /* before the models are loaded: no part of the time that the cases take */
        on_began(r, event);
        return;
    }
    if (first || !last || strcmp(what, "progress") == 0 || strcmp(what, "ended") == 0)
        r->run->seen_us = MAX(r->run->seen_us, time_of(event)); /* parsing a time costs more than the line */
    if (!last)
        r->run->finished_us = r->run->seen_us;
    if (first)
        r->run->began_us = r->run->seen_us;
    if (strcmp(what, "ended") == 0)
        r->run->ended = true;
    if (strcmp(what, "watch_stalled") == 0 || strcmp(what, "watch_answers") == 0)
        r->run->watch_stalled = what[6] == 's';
    if (id == NULL)
        id = json_string_value(json_object_get(json_object_get(event, "case"), "id"));
    if (id != NULL)
        on_case(r, what, r->find(r->user, id), event);
}

static void read_log(reading *r, const char *path)
{
    g_autofree char *text = NULL;
    struct stat      status;

    if (stat(path, &status) != 0 || !g_file_get_contents(path, &text, NULL, NULL))
        return;
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        json_t *event = json_loadb(line, (size_t)(end - line), 0, NULL);
        on_line(r, event);
        json_decref(event);
    }
    r->run->alive = run_lives(r, &status);
    g_free(r->claims);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void mt_run_log_read_all(mt_folder *folder, mt_find_case find, void *user)
{
    g_autofree char *path = g_build_filename(folder->out, "runs", NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names); /* the time comes first */
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *log = g_build_filename(path, names->pdata[i], NULL);
        mt_folder_run   *run = run_of_name(names->pdata[i]);
        if (run == NULL)
            continue;
        g_ptr_array_add(folder->runs, run);
        read_log(&(reading){.folder = folder, .run = run, .find = find, .user = user}, log);
    }
}
