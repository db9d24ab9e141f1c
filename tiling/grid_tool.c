/* Grids of other tools: what they share. */
#include "tiling/grid_private.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <math.h>
#include <string.h>

/* An overlap in pixels may miss a whole number by this much: 0.1 of 250 px is not exactly 25 in binary. */
#define WHOLE_TOLERANCE 1e-6

static const char *const NAMES[] = {[MT_COMPAT_TRIDENT] = "trident", [MT_COMPAT_CLAM] = "clam"};

const char *mt_compat_name(mt_compat compat)
{
    return (size_t)compat < G_N_ELEMENTS(NAMES) ? NAMES[compat] : NULL;
}

bool mt_compat_parse(const char *text, mt_compat *compat)
{
    for (size_t i = 0; i < G_N_ELEMENTS(NAMES); i++)
        if (NAMES[i] != NULL && strcmp(text, NAMES[i]) == 0) {
            *compat = (mt_compat)i;
            return true;
        }
    return false;
}

/* Both tools tile one plane of 8-bit colour. */
static bool check_case(const mt_case *c, const mt_grid_params *p, GError **error)
{
    if (mt_case_planes(c) == 1 && mt_case_dtype(c) == MT_U8 && mt_case_channels(c) == 3)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "lay a grid over %s: --compat %s is for slides and pictures of 8-bit colour: leave it out",
                mt_case_path(c), mt_compat_name(p->compat));
    return false;
}

/* Both count overlap in whole pixels of the tile. */
static bool find_overlap(const mt_case *c, const mt_grid_params *p, int64_t *overlap_px, GError **error)
{
    double wanted = p->overlap * p->tile_px, whole = floor(wanted + 0.5);

    *overlap_px = (int64_t)whole;
    if (fabs(wanted - whole) <= WHOLE_TOLERANCE && whole < p->tile_px)
        return true;
    double below = MIN(floor(wanted), p->tile_px - 1.0);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                "lay a grid over %s: overlap %g of %d px is %g px, and --compat %s counts whole pixels: give %.10g (%g px)",
                mt_case_path(c), p->overlap, p->tile_px, wanted, mt_compat_name(p->compat), below / p->tile_px, below);
    return false;
}

bool mt_grid_tool_find(const mt_case *c, const mt_grid_params *p, mt_grid_tool *tool, GError **error)
{
    *tool = (mt_grid_tool){0};
    if (!mt_grid_check_params(c, p, error) || !check_case(c, p, error) || !find_overlap(c, p, &tool->overlap_px, error))
        return false;
    if (!(p->compat == MT_COMPAT_TRIDENT ? mt_trident_find : mt_clam_grid_find)(c, p, tool, error))
        return false;
    if (tool->step[0] >= 1 && tool->step[1] >= 1 && tool->window_px >= 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                "lay a grid over %s: tiles of %d px at %g µm/px with overlap %g advance by less than one pixel of level 0: take larger "
                "tiles or less overlap",
                mt_case_path(c), p->tile_px, p->mpp, p->overlap);
    return false;
}

bool mt_grid_add_tile(mt_grid *grid, int64_t x, int64_t y, GError **error)
{
    if (grid->n == grid->room) {
        int64_t  room = MAX(1024, 2 * grid->room);
        mt_tile *tiles = mt_alloc(room, sizeof(mt_tile), error);
        if (tiles == NULL)
            return false;
        if (grid->n > 0)
            memcpy(tiles, grid->tiles, (size_t)grid->n * sizeof(mt_tile));
        mt_free(grid->tiles);
        grid->tiles = tiles;
        grid->room = room;
    }
    grid->tiles[grid->n++] = (mt_tile){x, y, 0};
    return true;
}

static bool check_size(const mt_grid *grid, const mt_case *c, GError **error)
{
    const mt_level *level = mt_case_level(c, 0);
    int64_t         columns = level->width / grid->tool.step[0] + 1, rows = level->height / grid->tool.step[1] + 1, total;

    if (!__builtin_mul_overflow(columns, rows, &total) && total <= MT_LIMIT_SLIDE_PX)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                "lay a grid over %s: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " tiles are too many: take larger tiles or less overlap",
                mt_case_path(c), columns, rows);
    return false;
}

bool mt_grid_lay_tool(mt_grid *grid, const mt_case *c, const mt_mask *mask, GError **error)
{
    mt_grid_tool *tool = &grid->tool;

    if (!mt_grid_tool_find(c, &grid->params, tool, error) || !check_size(grid, c, error))
        return false;
    const mt_level *level = mt_case_level(c, tool->level);
    grid->level = tool->level;
    grid->edge_x = (double)tool->window_px * level->downsample_x;
    grid->edge_y = (double)tool->window_px * level->downsample_y;
    return grid->params.compat == MT_COMPAT_TRIDENT ? mt_trident_lay(grid, c, mask, error) : mt_clam_grid_lay(grid, mask, error);
}
