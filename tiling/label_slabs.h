/* From slabs of a dense network's answer to a label map of the case, streamed: brought back to the case's grid, decided voxel by voxel, put
 * where they belong.  Only the map and a few slices of logits are held. */
#ifndef MT_LABEL_SLABS_H
#define MT_LABEL_SLABS_H

#include "src/encoder/dense.h"

typedef struct mt_label_slabs_params {
    const mt_dense_card *card;
    int64_t              grid[3];   /* of the slabs: what the network was slid over */
    int64_t              box[3];    /* of the part of the case that this was, in the network's axes */
    int                  order;     /* how answers are brought from grid to box: 0 or 1; their own where these are equal */
    int                  apart;     /* axis that takes the nearest instead; -1: none */
    int64_t              size[3];   /* of the case's map; axis a of the network is axis card->axes[a] of it */
    int64_t              start[3];  /* of the box in the map, in the map's axes; outside of it the map is 0 */
    int                  map_label; /* whose probability is kept as well; -1: none */
} mt_label_slabs_params;

typedef struct mt_label_slabs mt_label_slabs;

/* MT_ERROR_RANGE for a box that sticks out of the map, MT_ERROR_MEMORY. */
mt_label_slabs *mt_label_slabs_new(const mt_label_slabs_params *params, GError **error);
void            mt_label_slabs_free(mt_label_slabs *slabs);
/* An mt_sliding_sink whose `user` is the mt_label_slabs. */
bool mt_label_slabs_take(void *user, int64_t z0, int64_t count, const float *logits, GError **error);
/* The map, once all slabs were taken: size[0] * size[1] * size[2] labels, x fastest.  It goes to the caller: mt_free. */
uint8_t *mt_label_slabs_steal_labels(mt_label_slabs *slabs);
/* The probability of map_label on the same grid, 0 outside the box; of an activation `none` the output as it is.  NULL when none was asked
 * for; mt_free. */
float *mt_label_slabs_steal_map(mt_label_slabs *slabs);
/* What is held for a case: map and slices. */
int64_t mt_label_slabs_bytes(const mt_label_slabs_params *params);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_label_slabs, mt_label_slabs_free)

#endif
