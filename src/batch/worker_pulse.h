/* A thread of the worker that tells from time to time that the process computes or reads, for stages without progress of their own.  It does
 * not tell where the process only waits: that is what a hung one does. */
#ifndef MT_WORKER_PULSE_H
#define MT_WORKER_PULSE_H

#include <glib.h>

typedef struct mt_worker_pulse mt_worker_pulse;

/* `beat` is called from that thread.  NULL when no thread can be started: then a long stage may seem hung. */
mt_worker_pulse *mt_worker_pulse_new(gint64 every_us, void (*beat)(void *user), void *user);
void             mt_worker_pulse_free(mt_worker_pulse *pulse);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_worker_pulse, mt_worker_pulse_free)

#endif
