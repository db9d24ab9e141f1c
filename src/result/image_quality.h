/* What a thumbnail shows of how a picture was taken: exposure, clipping, contrast, sharpness, field of view; for any modality that has one.
 * Of the foreground alone, in 8-bit grey. */
#ifndef MT_IMAGE_QUALITY_H
#define MT_IMAGE_QUALITY_H

#include "src/store/store.h"

typedef struct mt_image_quality {
    bool   known;
    double field_share; /* foreground of all pixels */
    double mean;        /* grey, 0..255 */
    double black_share; /* of the foreground: all channels <= 2 */
    double white_share; /* all channels >= 253 */
    double contrast;    /* grey values between the 1st and the 99th percentile */
    double sharpness;   /* mean absolute Laplacian over the standard deviation of grey */
    /* docs/quality.md, by modality_quality.h */
    bool   by_modality, has_ghosting, has_field;
    double exposure, clipping, blur;     /* by_modality: it is no slide */
    double ghosting;                     /* has_ghosting: MR with air on all sides */
    double illumination, field_complete; /* has_field: a fundus photograph */
} mt_image_quality;

/* rgb: u8 (h, w, 3).  mask: width x height of it, 0 is background; NULL: all is foreground.  Without foreground nothing is known. */
void mt_image_quality_measure(const mt_tensor *rgb, const uint8_t *mask, int64_t mask_width, int64_t mask_height,
                              mt_image_quality *quality);

/* As attributes of /thumbnail, and back; nothing where nothing is known. */
bool mt_image_quality_store(const mt_image_quality *quality, mt_store *store, GError **error);
void mt_image_quality_recall(const mt_result *result, mt_image_quality *quality);
/* What one tile stands for, neighbours' overlap not counted twice; 0: the spacing is unknown. */
double mt_tile_area_mm2(const double tile_level0[2], const double mpp[2], double overlap);

#endif
