/* How a picture of one modality was taken, beyond what holds for all (image_quality.h): docs/quality.md has the definitions. */
#ifndef MT_MODALITY_QUALITY_H
#define MT_MODALITY_QUALITY_H

#include "src/result/image_quality.h"

#include <microtome/head.h>

/* rgb and mask as for mt_image_quality_measure, `quality` filled by it; modality: DICOM's code ("MR", "OP", "CR", ...).  Adds exposure,
 * clipping and blur to what is no slide, ghosting to MR, illumination and completeness of the field to fundus photographs. */
void mt_modality_quality_measure(const mt_tensor *rgb, const uint8_t *mask, int64_t mask_width, int64_t mask_height, const char *modality,
                                 mt_image_quality *quality);

/* Each measure that the case has and the card limits: appended are sentences about those beyond their limit. */
void mt_modality_quality_limit(const mt_head_card *card, const mt_image_quality *quality, GPtrArray *limits);

#endif
