/* Boxes of a volume: cut to what is not zero, put back, padded to a patch; as nnU-Net does. */
#ifndef MT_VOLUME_CROP_H
#define MT_VOLUME_CROP_H

#include "src/case/volume.h"

typedef struct mt_volume_box {
    int64_t start[3], size[3]; /* x, y, z */
} mt_volume_box;

/* 1 where any channel is not zero, and in holes that no path along the axes joins with the border (scipy's binary_fill_holes; in a single
 * plane every voxel is on the border, so nothing is filled).  mt_free; NULL and MT_ERROR_MEMORY. */
uint8_t *mt_volume_nonzero_mask(const mt_volume *v, GError **error);
/* The smallest box around what is not zero in a mask; all of it when it is empty. */
mt_volume_box mt_volume_mask_box(const uint8_t *mask, const int64_t size[3]);

/* The box alone, with its place in the patient.  MT_ERROR_RANGE when it is empty or sticks out. */
mt_volume *mt_volume_crop(const mt_volume *v, const mt_volume_box *box, GError **error);
/* Zeros around, to at least `least` voxels an axis, the odd one behind (pad_nd_image); `before`: how many stand before the first. */
mt_volume *mt_volume_pad(const mt_volume *v, const int64_t least[3], int64_t before[3], GError **error);

/* A mask's box alone, to `out`. */
void mt_volume_cut_labels(const uint8_t *labels, const int64_t size[3], const mt_volume_box *box, uint8_t *out);
/* The way back: labels of a box into a map of `size`, 0 outside. */
void mt_volume_paste_labels(const uint8_t *labels, const mt_volume_box *box, const int64_t size[3], uint8_t *out);
void mt_volume_paste_values(const float *values, const mt_volume_box *box, const int64_t size[3], float outside, float *out);

#endif
