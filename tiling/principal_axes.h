/* Eigenvectors of a symmetric 3 x 3 matrix. */
#ifndef MT_PRINCIPAL_AXES_H
#define MT_PRINCIPAL_AXES_H

/* axes[0] belongs to the largest eigenvalue, axes[2] to the smallest; of length 1, at right angles, of either sign. */
void mt_principal_axes(double symmetric[3][3], double axes[3][3]);

#endif
