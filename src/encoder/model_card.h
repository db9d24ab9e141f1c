/* Where a model says what pixels it wants. */
#ifndef MT_MODEL_CARD_H
#define MT_MODEL_CARD_H

#include "src/encoder/card.h"

/* MODEL.card beside the model; else config.json, then preprocessor_config.json, in its folder; else the file's metadata_props: one
 * property "microtome.card" that holds a card's text, or one property for each key of a card.  The first that exists decides, and
 * its errors are final.  MT_ERROR_MODEL when there is none.  The card is not complete yet. */
mt_card *mt_model_card_find(const char *model_path, const mt_model *model, GError **error);
/* MODEL.card beside MODEL.onnx, whether it exists or not; free with g_free. */
char *mt_model_card_path(const char *model_path);
/* The file name without folder and ".onnx". */
char *mt_model_card_name(const char *model_path);

#endif
