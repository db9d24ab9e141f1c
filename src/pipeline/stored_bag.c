#include "src/pipeline/stored_bag.h"

#include "src/store/schema.h"

static bool read_features(void *user, int64_t tile, int64_t n, float *out, GError **error)
{
    const mt_stored_bag *s = user;

    return mt_store_read_rows(s->store, MT_OBJECT_FEATURES, tile, n, out, error);
}

/* From the grid: the numbers that /coords got. */
static bool read_places(void *user, int64_t tile, int64_t n, int64_t *xy, GError **error)
{
    const mt_stored_bag *s = user;

    (void)error;
    for (int64_t i = 0; i < n; i++) {
        mt_tile place = mt_grid_tile(s->grid, tile + i);
        *xy++ = place.x;
        *xy++ = place.y;
        if (s->tiles.coords_width == 3)
            *xy++ = place.plane;
    }
    return true;
}

mt_bag mt_stored_bag_new(mt_stored_bag *stored, mt_store *store, const mt_case *c, const mt_grid *grid, const uint8_t *valid, int64_t dim)
{
    double width, height;

    *stored = (mt_stored_bag){.store = store,
                              .grid = grid,
                              .tiles = {.rows = mt_valid_rows_new(valid, mt_grid_count(grid)),
                                        .dim = dim,
                                        .coords_width = mt_case_get_kind(c) == MT_CASE_VOLUME ? 3 : 2,
                                        .read = read_features,
                                        .read_places = read_places,
                                        .user = stored}};
    mt_bag bag = mt_valid_tiles_bag(&stored->tiles);
    mt_grid_tile_level0(grid, &width, &height);
    bag.tile_level0 = width;
    if (!mt_case_mpp(c, &bag.mpp[0], &bag.mpp[1]))
        bag.mpp[0] = bag.mpp[1] = 0;
    return bag;
}
