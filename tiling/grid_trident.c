/* TRIDENT's grid: magnifications instead of µm/px, one step from the origin on, tiles that touch the simplified tissue.
 *
 * The case's magnification comes from a table of its µm/px (along x, rounded to 4 decimals), the wanted one is 10 / µm/px.  All that
 * follows counts in them, so the true µm/px of a tile is that of the case times a power of the table: true_mpp says it. */
#include "tiling/grid_private.h"
#include "tiling/ring_tree.h"

#include <math.h>
#include <stdio.h>

#define LEVEL_TOLERANCE 0.1   /* a level's downsample is the wanted one */
#define WANTED_TOLERANCE 1e-3 /* share by which a wanted µm/px may miss 10 / magnification: 0.1667 is 60x */

static const struct {
    double below_mpp;
    int    magnification;
} TABLE[] = {{0.16, 80}, {0.2, 60}, {0.3, 40}, {0.6, 20}, {1.2, 10}, {2.4, 5}};

static const double WANTED[] = {80, 60, 40, 20, 10, 5, 2.5, 1.25};

/* Python's round(value, 4): decimal, from the exact value, half to even, as printf does it. */
static double round_to_4(double value)
{
    char text[64];

    g_ascii_formatd(text, sizeof text, "%.4f", value);
    return g_ascii_strtod(text, NULL);
}

static bool find_source(const mt_case *c, const mt_grid_params *p, double *magnification, double mpp[2], GError **error)
{
    if (!mt_grid_need_mpp(c, p, &mpp[0], &mpp[1], error))
        return false;
    double rounded = round_to_4(mpp[0]);
    for (size_t i = 0; i < G_N_ELEMENTS(TABLE); i++)
        if (rounded < TABLE[i].below_mpp) {
            *magnification = TABLE[i].magnification;
            return true;
        }
    g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                "lay a grid over %s: --compat trident knows no magnification for %g µm/px: it must be below 2.4", mt_case_path(c), rounded);
    return false;
}

static bool find_target(const mt_case *c, const mt_grid_params *p, double *magnification, GError **error)
{
    GString *list = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(WANTED); i++) {
        if (p->mpp > 0 && fabs(p->mpp * WANTED[i] / 10 - 1) <= WANTED_TOLERANCE) {
            *magnification = WANTED[i];
            g_string_free(list, TRUE);
            return true;
        }
        g_string_append_printf(list, "%s%.4g (%gx)", i > 0 ? ", " : "", 10 / WANTED[i], WANTED[i]);
    }
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                "lay a grid over %s: --compat trident reads at magnifications, and %g µm/px is none: give --mpp %s", mt_case_path(c),
                p->mpp, list->str);
    g_string_free(list, TRUE);
    return false;
}

static double mean_downsample(const mt_case *c, int level)
{
    const mt_level *l = mt_case_level(c, level);

    return (l->downsample_x + l->downsample_y) / 2;
}

/* The first level that is as wanted; else the coarsest that is not coarser; else, where level 0 itself is, the finest that is. */
static int choose_level(const mt_case *c, double wanted)
{
    int best = 0;

    for (int l = 0; l < mt_case_levels(c); l++)
        if (fabs(mean_downsample(c, l) - wanted) <= LEVEL_TOLERANCE)
            return l;
    for (int l = 1; l < mt_case_levels(c) && mean_downsample(c, l) <= wanted; l++)
        best = l;
    return best;
}

bool mt_trident_find(const mt_case *c, const mt_grid_params *p, mt_grid_tool *tool, GError **error)
{
    double mpp[2];

    if (!find_target(c, p, &tool->target_magnification, error) || !find_source(c, p, &tool->level0_magnification, mpp, error))
        return false;
    double          wanted = 10 / tool->target_magnification / (10 / tool->level0_magnification);
    int64_t         edge = (int64_t)rint(p->tile_px * wanted); /* Python's round: half to even */
    const mt_level *level;
    tool->level = choose_level(c, wanted);
    level = mt_case_level(c, tool->level);
    tool->level_downsample = mean_downsample(c, tool->level);
    tool->window_px = (int64_t)rint((double)edge / trunc(tool->level_downsample));
    tool->edge[0] = tool->edge[1] = edge;
    tool->step[0] = tool->step[1] = edge - (int64_t)rint((double)tool->overlap_px * wanted);
    tool->patch_size_level0 = (int64_t)floor(p->tile_px * tool->level0_magnification / tool->target_magnification);
    tool->true_mpp[0] = mpp[0] * level->downsample_x * (double)tool->window_px / p->tile_px;
    tool->true_mpp[1] = mpp[1] * level->downsample_y * (double)tool->window_px / p->tile_px;
    return true;
}

static bool is_kept(const mt_grid *grid, const mt_ring_tree *tissue, int64_t x, int64_t y)
{
    int64_t edge = grid->tool.edge[0];

    if (tissue == NULL)
        return true;
    if (grid->params.min_share == 0)
        return mt_ring_tree_meets_square(tissue, x, y, edge);
    return mt_ring_tree_area_in_square(tissue, x, y, edge) >= grid->params.min_share * ((double)edge * (double)edge);
}

bool mt_trident_lay(mt_grid *grid, const mt_case *c, const mt_mask *mask, GError **error)
{
    const mt_level *level0 = mt_case_level(c, 0);
    g_autoptr(mt_ring_tree) tissue = mask != NULL ? mt_ring_tree_new(mask, error) : NULL;

    if (mask != NULL && tissue == NULL)
        return false;
    if (tissue != NULL)
        mt_ring_tree_simplify(tissue, grid->params.tile_px / 4.0);
    for (int64_t y = 0; y < level0->height; y += grid->tool.step[1])
        for (int64_t x = 0; x < level0->width; x += grid->tool.step[0])
            if (is_kept(grid, tissue, x, y) && !mt_grid_add_tile(grid, x, y, error))
                return false;
    return true;
}
