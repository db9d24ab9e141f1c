/* A Gaussian over what has values: tissue keeps its own mean, glass takes no part. */
#ifndef MT_HEAT_SMOOTH_H
#define MT_HEAT_SMOOTH_H

#include <microtome/heatmap.h>

#define MT_HEAT_SMOOTH_SIGMAS 3.0 /* the window around a pixel, in sigmas */

/* `values` and `states` of width x height; each VALUE pixel becomes the weighted mean of the VALUE pixels around it, none changes its state.
 * sigma in px along each axis. */
bool mt_heat_smooth(float *values, const uint8_t *states, int64_t width, int64_t height, const double sigma[2], GError **error);
/* Pixels to each side that count. */
int64_t mt_heat_smooth_reach(double sigma);

#endif
