/* Colour maps by name, interpolated between a few anchor colours. */
#ifndef MT_COLORMAP_H
#define MT_COLORMAP_H

#include <microtome/error.h>

typedef struct mt_colormap mt_colormap;

#define MT_COLORMAP_DEFAULT "heat" /* on the lightened slide: pale yellow to dark red */

/* heat, inferno, viridis, turbo, coolwarm; NULL: the default.  MT_ERROR_USAGE lists the names. */
const mt_colormap *mt_colormap_find(const char *name, GError **error);
/* "heat, inferno, viridis, turbo, coolwarm", for --help. */
const char *mt_colormap_names(void);
const char *mt_colormap_name(const mt_colormap *map);
/* Colour of a value, [0, 1]; outside it and for NaN the nearest end. */
void mt_colormap_color(const mt_colormap *map, float value, uint8_t rgb[3]);

#endif
