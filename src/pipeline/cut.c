/* Cutting a case into pictures: the grid without an encoder. */
#include "src/pipeline/case_tiles.h"

#include "src/export/tile_png.h"
#include "src/pipeline/grid_store.h"

#include <errno.h>

#define FILTER MT_FILTER_BILINEAR

static bool write_tiles(const mt_case_tiles *tiles, const char *folder, mt_progress progress, void *user, GError **error)
{
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(tiles->c, tiles->grid, FILTER, error);
    int64_t n = mt_grid_count(tiles->grid);
    bool    volume = mt_case_planes(tiles->c) > 1;

    if (reader == NULL)
        return false;
    for (int64_t i = 0; i < n; i++) {
        mt_tile          tile = mt_grid_tile(tiles->grid, i);
        g_autofree char *plane = volume ? g_strdup_printf("_%" G_GINT64_FORMAT, tile.plane) : g_strdup("");
        g_autofree char *name = g_strdup_printf("%" G_GINT64_FORMAT "_%" G_GINT64_FORMAT "%s.png", tile.x, tile.y, plane);
        g_autofree char *path = g_build_filename(folder, name, NULL);
        mt_tile_pixels   pixels;
        if (!mt_tile_reader_read(reader, i, &pixels, error))
            return false;
        mt_stain_apply(tiles->stain, &pixels);
        if (!mt_tile_png_write(&pixels, path, error))
            return false;
        if (progress != NULL && !progress(user, i + 1, n)) {
            g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles", i + 1, n);
            return false;
        }
    }
    return true;
}

/* coords.h5: the /coords of a result, without features. */
static bool write_coords(const mt_grid *grid, const mt_case *c, const char *id, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "coords.h5", NULL);
    g_autoptr(mt_store) store = mt_store_create(path, error);

    return store != NULL && mt_grid_store(grid, c, id, store, error) &&
           mt_store_publish(store, "{\"schema\":1,\"status\":\"coords\"}", error);
}

static bool lay(mt_case_tiles *tiles, const mt_recipe *recipe, const mt_job *job, const mt_stain_target *target, GError **error)
{
    mt_grid_params params = {
        .tile_px = recipe->tile_px, .mpp = MAX(recipe->mpp, 0), .overlap = recipe->overlap, .min_share = recipe->min_share};

    tiles->c = mt_pipeline_open_case(recipe, job, error);
    if (tiles->c == NULL)
        return false;
    g_autoptr(mt_masker) masker = mt_masker_new(recipe->mask_method, error);
    tiles->mask = masker != NULL ? mt_masker_run(masker, tiles->c, job->id, error) : NULL;
    tiles->grid = tiles->mask != NULL ? mt_grid_new(tiles->c, tiles->mask, &params, error) : NULL;
    return tiles->grid != NULL && mt_case_tiles_fit_stain(tiles, target, FILTER, error);
}

static bool make_folder(const char *folder, GError **error)
{
    if (g_mkdir_with_parents(folder, 0755) == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "create folder %s: %s", folder, g_strerror(errno));
    return false;
}

int64_t mt_pipeline_cut(const mt_recipe *recipe, const mt_job *job, const char *folder, mt_progress progress, void *user, GError **error)
{
    g_autoptr(mt_stain_target) target = NULL;
    mt_case_tiles tiles = {0};

    bool ok = mt_pipeline_load_stain(recipe, &target, error) && lay(&tiles, recipe, job, target, error) && make_folder(folder, error) &&
              write_tiles(&tiles, folder, progress, user, error) && write_coords(tiles.grid, tiles.c, job->id, folder, error);
    int64_t n = ok ? mt_grid_count(tiles.grid) : -1;
    mt_case_tiles_clear(&tiles);
    return n;
}
