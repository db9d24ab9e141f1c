/* The values of a case as a dense network's card wants them. */
#ifndef MT_DENSE_SCALING_H
#define MT_DENSE_SCALING_H

#include "src/case/volume.h"
#include "src/encoder/dense_card.h"

/* Before anything is read: channels and kind of values.  MT_ERROR_INPUT. */
bool mt_dense_scaling_check(const mt_case *c, const mt_dense_card *card, GError **error);
/* In place, channel by channel. */
bool mt_dense_scaling_apply(const mt_case *c, const mt_dense_card *card, mt_volume *volume, int threads, GError **error);

#endif
