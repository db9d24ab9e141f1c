#include "src/base/ordered.h"

void mt_ordered_init(mt_ordered *o, int64_t n, int n_slots, bool (*write)(void *, int64_t, GError **), void *user)
{
    *o = (mt_ordered){.n = n, .n_slots = n_slots, .write = write, .user = user, .ready = g_new0(bool, n_slots)};
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->moved, NULL);
}

bool mt_ordered_finish(mt_ordered *o, GError **error)
{
    bool ok = o->failure == NULL;

    pthread_cond_destroy(&o->moved);
    pthread_mutex_destroy(&o->lock);
    g_clear_pointer(&o->ready, g_free);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&o->failure));
    return ok;
}

int mt_ordered_slot(const mt_ordered *o, int64_t index)
{
    return (int)(index % o->n_slots);
}

/* Under the lock.  The first error stays. */
static void keep_failure(mt_ordered *o, GError *error)
{
    if (o->failure == NULL)
        o->failure = error;
    else
        g_error_free(error);
    pthread_cond_broadcast(&o->moved);
}

void mt_ordered_fail(mt_ordered *o, GError *error)
{
    pthread_mutex_lock(&o->lock);
    keep_failure(o, error);
    pthread_mutex_unlock(&o->lock);
}

int64_t mt_ordered_take(mt_ordered *o)
{
    int64_t index = -1;

    pthread_mutex_lock(&o->lock);
    while (o->failure == NULL && o->next_taken < o->n && o->next_taken >= o->next_written + o->n_slots)
        pthread_cond_wait(&o->moved, &o->lock);
    if (o->failure == NULL && o->next_taken < o->n)
        index = o->next_taken++;
    pthread_mutex_unlock(&o->lock);
    return index;
}

/* A failure is kept before the turn is passed on: nothing is written after it. */
void mt_ordered_deliver(mt_ordered *o, int64_t index)
{
    pthread_mutex_lock(&o->lock);
    o->ready[mt_ordered_slot(o, index)] = true;
    while (!o->writing && o->failure == NULL && o->next_written < o->n && o->ready[mt_ordered_slot(o, o->next_written)]) {
        int64_t turn = o->next_written;
        GError *error = NULL;
        o->writing = true;
        pthread_mutex_unlock(&o->lock);
        bool ok = o->write(o->user, turn, &error);
        pthread_mutex_lock(&o->lock);
        if (!ok)
            keep_failure(o, error);
        o->writing = false;
        o->ready[mt_ordered_slot(o, turn)] = false;
        o->next_written++;
        pthread_cond_broadcast(&o->moved);
    }
    pthread_mutex_unlock(&o->lock);
}
