#include "src/batch/watch_thread.h"

#include "src/batch/cases.h"
#include "src/batch/claims.h"

#define PAUSE_US (G_USEC_PER_SEC / 5)

struct mt_watch_thread {
    gint            users; /* the run and the thread; the last one frees */
    mt_drop_folder *folder;
    GMutex          lock; /* of all below; never held while the folder is asked */
    GCond           ended_now;
    bool            ended;
    gint64          since_us; /* when the look under way began, 0: none is */
    GPtrArray      *ready, *warnings;
};

static void drop(mt_watch_thread *watch)
{
    if (!g_atomic_int_dec_and_test(&watch->users))
        return;
    g_ptr_array_unref(watch->ready);
    g_ptr_array_unref(watch->warnings);
    mt_drop_folder_free(watch->folder);
    g_cond_clear(&watch->ended_now);
    g_mutex_clear(&watch->lock);
    g_free(watch);
}

/* One look; false when the run wants no more. */
static bool look(mt_watch_thread *watch)
{
    g_autoptr(GPtrArray) ready = g_ptr_array_new_with_free_func(mt_batch_case_free);
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);

    mt_drop_folder_look(watch->folder, mt_claims_now_us(), ready, warnings);
    g_mutex_lock(&watch->lock);
    watch->since_us = 0;
    g_ptr_array_extend_and_steal(watch->ready, g_steal_pointer(&ready));
    g_ptr_array_extend_and_steal(watch->warnings, g_steal_pointer(&warnings));
    gint64 until = g_get_monotonic_time() + PAUSE_US;
    while (!watch->ended && g_cond_wait_until(&watch->ended_now, &watch->lock, until))
        ;
    bool more = !watch->ended;
    watch->since_us = g_get_monotonic_time();
    g_mutex_unlock(&watch->lock);
    return more;
}

static gpointer keep_looking(gpointer user)
{
    mt_watch_thread *watch = user;

    while (look(watch))
        ;
    drop(watch);
    return NULL;
}

mt_watch_thread *mt_watch_thread_new(const mt_drop_folder_params *params, GError **error)
{
    mt_drop_folder  *folder = mt_drop_folder_new(params, error);
    mt_watch_thread *watch = folder != NULL ? g_new0(mt_watch_thread, 1) : NULL;

    if (watch == NULL)
        return NULL;
    watch->users = 2;
    watch->folder = folder;
    watch->ready = g_ptr_array_new_with_free_func(mt_batch_case_free);
    watch->warnings = g_ptr_array_new_with_free_func(g_free);
    watch->since_us = g_get_monotonic_time();
    g_mutex_init(&watch->lock);
    g_cond_init(&watch->ended_now);
    GThread *thread = g_thread_try_new("watch", keep_looking, watch, error);
    if (thread != NULL) {
        g_thread_unref(thread);
        return watch;
    }
    g_prefix_error(error, "watch %s: ", params->folder);
    drop(watch);
    drop(watch);
    return NULL;
}

void mt_watch_thread_end(mt_watch_thread *watch)
{
    if (watch == NULL)
        return;
    g_mutex_lock(&watch->lock);
    watch->ended = true;
    g_cond_signal(&watch->ended_now);
    g_mutex_unlock(&watch->lock);
    drop(watch);
}

static void move_all(GPtrArray *from, GPtrArray *to)
{
    gsize                n = 0;
    g_autofree gpointer *all = g_ptr_array_steal(from, &n);

    for (gsize i = 0; i < n; i++)
        g_ptr_array_add(to, all[i]);
}

void mt_watch_thread_take(mt_watch_thread *watch, GPtrArray *ready, GPtrArray *warnings)
{
    g_mutex_lock(&watch->lock);
    move_all(watch->ready, ready);
    move_all(watch->warnings, warnings);
    g_mutex_unlock(&watch->lock);
}

gint64 mt_watch_thread_looks_for_us(mt_watch_thread *watch)
{
    g_mutex_lock(&watch->lock);
    gint64 since = watch->since_us;
    g_mutex_unlock(&watch->lock);
    return since > 0 ? MAX(g_get_monotonic_time() - since, 1) : 0;
}
