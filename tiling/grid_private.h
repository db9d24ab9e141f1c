/* The grid's variants: our own in grid.c, those of other tools in grid_tool.c, grid_trident.c and grid_clam.c. */
#ifndef MT_GRID_PRIVATE_H
#define MT_GRID_PRIVATE_H

#include <microtome/grid.h>

struct mt_grid {
    mt_grid_params params;
    int64_t        n, room;
    mt_tile       *tiles;
    int            level;
    double         edge_x, edge_y; /* of a tile, in level-0 pixels */
    mt_grid_tool   tool;           /* with params.compat */
    int64_t        n_excluded;     /* tiles that artefacts cost */
};

bool mt_grid_check_params(const mt_case *c, const mt_grid_params *p, GError **error);
/* The case's µm/px, or MT_ERROR_SPACING. */
bool mt_grid_need_mpp(const mt_case *c, const mt_grid_params *p, double *mpp_x, double *mpp_y, GError **error);
bool mt_grid_add_tile(mt_grid *grid, int64_t x, int64_t y, GError **error);

bool mt_grid_lay_tool(mt_grid *grid, const mt_case *c, const mt_mask *mask, GError **error);

/* The rules of one tool: overlap_px is set already. */
bool mt_trident_find(const mt_case *c, const mt_grid_params *p, mt_grid_tool *tool, GError **error);
bool mt_trident_lay(mt_grid *grid, const mt_case *c, const mt_mask *mask, GError **error);
bool mt_clam_grid_find(const mt_case *c, const mt_grid_params *p, mt_grid_tool *tool, GError **error);
bool mt_clam_grid_lay(mt_grid *grid, const mt_mask *mask, GError **error);

#endif
