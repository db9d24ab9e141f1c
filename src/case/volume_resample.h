/* Fields, volumes and label maps at another size, as nnU-Net's resample_data_or_seg_to_shape gives them: skimage.transform.resize with
 * mode="edge", anti_aliasing=False, and, where voxels are far longer along one axis, slices resized one by one and the nearest taken
 * across them.  The field's ends stay where they are: voxel o of the new size lies at (o + 0.5) * from / to - 0.5 of the old one. */
#ifndef MT_VOLUME_RESAMPLE_H
#define MT_VOLUME_RESAMPLE_H

#include "src/case/volume.h"

#define MT_REGRID_ANISOTROPY 3.0 /* above it the longest axis goes by itself */

typedef struct mt_regrid {
    int64_t from[3], to[3]; /* x, y, z */
    int     order;          /* 0 nearest, 1 linear, 3 cubic spline held to the range of what goes in (separate: of each slice) */
    int     separate;       /* the axis that is resampled by itself, after the slices across it; -1: none */
    int     separate_order; /* along it (order_z): 0 as nnU-Net has it by default, 1 or 3 */
} mt_regrid;

/* round(size * from_mm / to_mm), halves to even, as compute_new_shape does.  MT_ERROR_SPACING when a spacing is unknown (0),
 * MT_ERROR_RANGE when an axis would have no voxel or over 2^31. */
bool mt_regrid_size(const int64_t size[3], const double from_mm[3], const double to_mm[3], int64_t to[3], GError **error);
/* determine_do_sep_z_and_axis: the axis of the largest spacing, of `from_mm` else of `to_mm`, where it is over MT_REGRID_ANISOTROPY times
 * the smallest and alone; else -1. */
int mt_regrid_separate(const double from_mm[3], const double to_mm[3]);

/* `out` has to[0] * to[1] * to[2] floats.  MT_ERROR_RANGE for another order or an empty size, MT_ERROR_MEMORY. */
bool mt_regrid_field(const mt_regrid *r, const float *in, float *out, int threads, GError **error);

/* Planes [z0, z1) alone, so that a large field can be streamed by slab; orders 0 and 1 of both kinds.  They need planes [*in0, *in1) of the input. */
bool mt_regrid_rows_needed(const mt_regrid *r, int64_t z0, int64_t z1, int64_t *in0, int64_t *in1, GError **error);
/* `in` starts with plane in0 and has at least those needed; `out` gets z1 - z0 planes, bit for bit those of mt_regrid_field. */
bool mt_regrid_rows(const mt_regrid *r, const float *in, int64_t in0, int64_t z0, int64_t z1, float *out, int threads, GError **error);

/* Labels, with separate_order 0: order 0 takes the nearest; order 1 gives each class, in rising order, the voxels where its own mask has 0.5 or more
 * (resize_segmentation); 0 where none has. */
bool mt_regrid_labels(const mt_regrid *r, const uint8_t *in, uint8_t *out, int threads, GError **error);

/* All channels; spacing and affine follow.  r->from is the volume's size. */
mt_volume *mt_volume_regrid(const mt_volume *v, const mt_regrid *r, int threads, GError **error);
/* The same with separate_order 0. */
mt_volume *mt_volume_resample(const mt_volume *v, const int64_t size[3], int order, int separate, int threads, GError **error);

#endif
