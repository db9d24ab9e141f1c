/* What the training cases look like, from their stored features. */
#ifndef MT_TRAINING_REFERENCE_H
#define MT_TRAINING_REFERENCE_H

#include "mil/feature_reference.h"

#include <microtome/head.h>

/* Of all OUT/cases/<id>.h5 (or OUT/<id>.h5) that have a tile, by ascending name; each must be of the head's encoder. */
mt_feature_reference *mt_training_reference(const char *out, const mt_head *head, GError **error);

#endif
