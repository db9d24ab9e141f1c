#include "src/pipeline/team.h"

#include "src/base/alloc.h"

#include <pthread.h>
#include <string.h>

/* Features of one batch on their way to the sink. */
typedef struct slot {
    bool     ready;
    float   *features;
    uint8_t *valid;
} slot;

typedef struct team {
    const mt_team_params *p;
    int                   batch, members, inner_threads;
    int64_t               n_tiles, n_batches, dim;
    /* under the lock (pthread's: ThreadSanitizer knows it, GLib's futex it does not) */
    pthread_mutex_t lock;
    pthread_cond_t  moved;
    int64_t         next_taken, next_written;
    bool            writing;
    slot           *slots; /* 2 x members: bounds how far a fast thread runs ahead */
    int             n_slots;
    GError         *failure;
    mt_timings     *timings;
} team;

/* What one thread owns. */
typedef struct member {
    mt_tile_reader     *reader;
    mt_encoder_session *session;
    float              *rows; /* features of the valid tiles, packed */
    double              normalise_s, encode_s;
} member;

static double seconds_since(gint64 start)
{
    return (double)(g_get_monotonic_time() - start) / 1e6;
}

int mt_team_batch(int64_t n_tiles, int card_batch)
{
    for (int batch = 1; batch <= 16; batch *= 2)
        if (n_tiles <= batch)
            return MIN(batch, card_batch);
    return card_batch;
}

/* Under the lock.  The first error stays. */
static void keep_failure(team *t, GError *error)
{
    if (t->failure == NULL)
        t->failure = error;
    else
        g_error_free(error);
    pthread_cond_broadcast(&t->moved);
}

static void fail(team *t, GError *error)
{
    pthread_mutex_lock(&t->lock);
    keep_failure(t, error);
    pthread_mutex_unlock(&t->lock);
}

/* The next batch to encode; -1 when there is none or the team failed.  Waits while the sink is too far behind. */
static int64_t take(team *t)
{
    int64_t index = -1;

    pthread_mutex_lock(&t->lock);
    while (t->failure == NULL && t->next_taken < t->n_batches && t->next_taken >= t->next_written + t->n_slots)
        pthread_cond_wait(&t->moved, &t->lock);
    if (t->failure == NULL && t->next_taken < t->n_batches)
        index = t->next_taken++;
    pthread_mutex_unlock(&t->lock);
    return index;
}

static int batch_rows(const team *t, int64_t index)
{
    return (int)MIN(t->batch, t->n_tiles - index * t->batch);
}

static bool write_slot(team *t, int64_t index, GError **error)
{
    slot   *s = &t->slots[index % t->n_slots];
    int64_t first = index * t->batch;
    int     n = batch_rows(t, index);
    gint64  start = g_get_monotonic_time();
    bool    ok = t->p->sink(t->p->sink_user, first, n, s->features, s->valid, error);

    t->timings->write_s += seconds_since(start);
    for (int i = 0; i < n; i++)
        t->timings->invalid_tiles += s->valid[i] == 0;
    if (ok && t->p->progress != NULL && !t->p->progress(t->p->progress_user, first + n, t->n_tiles)) {
        g_set_error(error, MT_ERROR, MT_ERROR_STOPPED,
                    "stopped after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles: run again to resume", first + n, t->n_tiles);
        ok = false;
    }
    return ok;
}

/* Batch `index` is ready: write it and all that wait behind it, unless another thread is writing already.  A failure is
 * kept before the turn is passed on: no sink is called again after it failed. */
static void deliver(team *t, int64_t index)
{
    pthread_mutex_lock(&t->lock);
    t->slots[index % t->n_slots].ready = true;
    while (!t->writing && t->failure == NULL && t->next_written < t->n_batches && t->slots[t->next_written % t->n_slots].ready) {
        int64_t turn = t->next_written;
        GError *error = NULL;
        t->writing = true;
        pthread_mutex_unlock(&t->lock);
        bool ok = write_slot(t, turn, &error);
        pthread_mutex_lock(&t->lock);
        if (!ok)
            keep_failure(t, error);
        t->writing = false;
        t->slots[turn % t->n_slots].ready = false;
        t->next_written++;
        pthread_cond_broadcast(&t->moved);
    }
    pthread_mutex_unlock(&t->lock);
}

static bool open_member(team *t, member *m, GError **error)
{
    const mt_card *card = mt_encoder_card(t->p->encoder);

    m->reader = mt_tile_reader_new(t->p->c, t->p->grid, card->interpolation, error);
    if (m->reader == NULL)
        return false;
    m->session = mt_encoder_session_new(t->p->encoder, t->p->backend, t->p->precision, t->batch, t->inner_threads, error);
    if (m->session == NULL)
        return false;
    if (t->p->intensity != NULL)
        mt_encoder_session_set_intensity(m->session, t->p->intensity);
    m->rows = mt_alloc((int64_t)t->batch * t->dim, sizeof(float), error);
    return m->rows != NULL;
}

static void close_member(team *t, member *m)
{
    double decode_s = 0, resample_s = 0;

    if (m->reader != NULL)
        mt_tile_reader_seconds(m->reader, &decode_s, &resample_s);
    pthread_mutex_lock(&t->lock);
    t->timings->decode_s += decode_s;
    t->timings->resample_s += resample_s;
    t->timings->normalise_s += m->normalise_s;
    t->timings->encode_s += m->encode_s;
    pthread_mutex_unlock(&t->lock);
    g_clear_pointer(&m->reader, mt_tile_reader_free);
    g_clear_pointer(&m->session, mt_encoder_session_free);
    mt_free(m->rows);
}

/* Read tile i into the next slot of the session.  A tile that cannot be decoded is invalid, any other error ends the case. */
static bool put_tile(member *m, int64_t i, int slot_index, uint8_t *valid, GError **error)
{
    g_autoptr(GError) cause = NULL;
    mt_tile_pixels pixels;

    *valid = mt_tile_reader_read(m->reader, i, &pixels, &cause);
    if (!*valid) {
        if (g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT))
            return true;
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    gint64 start = g_get_monotonic_time();
    bool   ok = mt_encoder_session_put(m->session, slot_index, &pixels, error);
    m->normalise_s += seconds_since(start);
    return ok;
}

static bool encode_batch(team *t, member *m, int64_t index, GError **error)
{
    slot *s = &t->slots[index % t->n_slots];
    int   n = batch_rows(t, index), n_valid = 0;

    for (int i = 0; i < n; i++) {
        if (!put_tile(m, index * t->batch + i, n_valid, &s->valid[i], error))
            return false;
        n_valid += s->valid[i];
    }
    gint64 start = g_get_monotonic_time();
    if (n_valid > 0 && !mt_encoder_session_run(m->session, n_valid, m->rows, error))
        return false;
    m->encode_s += seconds_since(start);
    memset(s->features, 0, (size_t)n * (size_t)t->dim * sizeof(float));
    for (int i = 0, row = 0; i < n; i++)
        if (s->valid[i])
            memcpy(s->features + (int64_t)i * t->dim, m->rows + (int64_t)row++ * t->dim, (size_t)t->dim * sizeof(float));
    return true;
}

static void work(team *t)
{
    member  m = {0};
    GError *error = NULL;
    bool    ok = open_member(t, &m, &error);

    for (int64_t index; ok && (index = take(t)) >= 0;) {
        ok = encode_batch(t, &m, index, &error);
        if (ok)
            deliver(t, index);
    }
    if (!ok)
        fail(t, error);
    close_member(t, &m);
}

static bool open_slots(team *t, GError **error)
{
    t->n_slots = 2 * t->members;
    t->slots = g_new0(slot, t->n_slots);
    for (int i = 0; i < t->n_slots; i++) {
        t->slots[i].features = mt_alloc((int64_t)t->batch * t->dim, sizeof(float), error);
        t->slots[i].valid = t->slots[i].features == NULL ? NULL : mt_alloc(t->batch, 1, error);
        if (t->slots[i].valid == NULL)
            return false;
    }
    return true;
}

static void close_slots(team *t)
{
    for (int i = 0; i < t->n_slots; i++) {
        mt_free(t->slots[i].features);
        mt_free(t->slots[i].valid);
    }
    g_free(t->slots);
    pthread_cond_destroy(&t->moved);
    pthread_mutex_destroy(&t->lock);
}

bool mt_team_run(const mt_team_params *params, mt_timings *timings, GError **error)
{
    team   t = {.p = params, .timings = timings, .n_tiles = mt_grid_count(params->grid), .dim = mt_encoder_dim(params->encoder)};
    gint64 start = g_get_monotonic_time();

    t.batch = mt_team_batch(t.n_tiles, params->batch);
    t.n_batches = (t.n_tiles + t.batch - 1) / t.batch;
    /* Fewer batches than threads: one at a time, with all threads inside oneDNN. */
    t.members = t.n_batches < params->threads ? 1 : params->threads;
    t.inner_threads = t.members == 1 ? params->threads : 1;
    timings->threads = params->threads;
    timings->tiles = t.n_tiles;
    pthread_mutex_init(&t.lock, NULL);
    pthread_cond_init(&t.moved, NULL);
    if (open_slots(&t, error) && t.n_tiles > 0) {
        if (t.members == 1)
            work(&t); /* outside a parallel region, where oneDNN may use its own team */
        else {
#pragma omp parallel num_threads(t.members)
            work(&t);
        }
        if (t.failure != NULL)
            g_propagate_error(error, t.failure);
    }
    bool ok = t.failure == NULL && t.slots[t.n_slots - 1].valid != NULL;
    close_slots(&t);
    timings->tiles_s = seconds_since(start);
    return ok;
}
