/* <microtome/heat_picture.h>  A heatmap in colours over its slide, drawn window by window at any size: what every picture file of it is made
 * of. */
#ifndef MICROTOME_HEAT_PICTURE_H
#define MICROTOME_HEAT_PICTURE_H

#include <microtome/case.h>
#include <microtome/colormap.h>
#include <microtome/heatmap.h>

G_BEGIN_DECLS

typedef struct mt_heat_style {
    const mt_colormap *colormap;   /* NULL: the default */
    double             alpha;      /* of the heat over the slide, (0, 1]; 0: by the value, so that cold tissue is seen */
    double             threshold;  /* values below it stay clear, [0, 1) */
    bool               map_only;   /* white under the heat in place of the slide */
    bool               slide_only; /* no heat: what is under it */
} mt_heat_style;

typedef struct mt_heat_picture mt_heat_picture;

/* `slide`: the open case of the result, of 8 bits; NULL: its stored thumbnail, as coarse as it is.  Heatmap, result and slide have to outlive
 * the picture.  MT_ERROR_INPUT for another slide: of another size than the result's, or with another hash than what `run` read. */
MT_PUBLIC mt_heat_picture *mt_heat_picture_new(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide,
                                               const mt_heat_style *style, GError **error);
MT_PUBLIC void             mt_heat_picture_free(mt_heat_picture *picture);
/* height x width x 3 bytes.  Unread tiles are hatched.  Any thread, several at once. */
MT_PUBLIC bool mt_heat_picture_render(const mt_heat_picture *picture, const mt_heat_view *view, uint8_t *rgb, GError **error);
/* Lays the heat of `value` over the colour in rgb: for legends. */
MT_PUBLIC void mt_heat_picture_shade(const mt_heat_picture *picture, float value, uint8_t rgb[3]);
/* The view of the whole case at µm_per_px (at the case's own px where that is 0 or its µm/px are unknown): size of the picture. */
MT_PUBLIC bool mt_heat_picture_view(const mt_heatmap *heatmap, double um_per_px, mt_heat_view *view, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_heat_picture, mt_heat_picture_free)

G_END_DECLS

#endif
