#include "mil/bag_stream.h"

#include "mil/row_team.h"
#include "src/base/alloc.h"

typedef struct group {
    const mt_bag_stream *stream;
    float               *x;
    int64_t              dim, first; /* tile of the group's first row */
} group;

int64_t mt_bag_stream_slots(int64_t n, int threads)
{
    return MIN(threads, (n + MT_BAG_STREAM_ROWS - 1) / MT_BAG_STREAM_ROWS);
}

static bool run_block(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    const group *g = user;

    return g->stream->block(g->stream->user, session, block, g->first + first, rows, g->x + first * g->dim, error);
}

bool mt_bag_stream_run(const mt_bag_stream *stream, const mt_bag *bag, int threads, GError **error)
{
    int64_t slots = mt_bag_stream_slots(bag->n, threads), rows = MIN(bag->n, slots * MT_BAG_STREAM_ROWS);
    mt_port input = {.dtype = MT_F32, .rank = 2, .shape = {-1, bag->dim}};
    group   g = {.stream = stream, .x = mt_alloc(rows * bag->dim, sizeof(float), error), .dim = bag->dim};
    bool    ok = g.x != NULL;
    g_autoptr(mt_row_team) team = mt_row_team_new(stream->model, &input, 1, threads);

    for (; ok && g.first < bag->n; g.first += rows) {
        int64_t count = MIN(rows, bag->n - g.first);
        ok = mt_bag_read(bag, g.first, count, g.x, error) && mt_row_team_run(team, count, MT_BAG_STREAM_ROWS, run_block, &g, error);
        for (int64_t slot = 0; ok && stream->merge != NULL && slot * MT_BAG_STREAM_ROWS < count; slot++)
            stream->merge(stream->user, slot);
    }
    mt_free(g.x);
    return ok;
}
