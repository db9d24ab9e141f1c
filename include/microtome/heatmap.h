/* <microtome/heatmap.h>  What the parts of one case say about one class, as a raster in the frame of the case. */
#ifndef MICROTOME_HEATMAP_H
#define MICROTOME_HEATMAP_H

#include <microtome/result.h>

G_BEGIN_DECLS

/* ABSOLUTE, comparable between cases, so that a case whose score is low stays cold.
 * PERCENTILE, (0, 1]: rank within the case (average of ties / N), as CLAM and TRIDENT draw it: the hottest tile is always 1; or among the
 *   numbers of a reference, as CLAM's use_ref_scores: (L + R + [R > L]) / 2n with L numbers below, R not above.
 * ZSCORE: (value - mean) / standard deviation of the case's tiles; drawn from -3 to 3. */
typedef enum mt_heat_scale { MT_HEAT_ABSOLUTE, MT_HEAT_PERCENTILE, MT_HEAT_ZSCORE } mt_heat_scale;

/* EVIDENCE of a class: a tile's own score times its share in the decision, tile_score[c] * min(1, N * attention); without attention the tile
 *   score alone; without tile scores score[c] * attention / max(attention); a single tile without either has the score of the case.
 *   Ranked and z-scored are the attention logits, else the attention, else the tile scores.
 * ATTENTION: absolute is attention / max(attention), ranked the logits.
 * TILE_SCORE: the probability of the class in each tile.
 * SEGMENTATION: the share of the class in /map/segmentation (absolute only, as the next).
 * PROBABILITY: /map/probability.  ERROR: /map/error, from 0 to the largest unless `range` says otherwise.
 * EXPLANATION: /map/explanation, what speaks for a class within the strongest tiles, times each tile's score of it.
 * AUTO: EXPLANATION of a case of one tile; EVIDENCE where the case has tiles that say something, else the first map that is there: PROBABILITY,
 *   SEGMENTATION, ERROR, EXPLANATION.
 * N counts the valid tiles. */
typedef enum mt_heat_source {
    MT_HEAT_AUTO,
    MT_HEAT_EVIDENCE,
    MT_HEAT_ATTENTION,
    MT_HEAT_TILE_SCORE,
    MT_HEAT_SEGMENTATION,
    MT_HEAT_PROBABILITY,
    MT_HEAT_ERROR,
    MT_HEAT_EXPLANATION
} mt_heat_source;

typedef enum mt_heat_state {
    MT_HEAT_NONE, /* no tissue, or no tile here */
    MT_HEAT_VALUE,
    MT_HEAT_UNREAD, /* the tile could not be decoded */
} mt_heat_state;

/* The numbers that PERCENTILE ranks (attention logits, else attention, else tile scores) of all valid tiles of some results together. */
typedef struct mt_heat_reference {
    float  *numbers; /* ascending; -inf is a number, NAN none */
    int64_t n;
    /* What they are of, to which a case that is ranked among them has to belong; NULL: not known. */
    char *label, *object, *head_sha256;
} mt_heat_reference;

typedef struct mt_heatmap_params {
    const char                     *label; /* class; NULL: the positive one, else that of the highest score */
    mt_heat_scale                   scale;
    int64_t                         plane; /* -1: that of the strongest tile */
    mt_heat_source                  source;
    const struct mt_heat_reference *reference; /* PERCENTILE among its numbers; NULL: within the case */
    double smooth_um; /* sigma of a Gaussian over what has values; 0: none.  Of a case without µm/px: level-0 px */
    double range[2];  /* drawn as 0 and 1; equal: the scale's own */
} mt_heatmap_params;

typedef struct mt_heatmap {
    int64_t               width, height; /* of /thumbnail; without one the plane's shape with 1024 px on its long side */
    float                *values;        /* height x width in [0, 1]; 0 where the state is not VALUE; the mean where tiles overlap */
    uint8_t              *states;        /* height x width of mt_heat_state */
    mt_heat_scale         scale;
    mt_heat_source        source;   /* never AUTO */
    char                 *label;    /* NULL: the case has no classes */
    char                **labels;   /* the classes that there are to choose from */
    char                 *meaning;  /* what a value is, in words for the legend */
    double                range[2]; /* the numbers that are drawn as 0 and 1 */
    int64_t               plane;
    bool                  is_map;       /* of pixels: there are no tiles */
    bool                  on_thumbnail; /* /thumbnail is of this plane: what lies under the heat */
    int64_t               n_tiles, n_valid;
    float                *tile_values;  /* n_tiles, [0, 1] as drawn; NAN for an unread tile */
    float                *tile_numbers; /* n_tiles, before `range`: evidence, rank, z */
    mt_tensor            *coords;       /* int64 (n_tiles, 2 or 3) */
    double                tile_level0[2], level0_size[2];
    double                mpp[2]; /* µm per level-0 px; 0: unknown */
    double                smooth_um;
    struct mt_heat_field *field; /* for mt_heatmap_render */
} mt_heatmap;

/* A window of the case drawn at any size: pixel (x, y) of it covers level-0 px from (first_x + x) / scale_x on. */
typedef struct mt_heat_view {
    double  scale_x, scale_y; /* px per level-0 px */
    int64_t first_x, first_y, width, height;
} mt_heat_view;

typedef struct mt_heat_tile {
    int64_t index, x, y, plane; /* level-0 px, top left */
    float   value;
} mt_heat_tile;

/* `params`: label and source as for the heatmap.  MT_ERROR_INPUT for results of different heads or classes, or without any tile; the errors of
 * mt_heatmap_new. */
MT_PUBLIC mt_heat_reference *mt_heat_reference_read(const char *const *paths, const mt_heatmap_params *params, GError **error);
MT_PUBLIC void               mt_heat_reference_free(mt_heat_reference *reference);

/* A case without tiles gives an empty raster.  `result` has to outlive the heatmap.  MT_ERROR_USAGE for an unknown class (the message
 * lists them) or a scale that the source does not have, for a case that has nothing to draw, for the absolute scale of one without scores;
 * MT_ERROR_INPUT for a file whose parts do not fit each other, or with values that are not numbers, or that does not belong to the reference. */
MT_PUBLIC mt_heatmap *mt_heatmap_new(const mt_result *result, const mt_heatmap_params *params, GError **error);
/* The frame alone, of the plane of the stored picture: places and sizes, no values; also of a result that has nothing to draw. */
MT_PUBLIC mt_heatmap *mt_heatmap_frame(const mt_result *result, GError **error);
MT_PUBLIC void        mt_heatmap_free(mt_heatmap *heatmap);
/* values and states of width x height px: the same numbers whatever window they are asked for in.  A pixel has the mean of the tiles on it,
 * by the share that each covers; tissue is what the outlines hold at its centre.  Any thread, several at once. */
MT_PUBLIC bool mt_heatmap_render(const mt_heatmap *heatmap, const mt_heat_view *view, float *values, uint8_t *states, GError **error);
/* The k strongest tiles, equal ones in reading order; returns how many there are (<= k). */
MT_PUBLIC int64_t mt_heatmap_top_tiles(const mt_heatmap *heatmap, int64_t k, mt_heat_tile *out);
/* The k weakest that were read, weakest first. */
MT_PUBLIC int64_t mt_heatmap_bottom_tiles(const mt_heatmap *heatmap, int64_t k, mt_heat_tile *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_heatmap, mt_heatmap_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_heat_reference, mt_heat_reference_free)

G_END_DECLS

#endif
