/* Several sequences of one exam (T1, T1c, T2, FLAIR) as channels of one volume. */
#ifndef MT_VOLUME_ALIGN_H
#define MT_VOLUME_ALIGN_H

#include "src/case/volume.h"

typedef struct mt_sequence {
    const char      *role; /* "t1", "flair": what the model calls it */
    const char      *path;
    const mt_volume *volume;             /* NULL: the case has none */
    const char      *frame_of_reference; /* of mt_case_frame_of_reference; NULL: not said */
} mt_sequence;

typedef enum mt_registering {
    MT_REGISTER_NONE,   /* other grids are refused */
    MT_REGISTER_HEADER, /* resampled through the affines where the headers name one frame of reference */
    MT_REGISTER_STATED, /* the same where they name none: whoever runs it says that they share it; two names are refused all the same */
} mt_registering;

/* The grid is that of the first sequence; channels in the order given, as many of each as it has.  On one grid: equal sizes, affines as
 * mt_affine_equal.  MT_ERROR_INPUT with both files and the largest distance between their corners in mm. */
mt_volume *mt_volume_align(const mt_sequence *sequences, int n, mt_registering how, int threads, GError **error);

/* `v` on the grid of `like`, trilinear through the affines; `outside` where `v` has nothing within half a voxel.  MT_ERROR_INPUT
 * when an affine is singular or unknown, or when they have no voxel in common. */
mt_volume *mt_volume_resample_like(const mt_volume *v, const mt_volume *like, float outside, int threads, GError **error);

#endif
