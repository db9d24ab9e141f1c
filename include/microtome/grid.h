/* <microtome/grid.h>  The ordered list of tiles to read from a case.
 * Coordinates are level-0 pixels of one plane.  Immutable once created: share between threads freely. */
#ifndef MICROTOME_GRID_H
#define MICROTOME_GRID_H

#include <microtome/case.h>
#include <microtome/mask.h>

G_BEGIN_DECLS

typedef struct mt_grid mt_grid;

typedef struct mt_grid_params {
    int    tile_px;     /* edge of a tile as it is read, 16..4096 */
    double mpp;         /* wanted µm per pixel; 0 keeps level 0 */
    double overlap;     /* share of an edge, [0, 1) */
    double min_share;   /* drop tiles with a smaller share of mask, [0, 1] */
    bool   whole_plane; /* one tile per plane that covers it (fit = stretch, pad, crop); the fields above are ignored */
} mt_grid_params;

typedef struct mt_tile {
    int64_t x, y, plane;
} mt_tile;

/* Lay a grid over `c`; with `mask` NULL every tile is kept.  A tile with no mask at all is dropped whatever min_share.
 * MT_ERROR_RANGE for a parameter outside its range, MT_ERROR_SPACING when mpp is wanted and the case has none (the
 * message gives mt_case_mpp_source and the option that would help). */
MT_PUBLIC mt_grid *mt_grid_new(const mt_case *c, const mt_mask *mask, const mt_grid_params *params, GError **error);
MT_PUBLIC void     mt_grid_free(mt_grid *grid);

MT_PUBLIC int64_t mt_grid_count(const mt_grid *grid);
/* Row-major order, plane after plane: also the order of reading. */
MT_PUBLIC mt_tile               mt_grid_tile(const mt_grid *grid, int64_t i);
MT_PUBLIC const mt_grid_params *mt_grid_get_params(const mt_grid *grid);
/* Level that tiles are read from, and a tile's true edge in level-0 pixels per axis (float64, not rounded). */
MT_PUBLIC int  mt_grid_level(const mt_grid *grid);
MT_PUBLIC void mt_grid_tile_level0(const mt_grid *grid, double *width, double *height);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_grid, mt_grid_free)

G_END_DECLS

#endif
