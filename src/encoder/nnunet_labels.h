/* The dataset.json of an nnU-Net model: channels and labels. */
#ifndef MT_NNUNET_LABELS_H
#define MT_NNUNET_LABELS_H

#include "src/encoder/dense_card.h"

#include <jansson.h>

/* A JSON object; json_decref.  MT_ERROR_MISSING, MT_ERROR_MODEL naming file and line. */
json_t *mt_nnunet_json(const char *path, GError **error);
/* channel_names, labels, regions_class_order, the ignore label, licence into the card. */
bool mt_nnunet_read_dataset(const json_t *dataset, const char *path, mt_dense_card *card, GError **error);

#endif
