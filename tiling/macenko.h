/* Macenko's stain vectors: the colours of hematoxylin and eosin in optical density, found from the pixels themselves.
 * M. Macenko et al., A method for normalizing histology slides for quantitative analysis, ISBI 2009, with the choices of M. Veta's
 * published implementation, which its Python ports (HEnorm_python, torchstain) share: optical density -ln((I + 1) / 240); pixels
 * with a channel below 0.15 are no stain; the 1st and 99th percentile of the angle in the plane of the two largest principal
 * components; concentrations by least squares; their 99th percentile over all pixels. */
#ifndef MT_MACENKO_H
#define MT_MACENKO_H

#include <microtome/error.h>

#define MT_MACENKO_LIGHT 240.0 /* transmitted light: what glass lets through, in levels */

typedef struct mt_macenko {
    double matrix[3][2];         /* rows R, G, B; columns hematoxylin, eosin, each of length 1 */
    double max_concentration[2]; /* 99th percentile of hematoxylin, eosin */
} mt_macenko;

/* -ln((level + 1) / 240) of the 256 levels. */
void mt_macenko_densities(double density[256]);
/* rgb: n pixels.  MT_ERROR_INPUT for pixels that show no two stains: too few with colour, of one colour only, or stains that
 * would be light.  The sign of the principal components does not matter. */
bool mt_macenko_fit(const uint8_t *rgb, int64_t n, mt_macenko *fit, GError **error);
/* The densities that `to` gives what has the densities d in `from` are od * d. */
void mt_macenko_transform(const mt_macenko *from, const mt_macenko *to, double od[3][3]);

#endif
