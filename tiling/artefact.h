/* What spoils a slide: pen marks, folds, out-of-focus areas, air bubbles.  One file finds one kind; this one holds their table,
 * reads the picture that they share, and takes what they find out of the foreground. */
#ifndef MT_ARTEFACT_H
#define MT_ARTEFACT_H

#include "tiling/mask_private.h"

/* The picture in which pen, folds and bubbles are sought: near 8 µm per pixel, 1/16 of level 0 where the spacing is unknown, and
 * never under 512 (where level 0 has them) nor over 4,096 pixels on the longer side. */
typedef struct mt_scene {
    mt_case *c;
    int64_t  width, height;
    uint8_t *rgb;        /* smoothed by a box of about 40 µm, at least 5 px */
    uint8_t *tissue;     /* the foreground, 0 or 255 */
    double   um;         /* per pixel; 0: unknown */
    float    od[3][256]; /* optical density (log10) of a channel's value against the slide's own glass; 0 where brighter */
    bool     has_glass;  /* false: a dark ground, as in fluorescence; none of the kinds is defined there */
} mt_scene;

/* Pixels of an area in mm2, at least `least`; an unknown spacing takes `share` of the picture. */
int64_t mt_scene_pixels(const mt_scene *scene, double mm2, double share, int64_t least);
/* A length in pixels; unknown: 8 µm a pixel are assumed, since only proportions of shapes depend on it. */
double mt_scene_length(const mt_scene *scene, double um);

static inline float mt_scene_density(const mt_scene *s, int64_t i, float od[3])
{
    for (int c = 0; c < 3; c++)
        od[c] = s->od[c][s->rgb[3 * i + c]];
    return od[0] + od[1] + od[2];
}

typedef struct mt_raster {
    int64_t  width, height;
    uint8_t *pixels; /* 0 or 255 */
} mt_raster;

/* Each marks what it finds in `found` (width x height zeros, 255 = found). */
bool mt_pen_find(const mt_scene *scene, uint8_t *found, GError **error);
bool mt_folds_find(const mt_scene *scene, uint8_t *found, GError **error);
bool mt_blur_find(const mt_scene *scene, uint8_t *found, GError **error);
bool mt_bubbles_find(const mt_scene *scene, uint8_t *found, GError **error);

/* Find the kinds of `set`, one raster of the foreground's size each (mt_free), and clear them in the foreground. */
bool mt_artefacts_exclude(mt_case *c, unsigned set, const mt_raster *foreground, uint8_t *rasters[MT_ARTEFACT_KINDS], GError **error);

#endif
