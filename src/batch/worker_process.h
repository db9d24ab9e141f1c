/* One worker process as the supervisor sees it: a child by exec, a pipe of commands to it, a pipe of events from it. */
#ifndef MT_WORKER_PROCESS_H
#define MT_WORKER_PROCESS_H

#include <microtome/batch.h>

#include <jansson.h>
#include <sys/types.h>

typedef struct mt_worker_process {
    pid_t          pid; /* 0: not running */
    int            command_fd, event_fd;
    GString       *buffer; /* bytes of an unfinished line */
    bool           loaded;
    mt_batch_case *c; /* the running case; NULL: idle */
    gint64         started_us;
    int64_t        tiles_done, tiles_total;
} mt_worker_process;

/* Start `program worker`.  MT_ERROR_INTERNAL when the system refuses. */
bool mt_worker_process_start(mt_worker_process *w, const char *program, GError **error);
/* One JSON line; takes the reference.  False when the worker is gone. */
bool mt_worker_process_send(mt_worker_process *w, json_t *command);
/* Read what is there into the buffer; false at the end of file. */
bool mt_worker_process_receive(mt_worker_process *w);
/* The next whole event of the buffer, NULL when there is none. */
json_t *mt_worker_process_next(mt_worker_process *w);
/* Close the pipes and wait.  Returns the wait status. */
int mt_worker_process_end(mt_worker_process *w);

#endif
