/* Samples as a dense card wants them, without cutting or resampling. */
#ifndef MT_CARD_SCALE_H
#define MT_CARD_SCALE_H

#include "src/case/volume.h"
#include "src/encoder/dense_card.h"

/* Every channel by its scheme, then by mean and standard deviation, in place.  MT_ERROR_INPUT where the case cannot have such intensities. */
bool mt_card_scale(const mt_dense_card *card, const mt_case *c, int threads, mt_volume *v, GError **error);
/* MT_ERROR_MODEL where a part of a slide cannot be scaled by itself: its schemes need the whole case. */
bool mt_card_scale_check_slide(const mt_dense_card *card, const mt_case *c, const char *doing, GError **error);
/* 8-bit samples, channels together, as floats, channels apart. */
mt_volume *mt_card_volume(const uint8_t *pixels, const int64_t size[3], int channels, GError **error);

#endif
