/* A drop folder looked at by a thread of its own: a network share that hangs holds up that thread alone, and the run goes on counting its
 * beat, serving its workers and hearing its signals. */
#ifndef MT_WATCH_THREAD_H
#define MT_WATCH_THREAD_H

#include "src/batch/drop_folder.h"

typedef struct mt_watch_thread mt_watch_thread;

/* Begins to look.  As mt_drop_folder_new. */
mt_watch_thread *mt_watch_thread_new(const mt_drop_folder_params *params, GError **error);
/* Looks no more.  Does not wait for one that hangs: what it holds is freed when it comes back.  NULL is fine. */
void mt_watch_thread_end(mt_watch_thread *watch);
/* What the looks have found since: mt_batch_case * and char *, the caller's; appended.  Waits for nothing. */
void mt_watch_thread_take(mt_watch_thread *watch, GPtrArray *ready, GPtrArray *warnings);
/* For how long the look that is under way has been; 0: none is. */
gint64 mt_watch_thread_looks_for_us(mt_watch_thread *watch);

#endif
