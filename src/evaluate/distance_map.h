/* The exact distance of every pixel of a grid to the nearest marked one (Felzenszwalb and Huttenlocher 2012). */
#ifndef MT_DISTANCE_MAP_H
#define MT_DISTANCE_MAP_H

#include <microtome/error.h>

/* `squared` [depth][height][width] comes with 0 where a pixel is marked and +infinity elsewhere, and leaves with squared distances, in the unit
 * of `spacing` (along width, height, depth).  At least one pixel must be marked.  MT_ERROR_MEMORY. */
bool mt_distance_map(double *squared, int64_t width, int64_t height, int64_t depth, const double spacing[3], GError **error);

#endif
