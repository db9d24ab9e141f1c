/* One worker process as the supervisor sees it: a child by exec, a pipe of commands to it, a pipe of events from it. */
#ifndef MT_WORKER_PROCESS_H
#define MT_WORKER_PROCESS_H

#include <microtome/batch.h>

#include <jansson.h>
#include <sys/types.h>

typedef struct mt_worker_process {
    pid_t          pid; /* 0: not running */
    int            command_fd, event_fd;
    GString       *buffer;    /* bytes of an unfinished line */
    char          *temporary; /* a folder of its own for what libraries put aside; NULL: it has none */
    bool           loaded, retiring;
    bool           shares;              /* it was told to share its weights */
    int            served;              /* cases it was given */
    int64_t        address_space_bytes; /* its limit, 0: none */
    mt_batch_case *c;                   /* the running case; NULL: idle */
    gint64         started_us;
    int64_t        tiles_done, tiles_total;
    /* worker_stall.c */
    char   stage[16];                 /* of the case, or "load" */
    gint64 progressed_us, beat_us;    /* when it last got on; when it last was seen to compute or read */
    gint64 slowest_us;                /* the longest time between two tells of tiles */
    gint64 stalled_us, stall_seen_us; /* when it was asked to end; for how long it had been silent */
} mt_worker_process;

#define MT_WORKER_WEIGHTS_FD 4

/* Start `program worker`, which inherits `weights_fd` (-1: none) as MT_WORKER_WEIGHTS_FD.  MT_ERROR_INTERNAL when the system refuses. */
bool mt_worker_process_start(mt_worker_process *w, const char *program, int weights_fd, GError **error);
/* One JSON line; takes the reference.  False when the worker is gone. */
bool mt_worker_process_send(mt_worker_process *w, json_t *command);
/* Read what is there into the buffer; false at the end of file. */
bool mt_worker_process_receive(mt_worker_process *w);
/* The next whole event of the buffer, NULL when there is none. */
json_t *mt_worker_process_next(mt_worker_process *w);
/* No more commands: an idle one ends, and a fresh one takes its place. */
void mt_worker_process_retire(mt_worker_process *w);
/* Close the pipes and wait, 10 s before it is killed; its temporary folder is removed.  Returns the wait status. */
int mt_worker_process_end(mt_worker_process *w);

#endif
