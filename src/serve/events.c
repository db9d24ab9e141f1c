#include "src/serve/events.h"

#include <pthread.h>
#include <time.h>

#define KEPT 64 /* who is further behind is told to look at everything */

struct mt_events {
    char           *texts[KEPT];
    uint64_t        n; /* ever told */
    int             listeners;
    bool            ended;
    pthread_mutex_t lock;
    pthread_cond_t  told;
};

mt_events *mt_events_new(void)
{
    mt_events         *e = g_new0(mt_events, 1);
    pthread_condattr_t steady;

    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->told, &steady);
    pthread_condattr_destroy(&steady);
    return e;
}

void mt_events_free(mt_events *e)
{
    if (e == NULL)
        return;
    for (int i = 0; i < KEPT; i++)
        g_free(e->texts[i]);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->told);
    g_free(e);
}

void mt_events_tell(mt_events *e, const char *name, const char *data)
{
    pthread_mutex_lock(&e->lock);
    char **place = &e->texts[e->n++ % KEPT];
    g_free(*place);
    *place = g_strdup_printf("event: %s\ndata: %s\n\n", name, data);
    pthread_cond_broadcast(&e->told);
    pthread_mutex_unlock(&e->lock);
}

void mt_events_end(mt_events *e)
{
    pthread_mutex_lock(&e->lock);
    e->ended = true;
    pthread_cond_broadcast(&e->told);
    pthread_mutex_unlock(&e->lock);
}

bool mt_events_listen(mt_events *e, uint64_t *seen)
{
    pthread_mutex_lock(&e->lock);
    bool room = e->listeners < MT_EVENTS_LISTENERS;
    e->listeners += room;
    *seen = e->n;
    pthread_mutex_unlock(&e->lock);
    return room;
}

void mt_events_leave(mt_events *e)
{
    pthread_mutex_lock(&e->lock);
    e->listeners--;
    pthread_mutex_unlock(&e->lock);
}

char *mt_events_next(mt_events *e, uint64_t *seen, int wait_s)
{
    GString        *text = g_string_new(NULL);
    struct timespec until;
    int             waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_s;
    pthread_mutex_lock(&e->lock);
    while (!e->ended && e->n == *seen && waited == 0)
        waited = pthread_cond_timedwait(&e->told, &e->lock, &until);
    if (e->n - *seen > KEPT) {
        *seen = e->n;
        g_string_append(text, "event: worklist\ndata: {}\n\n");
    }
    for (; *seen < e->n; ++*seen)
        g_string_append(text, e->texts[*seen % KEPT]);
    bool ended = e->ended;
    pthread_mutex_unlock(&e->lock);
    if (ended) {
        g_string_free(text, TRUE);
        return NULL;
    }
    if (text->len == 0)
        g_string_append(text, ": here\n\n");
    return g_string_free(text, FALSE);
}
