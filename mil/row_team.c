#include "mil/row_team.h"

#include <omp.h>
#include <pthread.h>

#define INPUTS_MAX 8

typedef struct member {
    mt_session *session;
    int64_t     rows; /* that it is bound to */
} member;

struct mt_row_team {
    mt_model *model;
    mt_port   inputs[INPUTS_MAX];
    int       n_inputs, threads;
    member   *members; /* one per thread */
};

typedef struct run {
    mt_row_team    *team;
    int64_t         n, block_rows, n_blocks;
    mt_row_work     work;
    void           *user;
    gint            next; /* block that no one has taken */
    pthread_mutex_t lock; /* of the two below; ThreadSanitizer knows it, GLib's it does not */
    int64_t         failed;
    GError         *error; /* of block `failed` */
} run;

mt_row_team *mt_row_team_new(mt_model *model, const mt_port *inputs, int n_inputs, int threads)
{
    mt_row_team *team = g_new0(mt_row_team, 1);

    g_return_val_if_fail(n_inputs <= INPUTS_MAX, NULL);
    team->model = model != NULL ? mt_model_ref(model) : NULL;
    team->threads = threads;
    team->n_inputs = n_inputs;
    for (int i = 0; i < n_inputs; i++)
        team->inputs[i] = inputs[i];
    team->members = g_new0(member, (gsize)threads);
    return team;
}

void mt_row_team_free(mt_row_team *team)
{
    if (team == NULL)
        return;
    for (int i = 0; i < team->threads; i++)
        mt_session_free(team->members[i].session);
    g_free(team->members);
    g_clear_pointer(&team->model, mt_model_unref);
    g_free(team);
}

/* Only the last block may be shorter: it gets a session of its own, padding would be computed for nothing. */
static bool bind_rows(mt_row_team *team, member *m, int64_t rows, GError **error)
{
    mt_port           inputs[INPUTS_MAX];
    mt_session_params params = {.backend = MT_BACKEND_AUTO, .threads = 1, .inputs = inputs, .n_inputs = team->n_inputs};

    if (team->model == NULL || (m->session != NULL && m->rows == rows))
        return true;
    for (int i = 0; i < team->n_inputs; i++) {
        inputs[i] = team->inputs[i];
        for (int d = 0; d < inputs[i].rank; d++)
            if (inputs[i].shape[d] < 0)
                inputs[i].shape[d] = rows;
    }
    g_clear_pointer(&m->session, mt_session_free);
    m->session = mt_session_new(team->model, &params, error);
    m->rows = rows;
    return m->session != NULL;
}

static void keep_error(run *r, int64_t block, GError *error)
{
    pthread_mutex_lock(&r->lock);
    if (r->failed < 0 || block < r->failed) {
        g_clear_error(&r->error);
        r->failed = block;
        r->error = g_steal_pointer(&error);
    }
    pthread_mutex_unlock(&r->lock);
    g_clear_error(&error);
}

/* Blocks are taken in order, so all before a failed one are done or under way: the first failure is the same in any team. */
static void serve(run *r, member *m)
{
    for (bool ok = true; ok;) {
        GError *error = NULL;
        int64_t block = g_atomic_int_add(&r->next, 1);
        if (block >= r->n_blocks)
            return;
        int64_t first = block * r->block_rows, rows = MIN(r->block_rows, r->n - first);
        ok = bind_rows(r->team, m, rows, &error) && r->work(r->user, m->session, block, first, rows, &error);
        if (!ok)
            keep_error(r, block, error);
    }
}

bool mt_row_team_run(mt_row_team *team, int64_t n, int64_t block_rows, mt_row_work work, void *user, GError **error)
{
    run r = {.team = team, .n = n, .block_rows = block_rows, .work = work, .user = user, .failed = -1};

    r.n_blocks = (n + block_rows - 1) / block_rows;
    int members = (int)MIN(team->threads, r.n_blocks);
    pthread_mutex_init(&r.lock, NULL);
    if (members <= 1)
        serve(&r, team->members);
    else {
#pragma omp parallel num_threads(members)
        serve(&r, &team->members[omp_get_thread_num()]);
    }
    pthread_mutex_destroy(&r.lock);
    if (r.failed < 0)
        return true;
    g_propagate_error(error, r.error);
    return false;
}
