#include "src/pipeline/stored_bag.h"

#include "src/store/schema.h"

static bool read_rows(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    mt_stored_bag *s = user;

    for (int64_t done = 0, tile, run; done < count; done += run) {
        run = mt_valid_rows_run(&s->rows, first + done, count - done, &tile, error);
        if (run == 0 || !mt_store_read_rows(s->store, MT_OBJECT_FEATURES, tile, run, out + done * s->dim, error))
            return false;
    }
    return true;
}

/* From the grid: the numbers that /coords got. */
static bool read_coords(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    mt_stored_bag *s = user;

    for (int64_t done = 0, tile, run; done < count; done += run) {
        run = mt_valid_rows_run(&s->rows, first + done, count - done, &tile, error);
        if (run == 0)
            return false;
        for (int64_t i = 0; i < run; i++) {
            mt_tile place = mt_grid_tile(s->grid, tile + i);
            *xy++ = place.x;
            *xy++ = place.y;
            if (s->coords_width == 3)
                *xy++ = place.plane;
        }
    }
    return true;
}

mt_bag mt_stored_bag_new(mt_stored_bag *stored, mt_store *store, const mt_grid *grid, const uint8_t *valid, int64_t dim, bool volume)
{
    double width, height;

    mt_grid_tile_level0(grid, &width, &height);
    *stored = (mt_stored_bag){
        .store = store, .grid = grid, .rows = mt_valid_rows_new(valid, mt_grid_count(grid)), .dim = dim, .coords_width = volume ? 3 : 2};
    return (mt_bag){.n = mt_valid_rows_count(&stored->rows),
                    .dim = dim,
                    .read = read_rows,
                    .user = stored,
                    .read_coords = read_coords,
                    .coords_width = stored->coords_width,
                    .tile_level0 = width};
}
