/* Workers that do not get on.  A case gets on when a stage of it begins or tiles are done.  Where a stage has no tiles to tell of (loading,
 * mask, head, the first batch), its worker's pulse counts, for a while: computing and reading are work, waiting is not.  Times are those of
 * the clock that stands still while the machine sleeps, and while this process was stopped. */
#include "src/batch/supervisor_private.h"

#include <signal.h>
#include <string.h>

/* How long a pulse alone is believed, in limits: an endless loop has one too. */
#define PULSE_LIMITS 6
/* Slow batches are known by now: what takes so much longer than the slowest of them hangs. */
#define SLOWEST_FACTOR 20
/* A worker that was asked to end clears up meanwhile. */
#define END_GRACE_US INT64_C(10000000)
/* The loop looks several times a second; when it has not, it was stopped itself. */
#define AWAY_US INT64_C(5000000)

static void got_on(mt_worker_process *w, gint64 now)
{
    w->progressed_us = w->beat_us = now;
}

void mt_worker_stall_begin(mt_worker_process *w, const char *stage)
{
    g_strlcpy(w->stage, stage, sizeof w->stage);
    w->slowest_us = 0;
    w->stalled_us = w->stall_seen_us = 0;
    got_on(w, g_get_monotonic_time());
}

void mt_worker_stall_stage(mt_worker_process *w, const char *stage)
{
    g_strlcpy(w->stage, stage != NULL ? stage : "", sizeof w->stage);
    got_on(w, g_get_monotonic_time());
}

void mt_worker_stall_tiles(mt_worker_process *w)
{
    gint64 now = g_get_monotonic_time();

    w->slowest_us = MAX(w->slowest_us, now - w->progressed_us);
    got_on(w, now);
}

void mt_worker_stall_beat(mt_worker_process *w)
{
    w->beat_us = g_get_monotonic_time();
}

gint64 mt_supervisor_stall_limit(const mt_supervisor *s)
{
    return s->o->stall_us > 0 ? s->o->stall_us : MT_BATCH_STALL_US;
}

static bool hangs(const mt_worker_process *w, gint64 limit, gint64 now)
{
    bool tells_tiles = w->slowest_us > 0 && strcmp(w->stage, "encode") == 0;

    if (tells_tiles)
        return now - w->progressed_us > MAX(limit, SLOWEST_FACTOR * w->slowest_us);
    return now - w->beat_us > limit || now - w->progressed_us > PULSE_LIMITS * limit;
}

static void look_at(mt_supervisor *s, mt_worker_process *w, gint64 now)
{
    gint64 limit = mt_supervisor_stall_limit(s);

    if (w->pid == 0 || (w->c == NULL && w->loaded && !w->retiring))
        return;
    if (w->stalled_us == 0 && hangs(w, limit, now)) {
        w->stalled_us = now;
        w->stall_seen_us = now - w->progressed_us;
        kill(w->pid, SIGTERM);
    } else if (w->stalled_us > 0 && now - w->stalled_us > MIN(END_GRACE_US, limit))
        kill(w->pid, SIGKILL);
}

void mt_supervisor_watch_workers(mt_supervisor *s)
{
    gint64 now = g_get_monotonic_time(), away = s->watched_us > 0 ? now - s->watched_us : 0;

    for (int i = 0; i < s->n_workers; i++) {
        mt_worker_process *w = &s->workers[i];
        if (away > AWAY_US) {
            w->progressed_us += away;
            w->beat_us += away;
        }
        if (s->stopped_us == 0) /* stopping has its own time */
            look_at(s, w, now);
    }
    s->watched_us = now;
}
