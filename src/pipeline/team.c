#include "src/pipeline/team.h"

#include "src/base/alloc.h"
#include "src/base/ordered.h"
#include "src/pipeline/invalid_tiles.h"
#include "src/pipeline/look_ahead.h"

#include <string.h>

/* Features of one batch on their way to the sink. */
typedef struct slot {
    float   *features;
    uint8_t *valid;
    char   **reasons; /* of the invalid tiles */
} slot;

typedef struct team {
    const mt_team_params *p;
    int                   batch, members, inner_threads;
    int64_t               n_tiles, n_batches, dim;
    mt_ordered            ordered; /* items are batches */
    mt_look_ahead         look_ahead;
    slot                 *slots;
    int                   n_slots;
    pthread_mutex_t       timings_lock;
    mt_timings           *timings;
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

static int batch_rows(const team *t, int64_t index)
{
    return (int)MIN(t->batch, t->n_tiles - index * t->batch);
}

static void tell_unread(team *t, slot *s, int64_t first, int n)
{
    for (int i = 0; i < n; i++) {
        t->timings->invalid_tiles += s->valid[i] == 0;
        if (s->valid[i] == 0 && t->p->unread != NULL)
            t->p->unread(t->p->sink_user, first + i, s->reasons[i]);
        g_clear_pointer(&s->reasons[i], g_free);
    }
}

static slot *slot_of(team *t, int64_t index)
{
    return &t->slots[mt_ordered_slot(&t->ordered, index)];
}

static bool write_slot(void *user, int64_t index, GError **error)
{
    team   *t = user;
    slot   *s = slot_of(t, index);
    int64_t first = index * t->batch;
    int     n = batch_rows(t, index);
    gint64  start = g_get_monotonic_time();

    tell_unread(t, s, first, n);
    bool ok = t->p->sink(t->p->sink_user, first, n, s->features, s->valid, error);

    t->timings->write_s += seconds_since(start);
    if (ok && t->p->progress != NULL && !t->p->progress(t->p->progress_user, first + n, t->n_tiles)) {
        g_set_error(error, MT_ERROR, MT_ERROR_STOPPED,
                    "stopped after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles: run again to resume", first + n, t->n_tiles);
        ok = false;
    }
    return ok;
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
    pthread_mutex_lock(&t->timings_lock);
    t->timings->decode_s += decode_s;
    t->timings->resample_s += resample_s;
    t->timings->normalise_s += m->normalise_s;
    t->timings->encode_s += m->encode_s;
    pthread_mutex_unlock(&t->timings_lock);
    g_clear_pointer(&m->reader, mt_tile_reader_free);
    g_clear_pointer(&m->session, mt_encoder_session_free);
    mt_free(m->rows);
}

/* Read tile i into the next slot of the session.  A tile that cannot be decoded is invalid, any other error ends the case. */
static bool put_tile(const team *t, member *m, int64_t i, int slot_index, uint8_t *valid, char **reason, GError **error)
{
    g_autoptr(GError) cause = NULL;
    mt_tile_pixels pixels;

    *valid = mt_tile_reader_read(m->reader, i, &pixels, &cause);
    if (!*valid) {
        if (g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT)) {
            *reason = mt_invalid_reason(cause->message, mt_case_path(t->p->c));
            return true;
        }
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    gint64 start = g_get_monotonic_time();
    mt_stain_apply(t->p->stain, &pixels); /* while the tile is in the cache */
    bool ok = mt_encoder_session_put(m->session, slot_index, &pixels, error);
    m->normalise_s += seconds_since(start);
    return ok;
}

static bool encode_batch(team *t, member *m, int64_t index, GError **error)
{
    slot *s = slot_of(t, index);
    int   n = batch_rows(t, index), n_valid = 0;

    for (int i = 0; i < n; i++) {
        if (!put_tile(t, m, index * t->batch + i, n_valid, &s->valid[i], &s->reasons[i], error))
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

    for (int64_t index; ok && (index = mt_ordered_take(&t->ordered)) >= 0;) {
        mt_look_ahead_from(&t->look_ahead, m.reader, (index + 1) * t->batch);
        ok = encode_batch(t, &m, index, &error);
        if (ok)
            mt_ordered_deliver(&t->ordered, index);
    }
    if (!ok)
        mt_ordered_fail(&t->ordered, error);
    close_member(t, &m);
}

static bool open_slots(team *t, GError **error)
{
    t->slots = g_new0(slot, t->n_slots);
    for (int i = 0; i < t->n_slots; i++) {
        t->slots[i].features = mt_alloc((int64_t)t->batch * t->dim, sizeof(float), error);
        t->slots[i].reasons = g_new0(char *, t->batch);
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
        for (int k = 0; t->slots[i].reasons != NULL && k < t->batch; k++)
            g_free(t->slots[i].reasons[k]);
        g_free(t->slots[i].reasons);
    }
    g_free(t->slots);
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
    t.n_slots = 2 * t.members;
    pthread_mutex_init(&t.timings_lock, NULL);
    mt_look_ahead_init(&t.look_ahead, t.n_tiles);
    mt_ordered_init(&t.ordered, t.n_batches, t.n_slots, write_slot, &t);
    bool ok = open_slots(&t, error);
    if (ok && t.n_tiles > 0) {
        if (t.members == 1)
            work(&t); /* outside a parallel region, where oneDNN may use its own team */
        else {
#pragma omp parallel num_threads(t.members)
            work(&t);
        }
    }
    ok = mt_ordered_finish(&t.ordered, ok ? error : NULL) && ok;
    pthread_mutex_destroy(&t.timings_lock);
    mt_look_ahead_clear(&t.look_ahead);
    close_slots(&t);
    timings->tiles_s = seconds_since(start);
    return ok;
}
