/* Places of tiles on a slide, in µm, for heads that know how far apart tiles are. */
#ifndef MT_TILE_DISTANCES_H
#define MT_TILE_DISTANCES_H

#include <microtome/bag.h>

/* Into x and y, n each; what mt_bag_read_um says. */
bool mt_tile_places_read(const mt_bag *bag, float *x, float *y, GError **error);
/* How far each of `rows` points from `first` on is from each of n: (rows, n) µm. */
void mt_tile_distances(const float *x, const float *y, int64_t n, int64_t first, int64_t rows, float *out);

/* A bag whose rows have one more value behind the features: how far the tile is from the slide's corner, in µm. */
typedef struct mt_cornered_bag {
    const mt_bag *bag;
    const float  *x, *y; /* of its tiles */
} mt_cornered_bag;

/* `self` and what it points to must outlive it. */
mt_bag mt_cornered_bag_new(mt_cornered_bag *self);

#endif
