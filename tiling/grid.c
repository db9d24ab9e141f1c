#include "tiling/grid_private.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <math.h>

/* A level may be coarser than wanted by this much: pyramids whose sizes are rounded still serve. */
#define LEVEL_TOLERANCE 1.0001

/* Columns or rows of tiles, n of them. */
typedef struct axis {
    double  tile_px, advance, ratio; /* advance = 1 - overlap */
    int64_t n;
} axis;

/* The order of the products is part of the definition: another one rounds differently. */
static int64_t axis_at(const axis *a, int64_t k)
{
    return (int64_t)floor((double)k * a->tile_px * a->advance * a->ratio + 0.5);
}

/* Tiles that start below `size`. */
static axis axis_new(const mt_grid_params *p, double ratio, int64_t size)
{
    axis a = {p->tile_px, 1 - p->overlap, ratio, (int64_t)((double)size / (p->tile_px * (1 - p->overlap) * ratio)) + 2};

    while (a.n > 1 && axis_at(&a, a.n - 1) >= size)
        a.n--;
    return a;
}

bool mt_grid_check_params(const mt_case *c, const mt_grid_params *p, GError **error)
{
    const char *name = NULL, *range = NULL;
    double      value = 0;

    if (p->tile_px < MT_LIMIT_TILE_PX_MIN || p->tile_px > MT_LIMIT_TILE_PX_MAX)
        name = "tile", range = "16..4096 px", value = p->tile_px;
    else if (!(p->mpp == 0 || (p->mpp >= 1e-3 && p->mpp <= 1e6)))
        name = "mpp", range = "0, or 0.001..1000000 µm/px", value = p->mpp;
    else if (!(p->overlap >= 0 && p->overlap < 1))
        name = "overlap", range = "0 up to, but not, 1", value = p->overlap;
    else if (!(p->min_share >= 0 && p->min_share <= 1))
        name = "min_share", range = "0..1", value = p->min_share;
    if (name != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "lay a grid over %s: %s=%g is outside %s", mt_case_path(c), name, value, range);
    return name == NULL;
}

bool mt_grid_need_mpp(const mt_case *c, const mt_grid_params *p, double *mpp_x, double *mpp_y, GError **error)
{
    if (mt_case_mpp(c, mpp_x, mpp_y))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_SPACING,
                "lay a grid at %g µm/px over %s: the case's own µm/px is unknown (%s): give it with --slide-mpp or in the manifest's "
                "mpp column",
                p->mpp, mt_case_path(c), mt_case_mpp_source(c));
    return false;
}

/* Wanted over own µm/px per axis. */
static bool find_ratio(const mt_case *c, const mt_grid_params *p, double *a_x, double *a_y, GError **error)
{
    double mpp_x, mpp_y;

    *a_x = *a_y = 1;
    if (p->mpp == 0)
        return true;
    if (!mt_grid_need_mpp(c, p, &mpp_x, &mpp_y, error))
        return false;
    *a_x = p->mpp / mpp_x;
    *a_y = p->mpp / mpp_y;
    return true;
}

static int choose_level(const mt_case *c, double a_x, double a_y)
{
    int    best = 0;
    double coarsest = 0;

    for (int l = 0; l < mt_case_levels(c); l++) {
        const mt_level *level = mt_case_level(c, l);
        double          d = level->downsample_x * level->downsample_y;
        if (level->downsample_x <= LEVEL_TOLERANCE * a_x && level->downsample_y <= LEVEL_TOLERANCE * a_y && d > coarsest) {
            best = l;
            coarsest = d;
        }
    }
    return best;
}

/* The share counts the whole tile: one that is mostly outside the plane is mostly background. */
static bool is_enough(const mt_grid *grid, double share)
{
    return share > 0 && share >= grid->params.min_share;
}

static bool is_kept(const mt_grid *grid, const mt_mask *mask, int64_t x, int64_t y)
{
    return mask == NULL || is_enough(grid, mt_mask_share(mask, (double)x, (double)y, grid->edge_x, grid->edge_y));
}

static bool is_lost(const mt_grid *grid, const mt_mask *mask, int64_t x, int64_t y)
{
    return mt_mask_excluded(mask) != 0 && is_enough(grid, mt_mask_share_before(mask, (double)x, (double)y, grid->edge_x, grid->edge_y));
}

/* Kept tiles of one plane; written to `tiles` unless NULL. */
static int64_t lay_plane(mt_grid *grid, const mt_mask *mask, const axis *columns, const axis *rows, mt_tile *tiles)
{
    int64_t n = 0;

    for (int64_t r = 0; r < rows->n; r++)
        for (int64_t k = 0; k < columns->n; k++) {
            int64_t x = axis_at(columns, k), y = axis_at(rows, r);
            if (!is_kept(grid, mask, x, y)) {
                grid->n_excluded += tiles == NULL && is_lost(grid, mask, x, y);
                continue;
            }
            if (tiles)
                tiles[n] = (mt_tile){x, y, 0};
            n++;
        }
    return n;
}

static bool lay_tiles(mt_grid *grid, const mt_case *c, const mt_mask *mask, const axis *columns, const axis *rows, GError **error)
{
    int64_t planes = mt_case_planes(c), total;

    if (__builtin_mul_overflow(columns->n, rows->n, &total) || total > MT_LIMIT_SLIDE_PX) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                    "lay a grid over %s: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " tiles are too many: take larger tiles or less overlap",
                    mt_case_path(c), columns->n, rows->n);
        return false;
    }
    int64_t per_plane = mask ? lay_plane(grid, mask, columns, rows, NULL) : total;
    grid->tiles = mt_alloc(per_plane, planes * sizeof(mt_tile), error);
    if (grid->tiles == NULL)
        return false;
    grid->n = per_plane * planes;
    grid->n_excluded *= planes;
    lay_plane(grid, mask, columns, rows, grid->tiles);
    for (int64_t i = per_plane; i < grid->n; i++) {
        grid->tiles[i] = grid->tiles[i % per_plane];
        grid->tiles[i].plane = i / per_plane;
    }
    return true;
}

static bool lay_whole_planes(mt_grid *grid, const mt_case *c, GError **error)
{
    grid->edge_x = (double)mt_case_level(c, 0)->width;
    grid->edge_y = (double)mt_case_level(c, 0)->height;
    grid->n = mt_case_planes(c);
    grid->tiles = mt_alloc(grid->n, sizeof(mt_tile), error);
    if (grid->tiles == NULL)
        return false;
    for (int64_t i = 0; i < grid->n; i++)
        grid->tiles[i].plane = i;
    return true;
}

static bool lay(mt_grid *grid, const mt_case *c, const mt_mask *mask, GError **error)
{
    const mt_grid_params *p = &grid->params;
    const mt_level       *level0 = mt_case_level(c, 0);
    double                a_x, a_y;

    if (p->whole_plane)
        return lay_whole_planes(grid, c, error);
    if (p->compat != MT_COMPAT_NONE)
        return mt_grid_lay_tool(grid, c, mask, error);
    if (!mt_grid_check_params(c, p, error) || !find_ratio(c, p, &a_x, &a_y, error))
        return false;
    grid->level = choose_level(c, a_x, a_y);
    grid->edge_x = p->tile_px * a_x;
    grid->edge_y = p->tile_px * a_y;
    double step_x = p->tile_px * (1 - p->overlap) * a_x, step_y = p->tile_px * (1 - p->overlap) * a_y;
    if (!(step_x >= 1 && step_y >= 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                    "lay a grid over %s: tiles of %d px at %g µm/px with overlap %g advance by less than one pixel of level 0: take larger "
                    "tiles or less overlap",
                    mt_case_path(c), p->tile_px, p->mpp, p->overlap);
        return false;
    }
    axis columns = axis_new(p, a_x, level0->width), rows = axis_new(p, a_y, level0->height);
    return lay_tiles(grid, c, mask, &columns, &rows, error);
}

mt_grid *mt_grid_new(const mt_case *c, const mt_mask *mask, const mt_grid_params *params, GError **error)
{
    g_autoptr(mt_grid) grid = g_new0(mt_grid, 1);

    grid->params = *params;
    return lay(grid, c, mask, error) ? g_steal_pointer(&grid) : NULL;
}

void mt_grid_free(mt_grid *grid)
{
    if (grid == NULL)
        return;
    mt_free(grid->tiles);
    g_free(grid);
}

int64_t mt_grid_count(const mt_grid *grid)
{
    return grid->n;
}

int64_t mt_grid_n_excluded(const mt_grid *grid)
{
    return grid->n_excluded;
}

mt_tile mt_grid_tile(const mt_grid *grid, int64_t i)
{
    return grid->tiles[i];
}

const mt_grid_params *mt_grid_get_params(const mt_grid *grid)
{
    return &grid->params;
}

int mt_grid_level(const mt_grid *grid)
{
    return grid->level;
}

void mt_grid_tile_level0(const mt_grid *grid, double *width, double *height)
{
    *width = grid->edge_x;
    *height = grid->edge_y;
}

const mt_grid_tool *mt_grid_get_tool(const mt_grid *grid)
{
    return grid->params.compat != MT_COMPAT_NONE && !grid->params.whole_plane ? &grid->tool : NULL;
}
