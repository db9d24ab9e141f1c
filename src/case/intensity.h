/* Intensities of a whole case: what value = percentile and value = zscore of a card need. */
#ifndef MT_CASE_INTENSITY_H
#define MT_CASE_INTENSITY_H

#include <microtome/case.h>
#include <microtome/encoder.h>

/* Over every sample of level 0 of all planes, exactly: 0.5 and 99.5 percentile as numpy.percentile(..., method="linear") gives
 * them for float64, mean and population standard deviation in float64, summed in one order.  Reads the case in bands: memory
 * does not grow with it.  MT_ERROR_INPUT when a sample is not finite. */
bool mt_case_intensity(mt_case *c, mt_intensity *out, GError **error);

#endif
