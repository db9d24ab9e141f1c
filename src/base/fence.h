/* Who may publish the result of a case that several processes may work on: the holder of its newest claim.
 * A claim is the file FOLDER/<id>.<epoch>, whose text begins with the run that made it.  Whoever takes a case over makes the file of the
 * next epoch and removes the unfinished result of the epoch before: a process that comes back from a long stop finds its temporary gone
 * and its claim outdone, and publishes nothing. */
#ifndef MT_FENCE_H
#define MT_FENCE_H

#include <glib.h>
#include <stdbool.h>

/* Hexadecimal digits that name a run; no two runs have the same. */
#define MT_RUN_DIGITS 16

typedef struct mt_fence {
    const char *folder, *id;
    const char *run; /* MT_RUN_DIGITS digits */
    int         epoch;
} mt_fence;

/* The claim's path; free with g_free. */
char *mt_fence_claim(const mt_fence *fence);
/* The unfinished result beside `target`: `.tmp-<run>.<epoch>-<id>`; free with g_free. */
char *mt_fence_temporary(const mt_fence *fence, const char *target);
/* The claim is still this run's, and none of the next epoch is there. */
bool mt_fence_holds(const mt_fence *fence);

#endif
