/* What was learnt, as a head that loads: HEAD.safetensors with the card in its metadata, and beside it HEAD.card and HEAD.trained.csv. */
#ifndef MT_TRAINED_HEAD_H
#define MT_TRAINED_HEAD_H

#include "src/train/fit.h"

/* Write all and the reference of the training bags, over older ones.  *no_reference: why there is none (g_free), else NULL. */
bool mt_trained_head_write(const mt_fitted *fitted, const mt_fit_job *job, const char *path, char **no_reference, GError **error);

#endif
