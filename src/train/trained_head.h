/* What was learnt, as a head that loads: HEAD.safetensors with the card in its metadata, and HEAD.card beside it. */
#ifndef MT_TRAINED_HEAD_H
#define MT_TRAINED_HEAD_H

#include "src/train/fit.h"

/* Write both, over older ones. */
bool mt_trained_head_write(const mt_fitted *fitted, const mt_fit_job *job, const char *path, GError **error);

#endif
