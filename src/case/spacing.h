/* µm per pixel and where it came from, or the reason why it is unknown: never a guess. */
#ifndef MT_SPACING_H
#define MT_SPACING_H

#include <microtome/api.h>

typedef struct mt_spacing {
    bool   known;
    double x, y;   /* µm per pixel, 0 when unknown */
    char  *source; /* known: "openslide", "tiff-resolution" ...; else the reason in words */
} mt_spacing;

/* Unknown: "no spacing in the file". */
void mt_spacing_init(mt_spacing *spacing);
void mt_spacing_clear(mt_spacing *spacing);

/* Known when both are finite and positive, else unknown with `source` in the reason. */
void mt_spacing_set(mt_spacing *spacing, double x, double y, const char *source);
void mt_spacing_set_unknown(mt_spacing *spacing, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Numbers as text, as OpenSlide's properties hold them; false (spacing untouched) when both are NULL. */
bool mt_spacing_set_text(mt_spacing *spacing, const char *x, const char *y, const char *source);

/* Resolution tags.  Pixels per unit; `unit` "inch", "centimeter", or anything else for none.  A spacing outside
 * MT_SPACING_MIN_UM..MT_SPACING_MAX_UM is what scanners of paper and screens write (72, 96, 300, 600 dpi): unknown. */
#define MT_SPACING_MIN_UM 0.01
#define MT_SPACING_MAX_UM 20.0
void mt_spacing_set_resolution(mt_spacing *spacing, const char *file_kind, double x, double y, const char *unit, const char *source);

#endif
