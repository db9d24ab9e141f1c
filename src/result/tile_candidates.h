/* Lesion candidates of a tile classifier: tiles above a threshold that touch are one candidate, as Camelyon's probability maps are read. */
#ifndef MT_TILE_CANDIDATES_H
#define MT_TILE_CANDIDATES_H

#include <microtome/api.h>

typedef struct mt_tile_scene {
    int64_t        n; /* tiles */
    const int64_t *coords;
    int            coords_width; /* 2: x, y; 3: x, y, plane */
    double         tile[2];      /* edges of a tile in level-0 px */
    double         tile_mm2;     /* what one stands for, overlap apart; 0: not known */
    const uint8_t *valid;        /* NULL: all are */
    const float   *scores;       /* n x n_labels */
    int            n_labels;
} mt_tile_scene;

typedef struct mt_tile_candidate {
    int     label;
    double  score;     /* of its highest tile */
    int64_t peak;      /* that tile; of equal ones the first */
    double  centre[3]; /* its middle, level-0 px, and plane */
    int64_t box[6];    /* x0, y0, plane0 and behind the last x1, y1, plane1 */
    int64_t tiles;
    double  area_mm2; /* 0: not known */
} mt_tile_candidate;

/* Of label `label`, with tiles of at least `threshold`; corners touch as well, and tiles of neighbouring planes that overlap.  Array of
 * mt_tile_candidate by falling score, equal ones by their peak; free with g_array_unref. */
GArray *mt_tile_candidates(const mt_tile_scene *scene, int label, double threshold);

#endif
