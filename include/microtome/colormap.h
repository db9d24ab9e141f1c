/* <microtome/colormap.h>  Colour maps by name, interpolated between anchor colours: those of matplotlib within 2 of 255 (cividis 6). */
#ifndef MICROTOME_COLORMAP_H
#define MICROTOME_COLORMAP_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef struct mt_colormap mt_colormap;

#define MT_COLORMAP_DEFAULT "heat" /* on the lightened slide: pale yellow to dark red */

/* heat, inferno, viridis, magma, cividis, turbo, coolwarm; NULL: the default.  MT_ERROR_USAGE lists the names. */
MT_PUBLIC const mt_colormap *mt_colormap_find(const char *name, GError **error);
/* "heat, inferno, ...", for --help. */
MT_PUBLIC const char *mt_colormap_names(void);
/* A table of one's own: a text file with a line "R,G,B" (0..255) a colour, 2 to 256 of them, equally spaced from 0 to 1; lines that
 * begin with # are passed over.  Free with mt_colormap_free. */
MT_PUBLIC mt_colormap *mt_colormap_read(const char *path, GError **error);
MT_PUBLIC void         mt_colormap_free(mt_colormap *map);
MT_PUBLIC const char  *mt_colormap_name(const mt_colormap *map);
/* Colour of a value, [0, 1]; outside it and for NaN the nearest end. */
MT_PUBLIC void mt_colormap_color(const mt_colormap *map, float value, uint8_t rgb[3]);

G_END_DECLS

#endif
