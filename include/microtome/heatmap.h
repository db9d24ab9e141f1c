/* <microtome/heatmap.h>  A raster of what the tiles of one case say about one class, in the frame of its thumbnail. */
#ifndef MICROTOME_HEATMAP_H
#define MICROTOME_HEATMAP_H

#include <microtome/result.h>

G_BEGIN_DECLS

/* ABSOLUTE, [0, 1]: the evidence for the class, comparable between cases: a tile's own score times its share in the decision,
 *   tile_score[c] * min(1, N * attention); without attention the tile score alone; without tile scores
 *   score[c] * attention / max(attention); a single tile without either has the score of the case.  A case whose score is
 *   low stays cold.
 * PERCENTILE, (0, 1]: rank (average of ties) / N of the attention logits, as CLAM and TRIDENT draw it: within one case only;
 *   the hottest tile is always 1.  Without attention the tile scores are ranked.
 * N counts the valid tiles. */
typedef enum mt_heat_scale { MT_HEAT_ABSOLUTE, MT_HEAT_PERCENTILE } mt_heat_scale;

typedef enum mt_heat_state {
    MT_HEAT_NONE, /* no tissue, or no tile here */
    MT_HEAT_VALUE,
    MT_HEAT_UNREAD, /* the tile could not be decoded */
} mt_heat_state;

typedef struct mt_heatmap_params {
    const char   *label; /* class; NULL: the positive one, else that of the highest score */
    mt_heat_scale scale;
    int64_t       plane; /* -1: that of the strongest tile */
} mt_heatmap_params;

typedef struct mt_heatmap {
    int64_t       width, height; /* of /thumbnail; without one the plane's shape with 1024 px on its long side */
    float        *values;        /* height x width in [0, 1]; 0 where the state is not VALUE; the mean where tiles overlap */
    uint8_t      *states;        /* height x width of mt_heat_state */
    mt_heat_scale scale;
    char         *label;   /* NULL: the case has no classes */
    char         *meaning; /* what a value is, in words for the legend */
    int64_t       plane;
    int64_t       n_tiles, n_valid;
    float        *tile_values; /* n_tiles; NAN for an unread tile */
    mt_tensor    *coords;      /* int64 (n_tiles, 2 or 3) */
    double        tile_level0[2], level0_size[2];
} mt_heatmap;

typedef struct mt_heat_tile {
    int64_t index, x, y, plane; /* level-0 px, top left */
    float   value;
} mt_heat_tile;

/* A case without tiles gives an empty raster.  MT_ERROR_USAGE for an unknown class (the message lists them), for a case
 * without attention and tile scores, for the absolute scale of one without scores; MT_ERROR_INPUT for a file whose parts do
 * not fit each other, or with values that are not numbers. */
MT_PUBLIC mt_heatmap *mt_heatmap_new(const mt_result *result, const mt_heatmap_params *params, GError **error);
MT_PUBLIC void        mt_heatmap_free(mt_heatmap *heatmap);
/* The k strongest tiles, equal ones in reading order; returns how many there are (<= k). */
MT_PUBLIC int64_t mt_heatmap_top_tiles(const mt_heatmap *heatmap, int64_t k, mt_heat_tile *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_heatmap, mt_heatmap_free)

G_END_DECLS

#endif
