/* Where the tiles of one plane lie, so that any window of them can be drawn; the tissue around them. */
#ifndef MT_HEAT_FIELD_H
#define MT_HEAT_FIELD_H

#include "src/result/heat_plane.h"

#include <microtome/heatmap.h>

typedef struct mt_heat_field {
    /* tiles of heatmap->plane, in cells of a tile's size; cell c holds tiles[first[c]] to tiles[first[c + 1]], ascending */
    int64_t        cells_x, cells_y;
    double         cell[2];
    int64_t       *first, *tiles;
    mt_tensor     *points, *offsets; /* outlines of the tissue; NULL: none are stored */
    mt_heat_plane *map;              /* in place of tiles: a stored map */
} mt_heat_field;

/* Of heatmap->coords and tile_values, once the plane is chosen; `map` (may be NULL) is owned by the field. */
mt_heat_field *mt_heat_field_new(const mt_heatmap *heatmap, const mt_result *result, mt_heat_plane *map, GError **error);
void           mt_heat_field_free(mt_heat_field *field);
/* mt_heatmap_render without smoothing. */
bool mt_heat_field_render(const mt_heatmap *heatmap, const mt_heat_view *view, float *values, uint8_t *states, GError **error);

#endif
