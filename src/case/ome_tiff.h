/* What the OME-XML in a TIFF's description says of its first image. */
#ifndef MT_OME_TIFF_H
#define MT_OME_TIFF_H

#include "src/case/spacing.h"

typedef struct mt_ome_image {
    int64_t    planes;            /* z positions x time points */
    int64_t    channels, samples; /* of the image; of its first channel: 3 when the channel is colour */
    mt_spacing spacing;
    double     objective_power; /* 0: not said */
} mt_ome_image;

/* False when `description` is not OME-XML; free the spacing with mt_spacing_clear. */
bool mt_ome_image_read(const char *description, mt_ome_image *image);

#endif
