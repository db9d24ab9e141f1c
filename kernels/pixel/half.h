/* IEEE half and bfloat16 to and from float32.  Rounding is to nearest, ties to even; overflow gives infinity; halves keep their
 * subnormals; a NaN stays a (quiet) NaN. */
#ifndef MT_HALF_H
#define MT_HALF_H

#include <microtome/api.h>

void mt_half_from_f32(const float *src, int64_t n, uint16_t *dst);
void mt_half_to_f32(const uint16_t *src, int64_t n, float *dst);
void mt_bfloat_from_f32(const float *src, int64_t n, uint16_t *dst);
void mt_bfloat_to_f32(const uint16_t *src, int64_t n, float *dst);

#endif
