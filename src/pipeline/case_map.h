/* What a network says of every voxel of a case. */
#ifndef MT_CASE_MAP_H
#define MT_CASE_MAP_H

#include "src/encoder/dense_card.h"
#include "src/store/store.h"

typedef struct mt_case_map {
    const mt_dense_card *card; /* of the network that drew it; owned elsewhere */
    int64_t              size[3];
    uint8_t             *labels;      /* of each voxel, in the order of the case's planes */
    float               *probability; /* of the positive label, likewise; NULL: there is none */
    bool                 slide;       /* in the network's own px, `px` of level 0 each */
    double               px[2];
} mt_case_map;

void    mt_case_map_clear(mt_case_map *map);
int64_t mt_case_map_voxels(const mt_case_map *map);
/* values: of each voxel of `size` (x, y, plane), as (plane, y, x). */
bool mt_case_map_store(mt_store *store, const char *object, mt_dtype dtype, const int64_t size[3], void *values, GError **error);

#endif
