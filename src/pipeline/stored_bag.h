/* A bag over the feature rows that a store just received: the valid tiles, read back in blocks. */
#ifndef MT_STORED_BAG_H
#define MT_STORED_BAG_H

#include "mil/valid_rows.h"
#include "src/store/store.h"

#include <microtome/bag.h>
#include <microtome/grid.h>

typedef struct mt_stored_bag {
    mt_store      *store;
    const mt_grid *grid; /* whose tiles they are */
    mt_valid_rows  rows;
    int64_t        dim;
    int            coords_width;
} mt_stored_bag;

/* `stored`, `valid` (of every tile of the grid) and the grid must outlive the bag.  volume: places have a plane. */
mt_bag mt_stored_bag_new(mt_stored_bag *stored, mt_store *store, const mt_grid *grid, const uint8_t *valid, int64_t dim, bool volume);

#endif
