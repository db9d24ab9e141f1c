/* Stain normalisation: the colours of one slide become those of a target.  Fitted once a slide (tiling/stain_sample.h), then a
 * function of each pixel's colour alone: no seams between tiles, no difference between runs. */
#ifndef MT_STAIN_H
#define MT_STAIN_H

#include "tiling/macenko.h"
#include "tiling/reinhard.h"

#include <microtome/tile_reader.h>

typedef enum mt_stain_method { MT_STAIN_MACENKO, MT_STAIN_REINHARD } mt_stain_method;

/* The colours of one slide or target. */
typedef struct mt_stain_fit {
    mt_stain_method method;
    mt_macenko      macenko;  /* of MT_STAIN_MACENKO */
    mt_reinhard     reinhard; /* of MT_STAIN_REINHARD */
} mt_stain_fit;

/* The words of mt_stain_method, ended by NULL. */
extern const char *const mt_stain_methods[];
/* True and *method for a word of mt_stain_methods. */
bool mt_stain_parse(const char *word, mt_stain_method *method);

/* The method's fit of n pixels; MT_ERROR_INPUT with the reason ("its pixels show one stain, not two") and nothing before it. */
bool mt_stain_fit_pixels(mt_stain_method method, const uint8_t *rgb, int64_t n, mt_stain_fit *fit, GError **error);

/* From one fit to another of the same method.  Immutable: share between threads freely. */
typedef struct mt_stain mt_stain;

mt_stain *mt_stain_new(const mt_stain_fit *from, const mt_stain_fit *to, GError **error);
void      mt_stain_free(mt_stain *stain);
/* The slide's own colours. */
const mt_stain_fit *mt_stain_from(const mt_stain *stain);
/* Change 8-bit RGB pixels in place; with `stain` NULL nothing happens. */
void mt_stain_apply(const mt_stain *stain, const mt_tile_pixels *pixels);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_stain, mt_stain_free)

#endif
