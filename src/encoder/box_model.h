/* A detector whose graph gives boxes, scores and, it may be, classes as outputs of their own, for a patch of a picture or volume.  The [encoder]
 * group of its card is a dense network's without labels.  One thread at a time. */
#ifndef MT_BOX_MODEL_H
#define MT_BOX_MODEL_H

#include "src/encoder/dense_card.h"

typedef struct mt_box_model mt_box_model;

/* MODEL.onnx and MODEL.card; `names`: the outputs that are boxes, scores and classes (NULL: there are none).  One input of C x H x W,
 * 1 x C x H x W or 1 x C x D x H x W.  A graph whose number of boxes follows from the pixels (NonMaxSuppression, NonZero) is made anew for
 * every patch, on plain loops.  MT_ERROR_MODEL where input or outputs do not fit. */
mt_box_model        *mt_box_model_load(const char *path, const char *const names[3], int threads, GError **error);
void                 mt_box_model_free(mt_box_model *model);
const mt_dense_card *mt_box_model_card(const mt_box_model *model);
const char          *mt_box_model_sha256(const mt_box_model *model);
/* patch: channels x D x H x W, scaled.  outputs: boxes, scores, classes (NULL), the caller's to unref. */
bool mt_box_model_run(mt_box_model *model, const float *patch, mt_tensor *outputs[3], GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_box_model, mt_box_model_free)

#endif
