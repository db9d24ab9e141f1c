/* One pass of a resampling: along one axis of a field of floats, x fastest. */
#ifndef MT_VOLUME_RESAMPLE_AXIS_H
#define MT_VOLUME_RESAMPLE_AXIS_H

#include <microtome/error.h>

/* Sample o of the new axis lies at (o + 0.5) * n_in / n_out - 0.5 of the old one, beyond whose ends the last value goes on:
 * scipy.ndimage.zoom(mode="nearest", grid_mode=True).  Order 0 takes the nearest, 1 is linear, 3 the interpolating cubic B-spline. */
typedef struct mt_axis_samples {
    int      order;
    int64_t  n_in, n_out; /* of the whole axis */
    int64_t  start, end;  /* outputs that are computed */
    int64_t *first;       /* of each of them: leftmost input; order 3: counted from 2 before the axis */
    int64_t *second;      /* order 1 */
    double  *weight;      /* order 1: of the second; order 3: four each */
} mt_axis_samples;

/* MT_ERROR_MEMORY. */
bool mt_axis_samples_init(mt_axis_samples *s, int order, int64_t n_in, int64_t n_out, int64_t start, int64_t end, GError **error);
void mt_axis_samples_clear(mt_axis_samples *s);
/* Inputs that the outputs of order 0 or 1 touch. */
void mt_axis_samples_needs(const mt_axis_samples *s, int64_t *from, int64_t *to);
/* Inputs are counted from `from` on: what is before is not in memory.  Order 0 or 1. */
void mt_axis_samples_shift(mt_axis_samples *s, int64_t from);

/* `size`: of `in`.  `out` has end - start in place of size[axis].  Sums in double.  MT_ERROR_MEMORY. */
bool mt_axis_resample(const mt_axis_samples *s, const float *in, const int64_t size[3], int axis, float *out, int threads, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_axis_samples, mt_axis_samples_clear)

#endif
