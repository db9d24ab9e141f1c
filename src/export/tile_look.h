/* Small pictures of a tile: its own pixels, or where it lies in its case. */
#ifndef MT_TILE_LOOK_H
#define MT_TILE_LOOK_H

#include "src/export/canvas.h"

#include <microtome/case.h>
#include <microtome/result.h>

typedef struct mt_tile_place {
    int64_t x, y, plane;   /* level-0 px, top left */
    int64_t width, height; /* level-0 px; 0: unknown */
} mt_tile_place;

/* Whether the tile has pixels to show as they are: 8 bits, three channels, a size that fits into memory. */
bool mt_tile_look_can(mt_case *slide, const mt_tile_place *place);
/* At most `side` px, from the coarsest level on which it still fills them. */
mt_canvas *mt_tile_look(mt_case *slide, const mt_tile_place *place, int side, GError **error);
/* The stored thumbnail with the tile (NULL: none) marked on it, where it is of the tile's plane; hatched where the result has none. */
mt_canvas *mt_tile_look_in_case(const mt_result *result, const mt_tile_place *place, int side, GError **error);

#endif
