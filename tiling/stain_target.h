/* What slides are normalised to: published numbers, or a picture of one's own. */
#ifndef MT_STAIN_TARGET_H
#define MT_STAIN_TARGET_H

#include "tiling/stain.h"

typedef struct mt_stain_target {
    mt_stain_fit fit;
    char        *name;   /* "default", or the picture's file name */
    char        *sha256; /* of the picture; NULL for the default */
} mt_stain_target;

/* path NULL: the default.  Macenko: the reference matrix and concentrations of M. Veta's implementation (AMIDA13 challenge, 2013), which
 * torchstain, HEnorm_python, slideflow (v2) and others start from.  Reinhard: slideflow's "reinhard_fast" fit v3, an average of about
 * 50,000 tiles of 450 TCGA slides.
 * A picture (8-bit RGB, up to 64 million pixels) is fitted on all its pixels, or on 2^20 of them: it should show tissue, not glass.
 * MT_ERROR_MISSING, MT_ERROR_INPUT, MT_ERROR_LIMIT. */
mt_stain_target *mt_stain_target_new(mt_stain_method method, const char *path, GError **error);
void             mt_stain_target_free(mt_stain_target *target);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_stain_target, mt_stain_target_free)

#endif
