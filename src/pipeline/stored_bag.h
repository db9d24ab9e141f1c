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
    mt_valid_tiles tiles;
} mt_stored_bag;

/* Of case `c`: a volume's places have a plane.  `stored`, `valid` (of every tile of the grid) and the grid must outlive the bag. */
mt_bag mt_stored_bag_new(mt_stored_bag *stored, mt_store *store, const mt_case *c, const mt_grid *grid, const uint8_t *valid, int64_t dim);

#endif
