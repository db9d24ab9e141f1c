/* Pixels of a model's output counted into the coarser pixels of a mask. */
#ifndef MT_SEGMENTER_VOTES_H
#define MT_SEGMENTER_VOTES_H

#include "tiling/mask_private.h"

/* One axis: `model` pixels of the plane (a fraction), `mask` pixels of the raster; pixel X belongs to the mask pixel that holds its
 * centre. */
typedef struct mt_vote_axis {
    double   model;
    int64_t  mask;
    int32_t *counts; /* model pixels in each mask pixel */
} mt_vote_axis;

typedef struct mt_votes {
    mt_vote_axis x, y;
    uint16_t    *votes; /* foreground pixels of the model in each mask pixel */
} mt_votes;

/* ratio_x, ratio_y: level-0 pixels per model pixel. */
bool mt_votes_init(mt_votes *votes, const mt_case *c, double ratio_x, double ratio_y, GError **error);
void mt_votes_clear(mt_votes *votes);
/* The mask pixel of model pixel i, -1 outside the plane. */
int64_t mt_vote_axis_at(const mt_vote_axis *axis, int64_t i);
/* Model pixel (i, j) is foreground; from many threads. */
void mt_votes_add(mt_votes *votes, int64_t mask_x, int64_t mask_y);
/* 255 where more than half of a pixel's share voted, else 0; to `pixels` of x.mask x y.mask. */
void mt_votes_decide(const mt_votes *votes, uint8_t *pixels);

#endif
