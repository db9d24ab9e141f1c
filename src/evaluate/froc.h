/* Free-response ROC: how many lesions are found at how many false positives an image. */
#ifndef MT_FROC_H
#define MT_FROC_H

#include "src/evaluate/curve.h"
#include "src/evaluate/detection.h"

#define MT_FROC_RATES 7 /* 1/8, 1/4, 1/2, 1, 2, 4, 8 false positives an image */

extern const double mt_froc_rates[MT_FROC_RATES];

typedef struct mt_froc {
    mt_estimate sensitivity[MT_FROC_RATES]; /* at each rate; not defined without lesions */
    mt_estimate mean;                       /* of all seven: LUNA16's score */
    mt_estimate camelyon16;                 /* of the last six, 1/4 to 8 */
} mt_froc;

/* x = false positives an image, y = share of lesions found, first (0, 0); n = 0 without lesions.  A lesion is found at the highest score that hits
 * it, further hits are neither found nor false.  `lesions_of` [images]: lesions of each image.  MT_ERROR_INPUT: an image or lesion that does
 * not exist, a score that is not finite; MT_ERROR_RANGE: images < 1. */
bool mt_froc_curve(const mt_detection *detections, int64_t n, const int64_t *lesions_of, int64_t images, mt_curve *curve, GError **error);
/* Read off the curve, linear between its points and level after its last (the rule of the Camelyon16 evaluation). */
mt_froc mt_froc_scores(const mt_curve *curve);
/* The same at any rate. */
mt_estimate mt_froc_sensitivity(const mt_curve *curve, double rate);

#endif
