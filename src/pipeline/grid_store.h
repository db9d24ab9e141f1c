/* /coords of a file: the tiles of a grid and where they lie. */
#ifndef MT_GRID_STORE_H
#define MT_GRID_STORE_H

#include "src/store/store.h"

#include <microtome/grid.h>

/* `id` becomes the attribute `name`. */
bool mt_grid_store(const mt_grid *grid, const mt_case *c, const char *id, mt_store *store, GError **error);

#endif
