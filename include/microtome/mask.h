/* <microtome/mask.h>  Foreground of one plane at low resolution, and its outlines.
 * Immutable once created: share between threads freely. */
#ifndef MICROTOME_MASK_H
#define MICROTOME_MASK_H

#include <microtome/case.h>

G_BEGIN_DECLS

typedef struct mt_mask mt_mask;

/* One ring of an outline, level-0 pixels. An outer ring is followed by its holes.  Rings run along the edges of mask pixels, so they
 * cover the foreground exactly; those of "clam:" run through the centres of its border pixels, as CLAM's do; those of a drawn mask are
 * the drawn ones, where the regions lie within the plane, do not overlap and nothing was cut out of them. */
typedef struct mt_ring {
    bool           hole;
    int64_t        n;
    const int32_t *points; /* n pairs x, y; closed: the first point is not repeated */
} mt_ring;

/* Find the foreground of `c`.  method:
 *   "otsu"         tissue: saturation, 7x7 median, Otsu, at the level nearest downsample 16 (default for slides)
 *   "clam:PRESET"  CLAM's segmentation with preset default, heatmap, biopsy, resection or tcga
 *   "field"        field of view of a fundus photograph
 *   "body"         body on CT, MRI, X-ray: Otsu of the intensity
 *   "none"         the whole plane (default for images and volumes)
 *   "file:PATH"    a mask made elsewhere: a picture of the whole plane (PNG, TIFF, JPEG; above 127 is foreground) or regions drawn in
 *                  QuPath (.geojson, .json); of a folder the file with the case's stem
 *   "model:FILE"   a segmentation network, FILE.onnx with FILE.card beside it (<microtome/masker.h>)
 * NULL chooses the default of the case's kind.  A volume has one mask for all planes.  MT_ERROR_USAGE for an unknown
 * method, MT_ERROR_INPUT when pixels cannot be read. */
MT_PUBLIC mt_mask *mt_mask_new(mt_case *c, const char *method, GError **error);
MT_PUBLIC void     mt_mask_free(mt_mask *mask);

/* What spoils a slide and can be taken out of its foreground (mt_masker_exclude); found on 8-bit RGB only.  The methods are in
 * docs/artefacts.md. */
typedef enum mt_artefact {
    MT_ARTEFACT_PEN,     /* marker ink: blue, green, red, black */
    MT_ARTEFACT_FOLDS,   /* tissue lying double */
    MT_ARTEFACT_BLUR,    /* out of focus, against the rest of the slide */
    MT_ARTEFACT_BUBBLES, /* air under the cover glass */
    MT_ARTEFACT_KINDS,
} mt_artefact;

/* "pen", "folds", "blur", "bubbles". */
MT_PUBLIC const char *mt_artefact_name(mt_artefact kind);
/* The bits of a list such as "pen;folds" or "pen,folds"; NULL and "" are none.  False for a name that is not known. */
MT_PUBLIC bool mt_artefacts_parse(const char *text, unsigned *set);
/* The list of a set, "pen;folds"; free with g_free. */
MT_PUBLIC char *mt_artefacts_text(unsigned set);
/* The kinds that were looked for. */
MT_PUBLIC unsigned mt_mask_excluded(const mt_mask *mask);
/* Where a kind was found, also beside the tissue: a raster of the mask's size, 0 or 255; NULL when it was not looked for. */
MT_PUBLIC const uint8_t *mt_mask_artefact_pixels(const mt_mask *mask, mt_artefact kind);
/* Its area in mm2; -1 when it was not looked for or the spacing is unknown. */
MT_PUBLIC double mt_mask_artefact_area_mm2(const mt_mask *mask, mt_artefact kind);
/* Its outlines, as those of the foreground. */
MT_PUBLIC int     mt_mask_artefact_n_rings(const mt_mask *mask, mt_artefact kind);
MT_PUBLIC mt_ring mt_mask_artefact_ring(const mt_mask *mask, mt_artefact kind, int i);
/* mt_mask_share of the foreground before anything was excluded. */
MT_PUBLIC double mt_mask_share_before(const mt_mask *mask, double x, double y, double width, double height);

/* True for a method that mt_mask_new knows. */
MT_PUBLIC bool mt_mask_method_known(const char *method);
/* The method in full ("otsu", "clam:tcga", "none"); of a file or model its name without folder ("file:a.geojson"). */
MT_PUBLIC const char *mt_mask_method(const mt_mask *mask);
/* SHA-256 of the file or the model it came from, 64 hex digits; NULL for the other methods. */
MT_PUBLIC const char *mt_mask_sha256(const mt_mask *mask);
/* What a file held that is not in the mask, or what a model found beside the foreground; NULL: nothing to say. */
MT_PUBLIC const char *mt_mask_note(const mt_mask *mask);
/* The corner of the slide's bounds in level-0 pixels: where QuPath counts from; 0, 0 where the file has none. */
MT_PUBLIC void mt_mask_corner(const mt_mask *mask, int64_t corner[2]);
/* Size of the raster, and its pixels (0 or 255, row-major); level-0 px per mask px is width0 / width per axis. */
MT_PUBLIC void           mt_mask_size(const mt_mask *mask, int64_t *width, int64_t *height);
MT_PUBLIC const uint8_t *mt_mask_pixels(const mt_mask *mask);
/* Share of foreground in [0, 1] of the whole level-0 rectangle, what lies outside the plane being background; exact over mask
 * pixels weighted by overlap. */
MT_PUBLIC double mt_mask_share(const mt_mask *mask, double x, double y, double width, double height);
/* Foreground in mm2; -1 when the spacing is unknown. */
MT_PUBLIC double  mt_mask_area_mm2(const mt_mask *mask);
MT_PUBLIC int     mt_mask_n_rings(const mt_mask *mask);
MT_PUBLIC mt_ring mt_mask_ring(const mt_mask *mask, int i);
/* The class that ring i was drawn with; NULL for none, and where rings are not the drawn ones. */
MT_PUBLIC const char *mt_mask_ring_class(const mt_mask *mask, int i);

/* Give the raster's memory back, which grows with the plane: method, area, notes and rings stay; pixels are NULL then, shares 0,
 * areas of artefacts -1.  For one thread, when the tiles are laid. */
MT_PUBLIC void mt_mask_drop_raster(mt_mask *mask);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_mask, mt_mask_free)

G_END_DECLS

#endif
