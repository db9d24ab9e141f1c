#include "src/pipeline/cut_team.h"

#include "src/base/ordered.h"
#include "src/pipeline/invalid_tiles.h"
#include "src/pipeline/look_ahead.h"

#include <microtome/tile_reader.h>

#include <string.h>

/* How far reading may run ahead of writing, in tiles a thread. */
#define SLOTS_A_MEMBER 4

typedef struct cut_team {
    const mt_cut *cut;
    mt_cut_sink  *sink;
    int64_t       first, n; /* tile of item 0, tiles of the grid */
    mt_ordered    ordered;
    mt_look_ahead look_ahead;
    mt_cut_tile  *slots;
} cut_team;

static void clear_tile(mt_cut_tile *tile)
{
    g_clear_pointer(&tile->picture, g_bytes_unref);
    g_clear_pointer(&tile->reason, g_free);
}

static bool write_item(void *user, int64_t index, GError **error)
{
    cut_team             *t = user;
    const mt_cut_options *o = t->cut->options;
    mt_cut_tile          *tile = &t->slots[mt_ordered_slot(&t->ordered, index)];
    int64_t               done = t->first + index + 1;

    if (!mt_cut_sink_put(t->sink, t->first + index, tile, error))
        return false;
    clear_tile(tile);
    if (o->progress == NULL || o->progress(o->progress_user, done, t->n))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_STOPPED,
                "stopped after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles: run the same command again to complete it", done, t->n);
    return false;
}

/* A tile that cannot be decoded is invalid, any other error ends the case. */
static bool make_tile(cut_team *t, mt_tile_reader *reader, int64_t i, mt_cut_tile *tile, GError **error)
{
    g_autoptr(GError) cause = NULL;
    mt_tile_pixels pixels;

    if (mt_tile_reader_read(reader, i, &pixels, &cause)) {
        mt_stain_apply(t->cut->tiles.stain, &pixels);
        tile->picture = mt_picture_encode(&t->cut->options->picture, &pixels, mt_case_dtype(t->cut->tiles.c), error);
        return tile->picture != NULL;
    }
    if (!g_error_matches(cause, MT_ERROR, MT_ERROR_INPUT)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    tile->reason = mt_invalid_reason(cause->message, mt_case_path(t->cut->tiles.c));
    g_strdelimit(tile->reason, "\r\n", ' ');
    return true;
}

static void work(cut_team *t)
{
    GError *error = NULL;
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(t->cut->tiles.c, t->cut->tiles.grid, MT_CUT_FILTER, &error);
    bool ok = reader != NULL;

    for (int64_t index; ok && (index = mt_ordered_take(&t->ordered)) >= 0;) {
        mt_look_ahead_from(&t->look_ahead, reader, t->first + index + 1);
        ok = make_tile(t, reader, t->first + index, &t->slots[mt_ordered_slot(&t->ordered, index)], &error);
        if (ok)
            mt_ordered_deliver(&t->ordered, index);
    }
    if (!ok)
        mt_ordered_fail(&t->ordered, error);
}

bool mt_cut_team_run(const mt_cut *cut, int64_t first, mt_cut_sink *sink, GError **error)
{
    cut_team t = {.cut = cut, .sink = sink, .first = first, .n = mt_grid_count(cut->tiles.grid)};
    int      members = (int)CLAMP(t.n - first, 1, cut->options->threads), n_slots = SLOTS_A_MEMBER * members;

    t.slots = g_new0(mt_cut_tile, n_slots);
    mt_look_ahead_init(&t.look_ahead, t.n);
    t.look_ahead.next = first; /* what is settled is not read */
    mt_ordered_init(&t.ordered, t.n - first, n_slots, write_item, &t);
#pragma omp parallel num_threads(members)
    work(&t);
    bool ok = mt_ordered_finish(&t.ordered, error);
    mt_look_ahead_clear(&t.look_ahead);
    for (int i = 0; i < n_slots; i++)
        clear_tile(&t.slots[i]);
    g_free(t.slots);
    return ok;
}
