/* How long an object is in one plane, and across that. */
#ifndef MT_OBJECT_SIZE_H
#define MT_OBJECT_SIZE_H

#include "src/result/volume_components.h"

/* `runs`: the object's, in the order of the voxels.  The plane is the one with the largest diameter (the first of equals), as a radiologist
 * picks it (RECIST 1.1: longest diameter, and the longest perpendicular to it in the same plane).  spacing_mm: x, y. */
void mt_object_diameters(const mt_voxel_run *runs, int64_t n, const double spacing_mm[2], double *longest_mm, double *perpendicular_mm);

#endif
