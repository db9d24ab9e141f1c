/* The colours of a slide, from a bounded sample of the pixels that an encoder will see. */
#ifndef MT_STAIN_SAMPLE_H
#define MT_STAIN_SAMPLE_H

#include "tiling/stain.h"

#define MT_STAIN_SAMPLE_TILES 128
#define MT_STAIN_SAMPLE_PX (INT64_C(1) << 20)

/* MT_ERROR_INPUT for a case that is not 8-bit RGB, which stain normalisation is for. */
bool mt_stain_check_case(const mt_case *c, GError **error);
/* Fit `c` on up to 2^20 pixels under `mask`, of up to 128 tiles spread evenly over `grid`, read as the encoder reads them (level, µm/px,
 * filter).  Tiles that cannot be decoded are passed over.  The same pixels whatever the number of threads; uses the calling thread's
 * OpenMP team.  MT_ERROR_INPUT, with what to do, when the slide's stains cannot be found. */
bool mt_stain_sample(mt_case *c, const mt_grid *grid, const mt_mask *mask, mt_filter filter, mt_stain_method method, mt_stain_fit *fit,
                     GError **error);

/* Of k = 0 .. n-1, the one of `count` >= n things to take: one somewhere in each of n equal stretches, so that no regular pattern of the
 * picture meets a regular step.  The same in every run; with n = count all are taken. */
int64_t mt_stain_sample_index(int64_t k, int64_t n, int64_t count);

#endif
