/* The surroundings of an object as a stage's network wants them. */
#ifndef MT_OBJECT_CROP_H
#define MT_OBJECT_CROP_H

#include "src/encoder/dense_card.h"
#include "src/pipeline/case_run.h"

typedef struct mt_object_crop {
    mt_case_run           *run;
    const mt_recipe_stage *stage;
    const mt_dense_card   *card;
    mt_volume             *whole;     /* of pictures and volumes, scaled; NULL: a slide */
    double                 step[3];   /* of the case's voxels, in the card's order, from one sample to the next */
    mt_volume_turn         turn;      /* from the case's planes to the card's order */
    int64_t                size[3];   /* of the planes */
    double                 centre[3]; /* of the last crop, in the card's order */
    float                 *samples;   /* of the last crop: channels x patch */
} mt_object_crop;

/* Reads a picture or volume whole.  MT_ERROR_SPACING where lengths are wanted and unknown, MT_ERROR_INPUT where the case's channels or
 * intensities are not the card's. */
bool mt_object_crop_begin(mt_object_crop *crop, mt_case_run *run, const mt_recipe_stage *stage, const mt_dense_card *card, GError **error);
void mt_object_crop_clear(mt_object_crop *crop);
/* Fill samples round `centre` (voxels of the planes), moved by up to half a voxel where samples then fall on voxels. */
bool mt_object_crop_take(mt_object_crop *crop, const double centre[3], GError **error);
/* From the case's planes to the card's order. */
void mt_object_crop_turn(const mt_object_crop *crop, const double from[3], double to[3]);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_object_crop, mt_object_crop_clear)

#endif
