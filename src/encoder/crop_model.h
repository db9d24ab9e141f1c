/* A network that says one thing of a small box of a case: what an object is.  Its card is a dense network's (size_px, channels, value,
 * spacing_mm, labels, activation); its answer is a row of numbers.  One thread at a time. */
#ifndef MT_CROP_MODEL_H
#define MT_CROP_MODEL_H

#include "src/encoder/dense_card.h"

typedef struct mt_crop_model mt_crop_model;

/* MODEL.onnx and MODEL.card.  `threads` work inside a run.  MT_ERROR_MODEL where input or output do not fit the card. */
mt_crop_model       *mt_crop_model_load(const char *path, int threads, GError **error);
void                 mt_crop_model_free(mt_crop_model *model);
const mt_dense_card *mt_crop_model_card(const mt_crop_model *model);
const char          *mt_crop_model_sha256(const mt_crop_model *model);
/* crop: channels x D x H x W, scaled.  scores: of each label, after the activation.  MT_ERROR_MODEL where they are not finite. */
bool mt_crop_model_run(mt_crop_model *model, const float *crop, float *scores, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_crop_model, mt_crop_model_free)

#endif
