/* A bag over the feature rows that a store just received: the valid tiles, read back in blocks. */
#ifndef MT_STORED_BAG_H
#define MT_STORED_BAG_H

#include "src/store/store.h"

#include <microtome/bag.h>

typedef struct mt_stored_bag {
    mt_store      *store;
    const uint8_t *valid; /* of every tile */
    int64_t        n, dim;
    int64_t        row, tile; /* bag row `row` is tile `tile`: where the last read ended */
} mt_stored_bag;

/* `stored` must outlive the bag. */
mt_bag mt_stored_bag_new(mt_stored_bag *stored, mt_store *store, const uint8_t *valid, int64_t n, int64_t dim);

#endif
