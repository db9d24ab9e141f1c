/* What a worker may use at most of the machine: a bomb or a leak ends the worker, not the night.
 * There is no limit of CPU time: a worker lives for a whole batch, and what computes without getting on is found by its silence (docs/batch.md). */
#ifndef MT_WORKER_LIMITS_H
#define MT_WORKER_LIMITS_H

#include <glib.h>
#include <stdint.h>

typedef struct mt_worker_budget {
    int64_t memory_bytes; /* the recipe's for this worker, 0: none was given */
    int     threads, workers;
} mt_worker_budget;

/* Before models are read: no core file (it would hold pixels), files of 256 GiB at most, 4,096 open ones, and twice the machine's memory as
 * address space.  Where the system refuses, things stay as they are. */
void mt_worker_limits_begin(void);
/* When they are loaded: address space for three times what is mapped now and for the budget, generously; a worker maps weights,
 * a memory arena for each thread and its own code without using most of it.  Returns the limit in bytes, 0: none (sanitizers map
 * terabytes). */
int64_t mt_worker_limits_settle(const mt_worker_budget *budget);
/* The rule: given what is mapped and the machine's memory. */
int64_t mt_worker_address_space(const mt_worker_budget *budget, int64_t mapped_bytes, int64_t machine_bytes);

#endif
