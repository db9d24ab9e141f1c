/* CLAM's grid: a stored level, and for each piece of tissue a grid of its own from the corner of its bounding box on. */
#include "tiling/grid_private.h"
#include "tiling/ring_tree.h"

#include <math.h>
#include <string.h>

/* The level whose µm/px is nearest the wanted one, by ratio. */
static int nearest_level(const mt_case *c, double mpp, double wanted)
{
    int    best = 0;
    double least = INFINITY;

    for (int l = 0; l < mt_case_levels(c); l++) {
        double off = fabs(log(mpp * mt_case_level(c, l)->downsample_x / wanted));
        if (off < least) {
            least = off;
            best = l;
        }
    }
    return best;
}

static bool choose_level(const mt_case *c, const mt_grid_params *p, int *level, GError **error)
{
    double x, y;

    *level = MAX(p->patch_level, 0);
    if (p->patch_level < 0 && p->mpp > 0) {
        if (!mt_grid_need_mpp(c, p, &x, &y, error))
            return false;
        *level = nearest_level(c, x, p->mpp);
    }
    if (*level < mt_case_levels(c))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "lay a grid over %s: patch level %d is wanted and it has %d levels (0 to %d)",
                mt_case_path(c), *level, mt_case_levels(c), mt_case_levels(c) - 1);
    return false;
}

bool mt_clam_grid_find(const mt_case *c, const mt_grid_params *p, mt_grid_tool *tool, GError **error)
{
    double mpp[2] = {0, 0};

    if (!choose_level(c, p, &tool->level, error))
        return false;
    mt_case_mpp(c, &mpp[0], &mpp[1]);
    const mt_level *level = mt_case_level(c, tool->level);
    const double    downsample[2] = {level->downsample_x, level->downsample_y};
    tool->level_downsample = (downsample[0] + downsample[1]) / 2;
    tool->window_px = p->tile_px;
    for (int i = 0; i < 2; i++) { /* CLAM cuts the downsample to a whole number */
        tool->edge[i] = p->tile_px * (int64_t)downsample[i];
        tool->step[i] = (p->tile_px - tool->overlap_px) * (int64_t)downsample[i];
        tool->true_mpp[i] = mpp[i] * downsample[i];
    }
    tool->patch_size_level0 = tool->edge[0];
    return true;
}

/* The test "four_pt": one of four points half way between centre and corners lies in the contour or on it. */
static bool is_in_contour(const mt_ring_tree *tree, int64_t outer, int64_t x, int64_t y, int64_t edge)
{
    int64_t shift = (int64_t)((double)(edge / 2) * 0.5), centre_x = x + edge / 2, centre_y = y + edge / 2;

    for (int64_t dx = -shift; dx <= shift; dx += MAX(2 * shift, 1))
        for (int64_t dy = -shift; dy <= shift; dy += MAX(2 * shift, 1))
            if (mt_ring_tree_side(tree, outer, 2 * (centre_x + dx), 2 * (centre_y + dy)) >= 0)
                return true;
    return false;
}

static bool is_in_hole(const mt_ring_tree *tree, int64_t first, int64_t end, int64_t x, int64_t y, int64_t edge)
{
    for (int64_t hole = first; hole < end; hole++)
        if (mt_ring_tree_side(tree, hole, 2 * x + edge, 2 * y + edge) > 0)
            return true;
    return false;
}

/* x, y of the first pixel and of the first beyond. */
static void bound(const mt_ring_tree *tree, int64_t ring, int64_t low[2], int64_t high[2])
{
    low[0] = low[1] = INT64_MAX;
    high[0] = high[1] = INT64_MIN;
    for (int64_t k = tree->ring_first[ring]; k < tree->ring_first[ring + 1]; k++) {
        const int64_t at[2] = {tree->edges[k].x0, tree->edges[k].y0};
        for (int i = 0; i < 2; i++) {
            low[i] = MIN(low[i], at[i]);
            high[i] = MAX(high[i], at[i] + 1);
        }
    }
}

static bool lay_contour(mt_grid *grid, const mt_ring_tree *tree, int64_t outer, int64_t end, GError **error)
{
    const mt_grid_tool *tool = &grid->tool;
    int64_t             low[2], high[2], edge = tool->edge[0]; /* CLAM takes the one along x for both axes */

    bound(tree, outer, low, high);
    for (int64_t x = low[0]; x < high[0]; x += tool->step[0])
        for (int64_t y = low[1]; y < high[1]; y += tool->step[1])
            if (is_in_contour(tree, outer, x, y, edge) && !is_in_hole(tree, outer + 1, end, x, y, edge) &&
                !mt_grid_add_tile(grid, x, y, error))
                return false;
    return true;
}

bool mt_clam_grid_lay(mt_grid *grid, const mt_mask *mask, GError **error)
{
    if (mask == NULL || !g_str_has_prefix(mt_mask_method(mask), "clam:")) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "lay a grid: --compat clam needs CLAM's contours: leave --mask out, or give --mask clam:PRESET");
        return false;
    }
    g_autoptr(mt_ring_tree) tree = mt_ring_tree_new(mask, error);
    if (tree == NULL)
        return false;
    for (int64_t p = 0; p < tree->n_polygons; p++)
        if (!lay_contour(grid, tree, tree->polygon_first[p], tree->polygon_first[p + 1], error))
            return false;
    return true;
}
