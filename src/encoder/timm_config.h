/* timm's and Hugging Face's JSON beside a model, read as a card. */
#ifndef MT_TIMM_CONFIG_H
#define MT_TIMM_CONFIG_H

#include "src/encoder/card.h"

/* timm's config.json ("pretrained_cfg" or the older flat form) and Hugging Face's image processor (preprocessor_config.json).
 * The tile is read at the size timm resizes to, floor(size / crop_pct), and cropped to the model's.  µm/px is not in these files: 0.
 * *understood says whether the file speaks of pixels at all; when it does not, NULL without an error.
 * MT_ERROR_MODEL names path and key. */
mt_card *mt_timm_config_read(const char *path, bool *understood, GError **error);

#endif
