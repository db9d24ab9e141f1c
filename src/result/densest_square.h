/* Where most points of a plane lie together. */
#ifndef MT_DENSEST_SQUARE_H
#define MT_DENSEST_SQUARE_H

#include <glib.h>

typedef struct mt_plane_point {
    double x, y;
} mt_plane_point;

/* Most of the n points that one box of width x height can hold, its edges counted in; exact.  Sorts `points` by x.  O(n log n). */
gint64 mt_densest_square(mt_plane_point *points, gsize n, double width, double height);

#endif
