/* Pillow's Image.resize((w, h), filter, box), bit-exact.
 *
 * Contract, as Pillow 9.4 does it: the box is rounded to float32; the filter widens by the scale when reducing; 8-bit weights are
 * fixed-point of 22 bits, rounded half away from zero; the horizontal pass comes first and is rounded and clipped to 8 bits; the
 * vertical pass second; a pass that changes nothing is skipped.  Bilinear, bicubic (a = -0.5), Lanczos (3 lobes); nearest samples at
 * centres whose positions are accumulated in float64.  A whole-pixel box of the wanted size is a crop.  Channels are independent.
 * Float images (Pillow's mode F): float64 weights and sums in order of the taps, rounded to float32 between the passes. */
#ifndef MT_RESAMPLE_H
#define MT_RESAMPLE_H

#include <microtome/error.h>
#include <microtome/tile_reader.h>

/* Weights of one geometry, and scratch memory: many images of that geometry, one thread at a time. */
typedef struct mt_resample mt_resample;

/* Resize the rectangle box = {x0, y0, x1, y1} (NULL: all) of a src_w x src_h image to dst_w x dst_h.
 * MT_ERROR_RANGE for an empty image or a box that is empty or leaves the image; MT_ERROR_MEMORY. */
mt_resample *mt_resample_new(int64_t src_w, int64_t src_h, const double box[4], int64_t dst_w, int64_t dst_h, mt_filter filter,
                             GError **error);
void         mt_resample_free(mt_resample *r);

/* True when the output is the input, untouched. */
bool mt_resample_is_copy(const mt_resample *r);

/* src: src_h x src_w x channels, dst: dst_h x dst_w x channels, contiguous, not overlapping; 1 to 4 channels. */
bool mt_resample_u8(mt_resample *r, const uint8_t *src, int channels, uint8_t *dst, GError **error);
/* One channel.  NaN and infinity spread as in the sums. */
bool mt_resample_f32(mt_resample *r, const float *src, float *dst, GError **error);

/* The definition of right: plain loops over the same weights.  mt_resample_u8 equals it bit for bit. */
bool mt_resample_u8_reference(mt_resample *r, const uint8_t *src, int channels, uint8_t *dst, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_resample, mt_resample_free)

#endif
