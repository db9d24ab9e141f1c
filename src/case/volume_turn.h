/* The ways in which a volume's axes can stand, and turning from one to another: axes swapped and flipped, nothing interpolated. */
#ifndef MT_VOLUME_TURN_H
#define MT_VOLUME_TURN_H

#include "src/case/volume.h"

typedef enum mt_volume_order {
    MT_VOLUME_RAS,    /* x to the patient's right, y to the front, z to the head: nibabel's as_closest_canonical */
    MT_VOLUME_STORED, /* as the file stores them, x fastest: what nibabel and SimpleITK give, hence nnU-Net */
    MT_VOLUME_PLANES, /* as mt_case_read gives its planes */
} mt_volume_order;

/* Axis d of the turned volume is axis[d] of the given one, backwards where flip[d]. */
typedef struct mt_volume_turn {
    int  axis[3];
    bool flip[3];
} mt_volume_turn;

/* Pictures and slides have one order only: as stored. */
mt_volume_turn mt_volume_turn_between(const mt_case *c, mt_volume_order from, mt_volume_order to);
void           mt_volume_turn_size(const mt_volume_turn *turn, const int64_t size[3], int64_t turned[3]);
/* Where voxel (0, 0, 0) of the given volume goes, and the step for each of its axes, in voxels of the turned one. */
void mt_volume_turn_strides(const mt_volume_turn *turn, const int64_t size[3], int64_t *origin, int64_t step[3]);
void mt_volume_turn_affine(const mt_volume_turn *turn, const int64_t size[3], const double affine[16], double turned[16]);

/* All channels, with affine and spacing.  MT_ERROR_MEMORY. */
mt_volume *mt_volume_turn_whole(const mt_volume *v, const mt_volume_turn *turn, GError **error);

/* Size of the case in an order. */
void mt_volume_order_size(const mt_case *c, mt_volume_order order, int64_t size[3]);
/* A label map of the case from one order to another; `out` has as many voxels and is another memory. */
void mt_volume_turn_labels(const mt_case *c, mt_volume_order from, mt_volume_order to, const uint8_t *labels, uint8_t *out);
/* The same with floats: maps of probability, errors. */
void mt_volume_turn_values(const mt_case *c, mt_volume_order from, mt_volume_order to, const float *values, float *out);

#endif
