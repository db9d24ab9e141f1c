/* What the end of a worker costs: the case that it had, and that one alone.  It is tried once more, in a fresh worker with half the
 * threads and half the tile cache; after that it is set aside, with all that is known of both attempts. */
#include "src/batch/supervisor_private.h"

#include "src/pipeline/case_tiles.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define ATTEMPTS 2
/* Workers that die while they load, one after the other, before the batch is given up. */
#define LOAD_DEATHS 3

typedef struct ending {
    const char *kind, *how, *what_to_do;
    int         signal_number;
} ending;

int mt_supervisor_attempts(const mt_supervisor *s, const mt_batch_case *c)
{
    return (int)json_array_size(g_hash_table_lookup(s->endings, c));
}

static json_t *budget_of(const mt_supervisor *s, const mt_worker_process *w, int halvings)
{
    json_t *budget = json_pack("{s:i s:I s:f}", "threads", MAX(1, MAX(1, s->o->threads / s->n_workers) >> halvings), "tile_cache_bytes",
                               (json_int_t)mt_pipeline_cache_bytes(s->recipe->memory_bytes, halvings), "stall_limit_s",
                               (double)mt_supervisor_stall_limit(s) / 1e6);

    if (w->address_space_bytes > 0)
        json_object_set_new(budget, "address_space_bytes", json_integer(w->address_space_bytes));
    return budget;
}

static void note_ending(mt_supervisor *s, const mt_worker_process *w, const ending *e)
{
    json_t *list = g_hash_table_lookup(s->endings, w->c);

    if (list == NULL)
        g_hash_table_insert(s->endings, w->c, list = json_array());
    json_t *one = json_pack("{s:s s:s s:s s:I s:I s:f s:o}", "kind", e->kind, "end", e->how, "stage", w->stage, "last_tile",
                            (json_int_t)w->tiles_done, "tiles", (json_int_t)w->tiles_total, "seconds",
                            (double)(g_get_monotonic_time() - w->started_us) / 1e6, "budget", budget_of(s, w, (int)json_array_size(list)));
    if (e->signal_number != 0)
        json_object_set_new(one, "signal", json_integer(e->signal_number));
    json_array_append_new(list, one);
}

static char *cpu_model(void)
{
    g_autofree char *text = NULL;
    const char      *line = g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL) ? strstr(text, "model name") : NULL;
    const char      *colon = line != NULL ? strchr(line, ':') : NULL;

    return colon != NULL ? g_strstrip(g_strndup(colon + 1, strcspn(colon + 1, "\n"))) : g_strdup("unknown");
}

/* All that whoever is asked for help wants to know. */
static json_t *record_of(mt_supervisor *s, const mt_worker_process *w, const ending *e)
{
    g_autofree char *cpu = cpu_model();
    json_t *record = json_pack("{s:b s:s s:I s:I s:O s:s s:s}", "quarantined", 1, "kind", e->kind, "last_tile", (json_int_t)w->tiles_done,
                               "tiles", (json_int_t)w->tiles_total, "endings", (json_t *)g_hash_table_lookup(s->endings, w->c), "host",
                               g_get_host_name(), "cpu", cpu);

    if (s->engine != NULL)
        json_object_update(record, s->engine);
    return record;
}

static char *where_of(const mt_worker_process *w)
{
    if (w->tiles_total > 0)
        return g_strdup_printf("in stage '%s' after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles", w->stage, w->tiles_done,
                               w->tiles_total);
    return g_strdup_printf("in stage '%s'", w->stage);
}

/* The case comes back to the queue, or is set aside. */
static void lose_attempt(mt_supervisor *s, mt_worker_process *w, const ending *e)
{
    g_autofree char *where = where_of(w), *reason = g_strdup_printf("read and encode %s: the worker %s %s", w->c->path, e->how, where);

    note_ending(s, w, e);
    if (mt_supervisor_attempts(s, w->c) < ATTEMPTS) {
        mt_account_log(s->account, json_pack("{s:s s:s s:s s:s s:I}", "event", "retry", "id", w->c->id, "why", e->how, "stage", w->stage,
                                             "last_tile", (json_int_t)w->tiles_done));
        mt_supervisor_tell(s, MT_BATCH_RETRIED, w->c, w, reason);
        g_queue_push_head(s->pending, w->c);
    } else {
        g_autofree char *told =
            g_strdup_printf("%s, the second time too, in a fresh process with half the threads and tile cache: the case is set aside: %s",
                            reason, e->what_to_do);
        json_t *record = record_of(s, w, e);
        mt_supervisor_set_aside(s, w->c, w, told, w->stage, strcmp(e->kind, "memory") == 0 ? MT_ERROR_MEMORY : MT_ERROR_INTERNAL,
                                e->signal_number, record);
        json_decref(record);
    }
    w->c = NULL;
}

static ending judge(const mt_worker_process *w, int status, char **how)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    if (w->stalled_us > 0) {
        *how = g_strdup_printf("made no progress for %.0f s", (double)w->stall_seen_us / 1e6);
        return (ending){"stalled", *how, "look at the storage and run again; --stall-limit gives slow machines more time", number};
    }
    *how = number != 0 ? g_strdup_printf("died with signal %d (%s)", number, strsignal(number))
                       : g_strdup_printf("died with exit code %d", WEXITSTATUS(status));
    if (number == SIGKILL || number == SIGTERM)
        return (ending){"killed", *how,
                        "somebody or a lack of memory killed it: run again when there is more memory, or with fewer --workers", number};
    return (ending){"crash", *how, "copy or scan the slide again; if that dies too, ask for help with this record", number};
}

void mt_supervisor_out_of_memory(mt_supervisor *s, mt_worker_process *w, const char *message)
{
    g_autofree char *told = mt_account_told(s->account, message, w->c), *how = g_strdup_printf("ran out of memory (%s)", told);
    const ending     e = {"memory", how, "run again with fewer --workers, or on a machine with more memory", 0};

    lose_attempt(s, w, &e);
    mt_worker_process_retire(w); /* what it holds is not known */
    mt_worker_stall_begin(w, "end");
}

/* Of a later one the batch is not given up at once: what it lacked may be there again. */
static void died_loading(mt_supervisor *s, const char *how)
{
    if (s->stopped_us != 0 || s->fatal != NULL)
        return;
    s->load_deaths++;
    mt_account_log(s->account, json_pack("{s:s s:s}", "event", "worker_lost", "why", how));
    if (s->engine == NULL || s->load_deaths >= LOAD_DEATHS)
        s->fatal = g_error_new(MT_ERROR, MT_ERROR_INTERNAL, "load the models in a worker: the worker %s", how);
}

void mt_supervisor_on_end(mt_supervisor *s, mt_worker_process *w)
{
    int              status = mt_worker_process_end(w);
    g_autofree char *how = NULL;
    const ending     e = judge(w, status, &how);

    if (!w->loaded && !w->retiring)
        died_loading(s, how);
    w->loaded = w->retiring = false;
    if (s->filler == w) /* nobody reads what it left */
        mt_supervisor_forget_weights(s);
    if (w->c == NULL)
        return;
    g_autofree char *target = mt_account_target(s->account, w->c);
    mt_claims_sweep(s->claims, w->c->id, target);
    if (mt_account_is_done(s->account, w->c)) { /* it died after the rename */
        mt_supervisor_skip(s, w->c);
        w->c = NULL;
    } else if (s->stopped_us != 0) {
        s->totals->stopped = true;
        w->c = NULL;
    } else
        lose_attempt(s, w, &e);
}
