/* How long an object is in one plane, and across that. */
#ifndef MT_OBJECT_SIZE_H
#define MT_OBJECT_SIZE_H

#include "src/result/volume_components.h"

/* Voxel axes of the planes that are measured in, and how far a step along each leads in the plane, in mm: (step, 0) along `column`,
 * (shear, height) along `row`, which is not square to it where the grid is sheared. */
typedef struct mt_measuring_plane {
    int    column, row, normal;
    double step, shear, height;
} mt_measuring_plane;

/* RECIST 1.1 measures in axial planes, and in the acquired ones where other planes are coarser.  So: the stored planes (across z); but those
 * across the voxel axis that runs nearest to the head where the volume has an affine (16, to RAS; else NULL) and is nearly isotropic, its
 * largest spacing at most 1.5 of its smallest.  Spacings are above 0; of a picture size_z is 1, and its third spacing is not read. */
mt_measuring_plane mt_measuring_plane_of(const double spacing_mm[3], const double *affine, int64_t size_z);

/* `runs`: the object's; box: x0, y0, z0 and behind the last x1, y1, z1.  The plane is the one with the largest diameter (the first of
 * equals), as a radiologist picks it: the longest diameter, and the extent across it in the same plane.  NAN without memory for it. */
void mt_object_diameters(const mt_voxel_run *runs, int64_t n, const int64_t box[6], const mt_measuring_plane *plane, double *longest_mm,
                         double *perpendicular_mm);

#endif
