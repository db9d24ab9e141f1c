/* The supervisor's state, shared by its files: supervisor.c (the loop), hand_out.c (which case goes to which worker), worker_events.c (what
 * workers answer), room.c (the disk), worker_stall.c (those that do not), worker_death.c (what their end costs).  One thread. */
#ifndef MT_SUPERVISOR_PRIVATE_H
#define MT_SUPERVISOR_PRIVATE_H

#include "src/batch/account.h"
#include "src/batch/claims.h"
#include "src/batch/local_copies.h"
#include "src/batch/watch_thread.h"
#include "src/batch/worker_process.h"

typedef struct mt_supervisor {
    const mt_batch_options *o;
    mt_batch_totals        *totals;
    mt_account             *account;
    mt_claims              *claims;
    mt_recipe              *recipe; /* the options' and, once there is one, the folder's precision */
    bool                    warned, told_waiting;
    GPtrArray              *cases;
    GQueue                 *pending;       /* mt_batch_case */
    GQueue                 *elsewhere;     /* mt_batch_case that others work on: looked at again from time to time */
    gint64                  looked_us;     /* when the last of `elsewhere` came back to `pending` */
    mt_local_copies        *copies;        /* NULL: cases are read in place */
    GHashTable             *attempts;      /* mt_batch_case -> count */
    GHashTable             *endings;       /* mt_batch_case -> json_t array: how the workers ended that had it */
    json_t                 *engine;        /* libraries and instruction set, of the first loaded worker; NULL: none has loaded yet */
    int                     load_deaths;   /* workers that died while loading, since one did not */
    gint64                  watched_us;    /* when the workers were looked at */
    GHashTable             *failed_before; /* id -> failed/<id>.json as this run found it */
    mt_watch_thread        *watch;         /* NULL: the cases are those that were given */
    GQueue                 *arrived;       /* mt_batch_case of the watched folder whose id is still being worked on */
    bool                    watch_stalled; /* told of */
    bool                    untold;        /* cases ended since summary.csv was written */
    double                  result_bytes;  /* of n_results finished cases */
    int                     n_results;
    bool                    told_room;
    int                     weights_fd; /* memory file of the packed weights that workers share; -1: none */
    mt_worker_process      *filler;     /* the worker that is filling it; NULL: nobody */
    mt_worker_process      *workers;
    int                     n_workers, n_cases;
    gint64                  stopped_us; /* when the stop was passed on; 0: not */
    GError                 *fatal;      /* what ends the batch: disk full */
} mt_supervisor;

/* supervisor.c */
void mt_supervisor_tell(mt_supervisor *s, mt_batch_event_kind kind, const mt_batch_case *c, const mt_worker_process *w,
                        const char *message);
void mt_supervisor_send_load(mt_supervisor *s, mt_worker_process *w);
/* Workers started from here on pack for themselves. */
void mt_supervisor_forget_weights(mt_supervisor *s);
/* The case's own path, or that of its local copy. */
const char *mt_supervisor_path(mt_supervisor *s, const mt_batch_case *c);
/* The case needs nothing more: its copy and its claim are given back. */
void mt_supervisor_let_go(mt_supervisor *s, const mt_batch_case *c);
/* failed/<id>.json, and the totals.  w NULL: before any worker had it. */
void mt_supervisor_fail(mt_supervisor *s, mt_batch_case *c, mt_worker_process *w, const char *reason, const char *stage, int code,
                        int signal_number);
/* The same with more to say: `record` (may be NULL) is added to the file. */
void mt_supervisor_set_aside(mt_supervisor *s, mt_batch_case *c, mt_worker_process *w, const char *reason, const char *stage, int code,
                             int signal_number, const json_t *record);
/* Finished by an earlier run or by another. */
void mt_supervisor_skip(mt_supervisor *s, mt_batch_case *c);

/* hand_out.c */
/* Sort the cases into finished and pending. */
void mt_supervisor_queue(mt_supervisor *s);
/* Idle workers get the next cases, dead ones are replaced while there is work. */
bool mt_supervisor_hand_out(mt_supervisor *s, GError **error);

/* take_in.c */
/* New cases of the watched folder are queued.  At every poll. */
void mt_supervisor_take_in(mt_supervisor *s);
/* What the control cases say now; `faults` (char *) may be NULL. */
void mt_supervisor_review(mt_supervisor *s, GPtrArray *faults);

/* room.c */
/* The case has a result: what it takes counts. */
void mt_supervisor_learn_size(mt_supervisor *s, const mt_batch_case *c);
/* Warn when the cases that are left will not fit. */
void mt_supervisor_look_at_room(mt_supervisor *s);

/* worker_events.c */
void mt_supervisor_on_event(mt_supervisor *s, mt_worker_process *w, const json_t *event);

/* worker_death.c */
/* The worker is gone.  Its case is tried once more in a fresh worker, then recorded with all that is known. */
void mt_supervisor_on_end(mt_supervisor *s, mt_worker_process *w);
/* The same for a worker that lives but was refused memory; a fresh one takes its place. */
void mt_supervisor_out_of_memory(mt_supervisor *s, mt_worker_process *w, const char *message);
/* How many workers the case has cost. */
int mt_supervisor_attempts(const mt_supervisor *s, const mt_batch_case *c);

/* worker_stall.c */
/* A case (stage "open"), the loading ("load") or the end ("end") begins; a stage begins; tiles are done; the process is seen to compute or read. */
void   mt_worker_stall_begin(mt_worker_process *w, const char *stage);
void   mt_worker_stall_stage(mt_worker_process *w, const char *stage);
void   mt_worker_stall_tiles(mt_worker_process *w);
void   mt_worker_stall_beat(mt_worker_process *w);
gint64 mt_supervisor_stall_limit(const mt_supervisor *s);
/* End those that do not get on.  At every poll. */
void mt_supervisor_watch_workers(mt_supervisor *s);

#endif
