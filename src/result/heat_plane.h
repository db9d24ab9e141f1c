/* One plane of a stored map (/map/segmentation, /map/probability, /map/error), drawn at any size by area. */
#ifndef MT_HEAT_PLANE_H
#define MT_HEAT_PLANE_H

#include <microtome/heatmap.h>

typedef struct mt_heat_plane mt_heat_plane;

/* `members` (256 flags) for a map of labels: drawn is the share of these; NULL for a map of numbers.  `result` is borrowed.  MT_ERROR_INPUT
 * where the object is no map of planes. */
mt_heat_plane *mt_heat_plane_new(const mt_result *result, const char *object, int64_t plane, const uint8_t *members, const double size0[2],
                                 GError **error);
void           mt_heat_plane_free(mt_heat_plane *plane);
/* Width and height of the stored plane. */
void mt_heat_plane_size(const mt_heat_plane *plane, int64_t size[2]);
/* The largest and the mean of the stored numbers; NaN is MT_ERROR_INPUT. */
bool mt_heat_plane_statistics(mt_heat_plane *plane, double *largest, double *mean, GError **error);
/* Windows are read one at a time, whoever asks (HDF5). */
bool mt_heat_plane_render(mt_heat_plane *plane, const mt_heat_view *view, const double range[2], float *values, uint8_t *states,
                          GError **error);

/* Planes, height and width of a map; false when the result has none. */
bool mt_heat_plane_shape(const mt_result *result, const char *object, int64_t shape[3]);

#endif
