/* How well two masks agree: Dice, IoU, and the distance of their borders. */
#ifndef MT_OVERLAP_H
#define MT_OVERLAP_H

#include "src/evaluate/estimate.h"

/* Two masks of one grid, row by row, plane by plane; 0 is outside, all else inside.  Two dimensions: depth 1. */
typedef struct mt_mask_pair {
    const uint8_t *a, *b;
    int64_t        width, height, depth; /* each >= 1; the product at most 2^40 */
    double         spacing_mm[3];        /* along width, height, depth; > 0; the distances alone need it */
} mt_mask_pair;

typedef struct mt_overlap {
    int64_t     a, b, both; /* pixels */
    mt_estimate dice;       /* 2 both / (a + b); not defined when both masks are empty */
    mt_estimate iou;        /* both / (a or b); the same */
} mt_overlap;

/* MT_ERROR_RANGE: a size that is none. */
bool mt_overlap_measure(const mt_mask_pair *masks, mt_overlap *overlap, GError **error);

typedef struct mt_surface_distances {
    mt_estimate hausdorff_mm;    /* the largest distance from a border pixel of one mask to the border of the other */
    mt_estimate hausdorff_95_mm; /* the larger of the two directions' 95th percentiles (linear between neighbours) */
    mt_estimate mean_mm;         /* mean over the border pixels of both: average symmetric surface distance */
} mt_surface_distances;

/* Border pixels are those inside with a neighbour outside along an axis (a pixel of the edge has one).  Depth 1 has no neighbours along depth.
 * Distances are between centres of pixels, exact.  Not defined when a mask is empty.  MT_ERROR_RANGE: size, spacing; MT_ERROR_MEMORY. */
bool mt_surface_distance(const mt_mask_pair *masks, mt_surface_distances *distances, GError **error);

#endif
