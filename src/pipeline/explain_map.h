/* What speaks for a class, tile by tile, in the frame of the case. */
#ifndef MT_EXPLAIN_MAP_H
#define MT_EXPLAIN_MAP_H

#include "src/encoder/explainer.h"
#include "src/result/box_nms.h"
#include "src/store/store.h"

#include <microtome/case.h>

typedef struct mt_explain_map {
    int64_t size[3]; /* width, height, planes */
    double  px[2];   /* level-0 px of a map px */
    float  *values;
} mt_explain_map;

/* Zeros.  As fine as shows what networks see: 512 px on the long side of a picture, 4,096 of a slide, 16 million values at most. */
bool mt_explain_map_init(mt_explain_map *map, const mt_case *c, GError **error);
void mt_explain_map_clear(mt_explain_map *map);
/* Put one tile's map over the network's square of `size_px`, which lies in the case as `frame` says, times `factor`; where tiles overlap the
 * larger. */
void mt_explain_map_put(mt_explain_map *map, const float *values, const mt_explain_grid *grid, const mt_box_frame *frame, double size_px,
                        double factor);
/* All values over `most`; nothing where it is 0. */
void mt_explain_map_scale(mt_explain_map *map, double most);
bool mt_explain_map_store(mt_explain_map *map, mt_store *store, GError **error);

#endif
