/* The methods behind mt_mask_new. */
#ifndef MT_MASK_PRIVATE_H
#define MT_MASK_PRIVATE_H

#include <microtome/mask.h>

#include "tiling/overview.h"
#include "tiling/rings.h"

/* What a method finds. */
typedef struct mt_foreground {
    int64_t   width, height;
    uint8_t  *pixels; /* 0 or 255, mt_free */
    mt_rings *rings;  /* level-0 pixels, grouped; NULL: the outline of the pixels */
    /* of a mask that comes from outside; all may be NULL */
    char      *method;  /* what to call it instead of the method asked for: no folder's name goes into a result */
    char      *sha256;  /* of the file or the model */
    char      *note;    /* what was left out */
    GPtrArray *classes; /* the name of each ring's class, or NULL */
} mt_foreground;

/* The mask of what was found, which is taken over, also on failure. */
mt_mask *mt_mask_take(const mt_case *c, const char *method, mt_foreground *found, GError **error);

/* Find artefacts and take them out of the foreground of a mask that nobody else has seen yet; after an error it can only be freed. */
bool mt_mask_exclude(mt_mask *mask, mt_case *c, unsigned artefacts, GError **error);

bool mt_tissue_find(mt_case *c, mt_foreground *found, GError **error);
/* The raster of a mask of `c`: a slide near 1/16 of level 0, an image at up to 1,024 pixels per side. */
mt_overview mt_tissue_overview(const mt_case *c);
/* preset: default, heatmap, biopsy, resection, tcga; NULL and MT_ERROR_USAGE for another. */
bool mt_clam_find(mt_case *c, const char *preset, mt_foreground *found, GError **error);
bool mt_clam_has_preset(const char *preset);
bool mt_field_find(mt_case *c, mt_foreground *found, GError **error);
bool mt_body_find(mt_case *c, mt_foreground *found, GError **error);

/* The threshold of tissue.c on a histogram of median saturations: foreground is above it; 255: nothing is. */
int mt_tissue_threshold(const int64_t histogram[256]);

#endif
