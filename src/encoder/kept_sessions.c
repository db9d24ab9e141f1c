#include "src/encoder/kept_sessions.h"

#include <pthread.h>
#include <string.h>

typedef struct kept {
    mt_session       *session;
    mt_model         *model; /* not owned: the session does */
    mt_session_params params;
    mt_port           input;
    bool              idle;
} kept;

struct mt_kept_sessions {
    pthread_mutex_t lock;
    GPtrArray      *list; /* kept *, the longest idle first */
};

static void free_kept(gpointer data)
{
    kept *k = data;

    mt_session_free(k->session);
    g_free(k);
}

mt_kept_sessions *mt_kept_sessions_new(void)
{
    mt_kept_sessions *sessions = g_new0(mt_kept_sessions, 1);

    pthread_mutex_init(&sessions->lock, NULL);
    sessions->list = g_ptr_array_new_with_free_func(free_kept);
    return sessions;
}

void mt_kept_sessions_free(mt_kept_sessions *sessions)
{
    if (sessions == NULL)
        return;
    g_ptr_array_unref(sessions->list);
    pthread_mutex_destroy(&sessions->lock);
    g_free(sessions);
}

static bool is_alike(const kept *k, const mt_model *model, const mt_session_params *params)
{
    const mt_port *input = &params->inputs[0];

    return k->model == model && k->params.backend == params->backend && k->params.precision == params->precision &&
           k->params.threads == params->threads && k->params.profile == params->profile && k->input.rank == input->rank &&
           memcmp(k->input.shape, input->shape, (size_t)input->rank * sizeof *input->shape) == 0;
}

static mt_session *take_idle(mt_kept_sessions *sessions, const mt_model *model, const mt_session_params *params)
{
    mt_session *session = NULL;

    pthread_mutex_lock(&sessions->lock);
    for (guint i = 0; session == NULL && i < sessions->list->len; i++) {
        kept *k = sessions->list->pdata[i];

        if (!k->idle || !is_alike(k, model, params))
            continue;
        k->idle = false;
        session = k->session;
    }
    pthread_mutex_unlock(&sessions->lock);
    return session;
}

mt_session *mt_kept_sessions_take(mt_kept_sessions *sessions, mt_model *model, const mt_session_params *params, GError **error)
{
    mt_session *session = take_idle(sessions, model, params);

    if (session != NULL)
        return session;
    session = mt_session_new(model, params, error);
    if (session == NULL)
        return NULL;
    kept *k = g_new0(kept, 1);
    *k = (kept){.session = session, .model = model, .params = *params, .input = params->inputs[0]};
    k->params.inputs = NULL; /* the caller's */
    pthread_mutex_lock(&sessions->lock);
    g_ptr_array_add(sessions->list, k);
    pthread_mutex_unlock(&sessions->lock);
    return session;
}

/* The first idle ones out until the rest has room; their memory is freed by the caller, outside the lock. */
static void make_room(mt_kept_sessions *sessions, GPtrArray *out)
{
    size_t bytes = 0;

    for (guint i = 0; i < sessions->list->len; i++) {
        const kept *k = sessions->list->pdata[i];
        bytes += k->idle ? mt_session_bytes(k->session) : 0;
    }
    for (guint i = 0; bytes > MT_KEPT_SESSIONS_BYTES && i < sessions->list->len;) {
        kept *k = sessions->list->pdata[i];

        if (!k->idle) {
            i++;
            continue;
        }
        bytes -= mt_session_bytes(k->session);
        g_ptr_array_add(out, g_ptr_array_steal_index(sessions->list, i));
    }
}

void mt_kept_sessions_give(mt_kept_sessions *sessions, mt_session *session)
{
    g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func(free_kept);

    if (session == NULL)
        return;
    pthread_mutex_lock(&sessions->lock);
    for (guint i = 0; i < sessions->list->len; i++) {
        kept *k = sessions->list->pdata[i];

        if (k->session != session)
            continue;
        k->idle = true;
        g_ptr_array_add(sessions->list, g_ptr_array_steal_index(sessions->list, i));
        break;
    }
    make_room(sessions, out);
    pthread_mutex_unlock(&sessions->lock);
}
