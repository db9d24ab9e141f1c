/* The values of a heatmap for a page that colours them itself, and what stands beside them. */
#ifndef MT_HEAT_VALUES_H
#define MT_HEAT_VALUES_H

#include <microtome/colormap.h>
#include <microtome/heatmap.h>

#include <jansson.h>

typedef struct mt_heat_values {
    int64_t width, height;
    double  px_level0; /* edge of a value */
    GBytes *packed;    /* zlib's, of three planes: high bytes of the values in 16 bits, low bytes, states */
} mt_heat_values;

/* Exact where the tiles stand on a lattice that is not too fine, else 4,096 values on the long side at most. */
bool mt_heat_values_pack(const mt_heatmap *heatmap, mt_heat_values *values, GError **error);
/* The largest regions at or above `threshold` (0: 0.5): an array of {box, mean, peak, area_px, area_mm2}. */
json_t *mt_heat_regions_json(const mt_heatmap *heatmap, double threshold, GError **error);
/* Every colour map by name, and `own` (NULL: none): 256 x 3 bytes in base64. */
json_t *mt_heat_colours_json(const mt_colormap *own);

#endif
