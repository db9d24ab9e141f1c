/* A volume turned so that its axes follow the patient.
 *
 * Planes are given in canonical RAS order: R, A and S are the directions to the patient's right, front (anterior) and head
 * (superior), and indices grow towards them:
 *     axial     x -> R, y -> A, plane -> S
 *     coronal   x -> R, y -> S, plane -> A
 *     sagittal  x -> A, y -> S, plane -> R
 * Each stored axis goes to the direction nearest to it; nothing is interpolated, so an oblique volume stays oblique, and its
 * affine says so.  Drawn with y downwards such a plane is upside down: turning it is for whoever draws.  Without a patient
 * frame the stored axes stand for R, A, S. */
#ifndef MT_ORIENTATION_H
#define MT_ORIENTATION_H

#include <microtome/case.h>

typedef struct mt_orientation {
    int     axis[3]; /* stored axis of x, y, plane */
    bool    flip[3]; /* index 0 is the stored axis's last */
    int64_t size[3];
    double  affine[16]; /* (x, y, plane) to RAS */

    mt_plane_axis planes;
} mt_orientation;

/* Direction (0 R, 1 A, 2 S) along which x, y and plane run. */
void mt_orientation_directions(mt_plane_axis planes, int direction[3]);
/* `affine` of the stored voxels, NULL without a frame.  False when it is singular. */
bool mt_orientation_choose(const double *affine, const int64_t stored_size[3], mt_plane_axis planes, mt_orientation *out);
/* Index of stored voxel (0, 0, 0) in the turned volume and the step for each stored axis, in voxels. */
void mt_orientation_strides(const mt_orientation *o, int64_t *origin, int64_t step[3]);

#endif
