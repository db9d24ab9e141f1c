/* What comes in while a batch runs: cases of the watched folder, and the verdicts of control cases. */
#include "src/batch/case_order.h"
#include "src/batch/cases.h"
#include "src/batch/control.h"
#include "src/batch/supervisor_private.h"

#include <string.h>

#define STALLED_AFTER_US (20 * (gint64)G_USEC_PER_SEC) /* for one look at the folder */

void mt_supervisor_review(mt_supervisor *s, GPtrArray *faults)
{
    mt_control_review(s->o->out, s->cases, faults, s->fatal == NULL ? &s->fatal : NULL);
}

static bool is_in(const GQueue *queue, const char *id)
{
    for (const GList *at = queue->head; at != NULL; at = at->next)
        if (strcmp(((const mt_batch_case *)at->data)->id, id) == 0)
            return true;
    return false;
}

/* A slide that was scanned again before its first scan was done: one at a time. */
static bool is_busy(const mt_supervisor *s, const char *id)
{
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i].c != NULL && strcmp(s->workers[i].c->id, id) == 0)
            return true;
    return is_in(s->pending, id) || is_in(s->elsewhere, id);
}

static void queue_case(mt_supervisor *s, mt_batch_case *c)
{
    char *failure = mt_account_failure(s->account, c);

    g_ptr_array_add(s->cases, c);
    s->n_cases++;
    if (failure != NULL) /* of the files as they were before: the case is tried again */
        g_hash_table_insert(s->failed_before, g_strdup(c->id), failure);
    if (c->refused != NULL)
        mt_supervisor_fail(s, c, NULL, c->refused, "watch", MT_ERROR_USAGE, 0);
    else if (mt_account_standing(s->account, c) == MT_STANDING_DONE)
        mt_supervisor_skip(s, c);
    else
        g_queue_insert_sorted(s->pending, c, mt_case_order_queue, NULL);
}

static void queue_arrived(mt_supervisor *s)
{
    for (guint n = g_queue_get_length(s->arrived); n > 0; n--) {
        mt_batch_case *c = g_queue_pop_head(s->arrived);
        if (is_busy(s, c->id))
            g_queue_push_tail(s->arrived, c);
        else
            queue_case(s, c);
    }
}

/* A folder may be watched for months: its summary is written whenever there is nothing else to do. */
static void tell_summary(mt_supervisor *s)
{
    bool idle = g_queue_is_empty(s->pending) && g_queue_is_empty(s->elsewhere);

    for (int i = 0; i < s->n_workers; i++)
        idle &= s->workers[i].c == NULL;
    if (!idle || !s->untold)
        return;
    s->untold = false;
    g_free(mt_account_summary(s->account, NULL)); /* the last one, at the end, tells what is wrong */
}

/* Hashes in the place of names, in what is refused too. */
static bool hide_names(mt_supervisor *s, GPtrArray *ready)
{
    for (guint i = 0; i < ready->len; i++) {
        mt_batch_case *c = ready->pdata[i];
        if (c->refused == NULL)
            continue;
        g_free(c->refused);
        c->refused = g_strdup("take it from the watched folder: another file there has its name: rename one of them");
    }
    if (ready->len == 0 || mt_batch_hash_identifiers(ready, s->o->identifiers_key, s->o->out, &s->fatal))
        return true;
    g_ptr_array_set_free_func(ready, mt_batch_case_free);
    return false;
}

/* A share that hangs is told of, once, and when it answers again. */
static void tell_stall(mt_supervisor *s)
{
    gint64 for_us = mt_watch_thread_looks_for_us(s->watch);
    bool   stalled = for_us > STALLED_AFTER_US;

    if (stalled == s->watch_stalled)
        return;
    s->watch_stalled = stalled;
    mt_account_log(s->account, json_pack("{s:s}", "event", stalled ? "watch_stalled" : "watch_answers"));
    mt_supervisor_tell(s, MT_BATCH_WARNED, NULL, NULL,
                       stalled ? "watch: the folder does not answer: no new case is taken until it does; what was taken goes on"
                               : "watch: the folder answers again");
}

void mt_supervisor_take_in(mt_supervisor *s)
{
    if (s->watch == NULL || s->stopped_us != 0 || s->fatal != NULL)
        return;
    g_autoptr(GPtrArray) ready = g_ptr_array_new(), warnings = g_ptr_array_new_with_free_func(g_free);
    tell_stall(s);
    mt_watch_thread_take(s->watch, ready, warnings);
    for (guint i = 0; s->o->identifiers_key == NULL && i < warnings->len; i++) /* they name files */
        mt_supervisor_tell(s, MT_BATCH_WARNED, NULL, NULL, warnings->pdata[i]);
    if (s->o->identifiers_key != NULL && !hide_names(s, ready))
        return;
    if (ready->len > 0)
        mt_account_cases(s->account, ready, s->fatal == NULL ? &s->fatal : NULL);
    for (guint i = 0; i < ready->len; i++)
        g_queue_push_tail(s->arrived, ready->pdata[i]);
    queue_arrived(s);
    tell_summary(s);
}
