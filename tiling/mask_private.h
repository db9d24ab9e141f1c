/* The methods behind mt_mask_new. */
#ifndef MT_MASK_PRIVATE_H
#define MT_MASK_PRIVATE_H

#include <microtome/mask.h>

#include "tiling/rings.h"

/* What a method finds. */
typedef struct mt_foreground {
    int64_t   width, height;
    uint8_t  *pixels; /* 0 or 255, mt_free */
    mt_rings *rings;  /* level-0 pixels, grouped; NULL: the outline of the pixels */
} mt_foreground;

bool mt_tissue_find(mt_case *c, mt_foreground *found, GError **error);
/* preset: default, heatmap, biopsy, resection, tcga; NULL and MT_ERROR_USAGE for another. */
bool mt_clam_find(mt_case *c, const char *preset, mt_foreground *found, GError **error);
bool mt_clam_has_preset(const char *preset);
bool mt_field_find(mt_case *c, mt_foreground *found, GError **error);
bool mt_body_find(mt_case *c, mt_foreground *found, GError **error);

/* The threshold of tissue.c on a histogram of median saturations: foreground is above it; 255: nothing is. */
int mt_tissue_threshold(const int64_t histogram[256]);

#endif
