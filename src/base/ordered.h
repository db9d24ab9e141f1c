/* Items made by several threads and delivered in their order, by one thread at a time.
 * Each thread takes numbers, fills the slot of each and delivers it; whoever completes the next in order writes it and all that
 * wait behind it.  Slots bound how far a fast thread runs ahead of the writing. */
#ifndef MT_ORDERED_H
#define MT_ORDERED_H

#include <microtome/error.h>

#include <pthread.h>

typedef struct mt_ordered {
    int64_t n; /* items, numbered from 0 */
    int     n_slots;
    /* Write item `index`, whose slot is full.  Called in order, by one thread at a time, and never again after it failed. */
    bool (*write)(void *user, int64_t index, GError **error);
    void *user;
    /* under the lock (pthread's: ThreadSanitizer knows it, GLib's futex it does not) */
    pthread_mutex_t lock;
    pthread_cond_t  moved;
    int64_t         next_taken, next_written;
    bool            writing;
    bool           *ready; /* of each slot */
    GError         *failure;
} mt_ordered;

void mt_ordered_init(mt_ordered *o, int64_t n, int n_slots, bool (*write)(void *, int64_t, GError **), void *user);
/* Free all but the failure, which goes to `error`; false when there is one.  For when no thread is inside any more. */
bool mt_ordered_finish(mt_ordered *o, GError **error);
/* The next item to make; -1 when there is none or something failed.  Waits while the writing is too far behind. */
int64_t mt_ordered_take(mt_ordered *o);
/* The slot of an item, below n_slots: its thread's from take to deliver, then the writer's. */
int mt_ordered_slot(const mt_ordered *o, int64_t index);
/* Item `index` stands in its slot: write it and all that wait behind it, unless another thread is writing already. */
void mt_ordered_deliver(mt_ordered *o, int64_t index);
/* End it all with `error`, which is taken; the first one stays. */
void mt_ordered_fail(mt_ordered *o, GError *error);

#endif
