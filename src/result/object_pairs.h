/* Which objects of two studies are the same. */
#ifndef MT_OBJECT_PAIRS_H
#define MT_OBJECT_PAIRS_H

#include <microtome/error.h>

/* pair[i]: which of the m points `b` belongs to point i of the n points `a`, -1: none; each at most once, and both of a pair have the same
 * class and are nearer than `most`.  Of all such sets of pairs the one of least sum of distances, where each pair that is not made costs
 * `most` (the GOSPA metric's rule).  Points are x, y, z.  MT_ERROR_LIMIT where more than 1000 of one class hang together. */
bool mt_object_pairs(const double *a, const int *class_a, int n, const double *b, const int *class_b, int m, double most, int *pair,
                     GError **error);

#endif
