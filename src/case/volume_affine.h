/* Voxels and millimetres: 4 x 4 matrices, row-major, last row 0 0 0 1. */
#ifndef MT_VOLUME_AFFINE_H
#define MT_VOLUME_AFFINE_H

#include "src/case/volume.h"

/* Voxel to mm, or mm to voxel by the inverse; `in` and `out` may be one. */
void mt_affine_apply(const double a[16], const double in[3], double out[3]);
/* out = a b: first b, then a.  `out` is another memory. */
void mt_affine_multiply(const double a[16], const double b[16], double out[16]);
/* False when it is singular, or so to rounding, or not finite. */
bool mt_affine_inverse(const double a[16], double out[16]);
/* Lengths of the columns: mm between voxels. */
void mt_affine_spacing(const double a[16], double spacing_mm[3]);
/* The largest distance in mm between corners that correspond: of two grids, each with its affine. */
double mt_affine_distance(const double a[16], const int64_t size_a[3], const double b[16], const int64_t size_b[3]);
/* Origins and lengths within 1e-3 mm, unit directions within 1e-3. */
bool mt_affine_equal(const double a[16], const double b[16]);

#endif
