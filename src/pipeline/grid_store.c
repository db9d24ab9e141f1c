#include "src/pipeline/grid_store.h"

#include "src/store/schema.h"

/* (N,2) x, y; (N,3) x, y, plane for a volume. */
static mt_tensor *coords_of(const mt_grid *grid, bool volume, GError **error)
{
    int64_t n = mt_grid_count(grid), shape[] = {n, volume ? 3 : 2};
    g_autoptr(mt_tensor) coords = mt_tensor_new(MT_I64, 2, shape, error);

    if (coords == NULL)
        return NULL;
    int64_t *row = coords->data;
    for (int64_t i = 0; i < n; i++) {
        mt_tile tile = mt_grid_tile(grid, i);
        *row++ = tile.x;
        *row++ = tile.y;
        if (volume)
            *row++ = tile.plane;
    }
    return g_steal_pointer(&coords);
}

/* Another tool's own numbers; downsample and size: room for two each. */
static void add_tool(mt_coords_info *info, const mt_grid *grid, const mt_case *c, double *downsample, int64_t *size)
{
    const mt_grid_tool *tool = mt_grid_get_tool(grid);

    if (tool == NULL)
        return;
    const mt_level *level = mt_case_level(c, tool->level);
    info->compat = mt_compat_name(mt_grid_get_params(grid)->compat);
    info->patch_size_level0 = tool->patch_size_level0;
    info->level0_magnification = tool->level0_magnification;
    info->target_magnification = tool->target_magnification;
    if (mt_grid_get_params(grid)->compat != MT_COMPAT_CLAM)
        return;
    downsample[0] = level->downsample_x;
    downsample[1] = level->downsample_y;
    size[0] = level->width;
    size[1] = level->height;
    info->downsample = downsample;
    info->level_size = size;
}

bool mt_grid_store(const mt_grid *grid, const mt_case *c, const char *id, mt_store *store, GError **error)
{
    const mt_grid_params *params = mt_grid_get_params(grid);
    const mt_level       *level = mt_case_level(c, 0);
    g_autoptr(mt_tensor) coords = coords_of(grid, mt_case_get_kind(c) == MT_CASE_VOLUME, error);
    mt_coords_info info = {.name = id,
                           .patch_size = params->whole_plane ? MAX(level->width, level->height) : params->tile_px,
                           .patch_level = mt_grid_level(grid),
                           .patch_depth = 1,
                           .overlap = params->whole_plane ? 0 : params->overlap,
                           .level0_width = level->width,
                           .level0_height = level->height,
                           .target_mpp = params->whole_plane ? 0 : params->mpp,
                           .mpp_source = mt_case_mpp_source(c),
                           .objective_power = mt_case_objective_power(c)};

    if (coords == NULL)
        return false;
    double  downsample[2];
    int64_t size[2];
    add_tool(&info, grid, c, downsample, size);
    mt_grid_tile_level0(grid, &info.tile_level0[0], &info.tile_level0[1]);
    mt_case_mpp(c, &info.mpp_x, &info.mpp_y);
    return mt_schema_write_coords(store, &info, coords, error);
}
