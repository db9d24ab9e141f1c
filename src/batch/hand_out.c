#include "src/batch/supervisor_private.h"

#include "kernels/graph/weight_store.h"
#include "src/batch/case_order.h"
#include "src/batch/protocol.h"

#include <string.h>

#define LOOK_AGAIN_US G_USEC_PER_SEC

/* What failed/<id>.json says now is not what this run found: another run tried the case meanwhile. */
static bool failed_meanwhile(mt_supervisor *s, const mt_batch_case *c)
{
    g_autofree char *now = mt_account_failure(s->account, c);

    return now != NULL && g_strcmp0(now, g_hash_table_lookup(s->failed_before, c->id)) != 0;
}

/* An older result of the same name, of another file or another recipe, makes room.  False: it would not. */
static bool make_room(mt_supervisor *s, mt_batch_case *c, mt_standing standing)
{
    g_autoptr(GError) error = NULL;

    if (standing == MT_STANDING_NONE)
        return true;
    g_autofree char *moved = mt_account_supersede(s->account, c, &error);
    if (moved == NULL) {
        if (s->fatal == NULL)
            s->fatal = g_steal_pointer(&error);
        return false;
    }
    g_autofree char *message = g_strdup_printf("case '%s': the folder held a result of %s: it is kept as %s", c->id,
                                               standing == MT_STANDING_OTHER_INPUT ? "another file" : "another recipe", moved);
    mt_account_log(s->account, json_pack("{s:s s:s s:s}", "event", "superseded", "id", c->id, "as", moved));
    mt_supervisor_tell(s, MT_BATCH_WARNED, NULL, NULL, message);
    return true;
}

/* The case is claimed and still to be done.  False: it is accounted for, or waits for others. */
static bool claim(mt_supervisor *s, mt_batch_case *c, int *epoch)
{
    g_autofree char *target = mt_account_target(s->account, c), *who = NULL;
    mt_claim_state   state = mt_claims_take(s->claims, c->id, target, mt_claims_now_us(), epoch, &who, s->fatal == NULL ? &s->fatal : NULL);

    if (state == MT_CLAIM_ELSEWHERE) {
        g_queue_push_tail(s->elsewhere, c);
        if (!s->told_waiting && who != NULL) {
            g_autofree char *message = g_strdup_printf("case '%s' is being worked on (%s): it is looked at again later", c->id, who);
            mt_supervisor_tell(s, MT_BATCH_WARNED, NULL, NULL, message);
            s->told_waiting = true;
        }
    }
    if (state != MT_CLAIM_OURS)
        return false;
    mt_standing standing = mt_account_standing(s->account, c);
    if (standing == MT_STANDING_DONE)
        mt_supervisor_skip(s, c);
    else if (failed_meanwhile(s, c)) {
        g_autofree char *reason = mt_account_failed_reason(s->account, c);
        s->totals->failed++;
        mt_supervisor_tell(s, MT_BATCH_FAILED, c, NULL, reason);
        mt_supervisor_let_go(s, c);
    } else
        return make_room(s, c, standing);
    return false;
}

/* Before its first case, so that a run that finds all done packs nothing.  The first worker fills the memory file, and the others wait for
 * that with their first case. */
static void share_weights(mt_supervisor *s, mt_worker_process *w)
{
    if (w->shares || s->weights_fd < 0)
        return;
    w->shares = true;
    if (mt_weight_store_is_empty(s->weights_fd))
        s->filler = w;
    mt_worker_process_send(w, json_pack("{s:s s:i}", "do", "share", "fd", MT_WORKER_WEIGHTS_FD));
}

static void give_case(mt_supervisor *s, mt_worker_process *w, mt_batch_case *c, int epoch)
{
    g_autofree char *target = mt_account_target(s->account, c);
    int              attempt = GPOINTER_TO_INT(g_hash_table_lookup(s->attempts, c)) + 1, lost = mt_supervisor_attempts(s, c);

    g_hash_table_insert(s->attempts, c, GINT_TO_POINTER(attempt));
    share_weights(s, w);
    w->c = c;
    w->started_us = g_get_monotonic_time();
    w->tiles_done = w->tiles_total = 0;
    w->served++;
    mt_worker_stall_begin(w, "open");
    mt_account_log(s->account, json_pack("{s:s s:s s:i}", "event", "started", "id", c->id, "attempt", attempt));
    mt_supervisor_tell(s, MT_BATCH_STARTED, c, w, NULL);
    json_t *command = json_pack("{s:s s:s s:s s:s s:f s:f s:s s:s s:i}", "do", "run", "path", mt_supervisor_path(s, c), "id", c->id,
                                "target", target, "mpp_x", c->mpp_x, "mpp_y", c->mpp_y, "claims", mt_claims_folder(s->claims), "run",
                                mt_claims_run(s->claims), "epoch", epoch);
    if (lost > 0)
        json_object_set_new(command, "halvings", json_integer(lost));
    if (c->mpp_source != NULL)
        json_object_set_new(command, "mpp_source", json_string(c->mpp_source));
    if (c->preparation != NULL)
        json_object_set_new(command, "preparation", json_string(c->preparation));
    mt_worker_process_send(w, command); /* a worker that is gone shows as end of file */
}

/* The next cases are copied, as many ahead as there are workers. */
static void ask_for_copies(mt_supervisor *s)
{
    int n = 0;

    for (GList *next = s->pending->head; s->copies != NULL && next != NULL && n < s->n_workers; next = next->next, n++)
        mt_local_copies_ask(s->copies, ((mt_batch_case *)next->data)->id, ((mt_batch_case *)next->data)->path);
}

/* The next case's copy is made, or will not be. */
static bool is_at_hand(mt_supervisor *s, const mt_batch_case *c)
{
    const char *copy = NULL, *why = NULL;

    if (s->copies == NULL)
        return true;
    mt_copy_state state = mt_local_copies_get(s->copies, c->id, &copy, &why);
    if (state == MT_COPY_DECLINED && !g_hash_table_contains(s->attempts, c)) {
        g_autofree char *message = g_strdup_printf("case '%s' is read in place: %s", c->id, why);
        mt_account_log(s->account, json_pack("{s:s s:s s:s}", "event", "read_in_place", "id", c->id, "why", why));
        mt_supervisor_tell(s, MT_BATCH_WARNED, NULL, NULL, message);
    }
    return state != MT_COPY_UNDER_WAY;
}

/* What others worked on is looked at again: done, failed, given up. */
static void look_elsewhere(mt_supervisor *s)
{
    gint64 now = mt_claims_now_us();

    if (g_queue_is_empty(s->elsewhere) || now - s->looked_us < LOOK_AGAIN_US)
        return;
    s->looked_us = now;
    for (mt_batch_case *c; (c = g_queue_pop_head(s->elsewhere)) != NULL;)
        g_queue_push_tail(s->pending, c);
}

static bool start_worker(mt_supervisor *s, mt_worker_process *w, GError **error)
{
    if (!mt_worker_process_start(w, s->o->program, s->weights_fd, error))
        return false;
    mt_supervisor_send_load(s, w);
    return true;
}

/* A case that has cost a worker waits for a fresh one. */
static GList *next_for(mt_supervisor *s, const mt_worker_process *w)
{
    GList *next = s->pending->head;

    while (next != NULL && w->served > 0 && mt_supervisor_attempts(s, next->data) > 0)
        next = next->next;
    return next;
}

static bool fresh_one_comes(const mt_supervisor *s)
{
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i].pid == 0 || s->workers[i].retiring || s->workers[i].served == 0)
            return true;
    return false;
}

/* The next case that is ours to run goes to `w`, if there is one. */
static void find_case(mt_supervisor *s, mt_worker_process *w)
{
    GList *next;
    int    epoch;

    while (w->c == NULL && s->fatal == NULL && (next = next_for(s, w)) != NULL && is_at_hand(s, next->data)) {
        mt_batch_case *c = next->data;
        g_queue_delete_link(s->pending, next);
        if (claim(s, c, &epoch))
            give_case(s, w, c, epoch);
    }
    if (w->c == NULL && next_for(s, w) == NULL && !g_queue_is_empty(s->pending) && !fresh_one_comes(s)) {
        mt_worker_process_retire(w);
        mt_worker_stall_begin(w, "end");
    }
}

bool mt_supervisor_hand_out(mt_supervisor *s, GError **error)
{
    look_elsewhere(s);
    for (int i = 0; i < s->n_workers && !g_queue_is_empty(s->pending); i++) {
        mt_worker_process *w = &s->workers[i];
        if (w->pid == 0 && !start_worker(s, w, error))
            return false;
        ask_for_copies(s);
        if (w->loaded && w->c == NULL && !w->retiring && (s->filler == NULL || w->shares))
            find_case(s, w);
    }
    ask_for_copies(s);
    return true;
}

void mt_supervisor_queue(mt_supervisor *s)
{
    for (guint i = 0; i < s->cases->len; i++) {
        mt_batch_case *c = s->cases->pdata[i];
        char          *failure = mt_account_failure(s->account, c);
        if (failure != NULL)
            g_hash_table_insert(s->failed_before, g_strdup(c->id), failure);
        if (mt_account_standing(s->account, c) == MT_STANDING_DONE)
            mt_supervisor_skip(s, c);
        else
            g_queue_push_tail(s->pending, c);
    }
    g_queue_sort(s->pending, mt_case_order_queue, NULL);
}
