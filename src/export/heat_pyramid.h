/* A heatmap as a pyramidal TIFF: OME with SubIFDs, or a plain chain of levels. */
#ifndef MT_HEAT_PYRAMID_H
#define MT_HEAT_PYRAMID_H

#include <microtome/heat_files.h>

bool mt_heat_pyramid_write(const mt_heat_picture *picture, const mt_heatmap *heatmap, const mt_heat_view *whole,
                           const mt_heat_file_params *params, const char *path, GError **error);

#endif
