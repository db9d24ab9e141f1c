/* <microtome/grid.h>  The ordered list of tiles to read from a case.
 * Coordinates are level-0 pixels of one plane.  Immutable once created: share between threads freely. */
#ifndef MICROTOME_GRID_H
#define MICROTOME_GRID_H

#include <microtome/case.h>
#include <microtome/mask.h>

G_BEGIN_DECLS

typedef struct mt_grid mt_grid;

/* Whose tiles: our own, or those of another tool, coordinate for coordinate and pixel for pixel. */
typedef enum mt_compat { MT_COMPAT_NONE, MT_COMPAT_TRIDENT, MT_COMPAT_CLAM } mt_compat;

typedef struct mt_grid_params {
    int       tile_px;     /* edge of a tile as it is read, 16..4096 */
    double    mpp;         /* wanted µm per pixel; 0 keeps level 0 */
    double    overlap;     /* share of an edge, [0, 1); with compat whole pixels of the tile */
    double    min_share;   /* drop tiles with a smaller share of mask, [0, 1]; MT_COMPAT_CLAM ignores it */
    bool      whole_plane; /* one tile per plane that covers it (fit = stretch, pad, crop); the other fields are ignored */
    mt_compat compat;
    int       patch_level; /* MT_COMPAT_CLAM: the level to read from; negative: the one nearest to mpp, 0 where mpp is 0 */
} mt_grid_params;

/* What a tool makes of case and parameters.  Pairs are x, y. */
typedef struct mt_grid_tool {
    int     level;
    int64_t window_px;        /* edge of what is read there; resized to tile_px with Pillow's bicubic filter where it differs */
    double  level_downsample; /* as OpenSlide means it: the mean of both axes */
    int64_t edge[2], step[2]; /* in level-0 pixels, as the tool counts them */
    int64_t overlap_px;       /* of a tile */
    double  level0_magnification, target_magnification; /* TRIDENT's; 0: none */
    int64_t patch_size_level0;                          /* as the tool writes it */
    double  true_mpp[2];                                /* of a tile's pixel; 0: the case's is unknown */
} mt_grid_tool;

typedef struct mt_tile {
    int64_t x, y, plane;
} mt_tile;

/* "trident", "clam"; NULL for none.  Parse: false for another word. */
MT_PUBLIC const char *mt_compat_name(mt_compat compat);
MT_PUBLIC bool        mt_compat_parse(const char *text, mt_compat *compat);

/* What the grid of params->compat will be; no pixel is read.  MT_ERROR_RANGE, MT_ERROR_SPACING (µm/px unknown, or outside TRIDENT's
 * table), MT_ERROR_USAGE (a wanted µm/px that is no magnification, overlap that is no whole pixel, a case that is no slide). */
MT_PUBLIC bool mt_grid_tool_find(const mt_case *c, const mt_grid_params *params, mt_grid_tool *tool, GError **error);

/* Lay a grid over `c`; with `mask` NULL every tile is kept.  A tile with no mask at all is dropped whatever min_share.
 * MT_ERROR_RANGE for a parameter outside its range, MT_ERROR_SPACING when mpp is wanted and the case has none (the
 * message gives mt_case_mpp_source and the option that would help). */
MT_PUBLIC mt_grid *mt_grid_new(const mt_case *c, const mt_mask *mask, const mt_grid_params *params, GError **error);
MT_PUBLIC void     mt_grid_free(mt_grid *grid);

MT_PUBLIC int64_t mt_grid_count(const mt_grid *grid);
/* Tiles that the mask would have kept, had no artefacts been taken out of it; 0 with another tool's tiles. */
MT_PUBLIC int64_t mt_grid_n_excluded(const mt_grid *grid);
/* Row-major order, plane after plane: also the order of reading.  MT_COMPAT_CLAM: contour after contour, columns outermost. */
MT_PUBLIC mt_tile               mt_grid_tile(const mt_grid *grid, int64_t i);
MT_PUBLIC const mt_grid_params *mt_grid_get_params(const mt_grid *grid);
/* Level that tiles are read from, and a tile's true edge in level-0 pixels per axis (float64, not rounded). */
MT_PUBLIC int  mt_grid_level(const mt_grid *grid);
MT_PUBLIC void mt_grid_tile_level0(const mt_grid *grid, double *width, double *height);
/* NULL for our own grid. */
MT_PUBLIC const mt_grid_tool *mt_grid_get_tool(const mt_grid *grid);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_grid, mt_grid_free)

G_END_DECLS

#endif
