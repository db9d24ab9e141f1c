/* A model folder of nnU-Net version 2 as its training leaves it, with an ONNX file a fold beside or instead of the checkpoint:
 *   plans.json, dataset.json, fold_0/model.onnx (or fold_0/checkpoint_final.onnx, or fold_0.onnx), fold_1/..; fold_all; or one model.onnx */
#ifndef MT_NNUNET_H
#define MT_NNUNET_H

#include "src/encoder/dense.h"

/* The folder holds plans.json or plans.pkl: it is meant to be such a model. */
bool mt_nnunet_is_folder(const char *path);
/* `configuration`: 2d, 3d_fullres, 3d_lowres or another of plans.json; NULL: what the folder's name ends with (TRAINER__PLANS__CONFIGURATION),
 * else the only one there is.  MT_ERROR_MISSING, MT_ERROR_MODEL naming file and key: version 1, cascades, what is not known. */
mt_dense *mt_nnunet_load(const char *folder, const char *configuration, GError **error);
/* Its contract alone. */
mt_dense_card *mt_nnunet_card(const char *folder, const char *configuration, GError **error);
/* The folds' files, NULL-terminated. */
char **mt_nnunet_folds(const char *folder, GError **error);

#endif
