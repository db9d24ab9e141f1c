/* <microtome/geojson.h>  Outlines as GeoJSON that QuPath reads. */
#ifndef MICROTOME_GEOJSON_H
#define MICROTOME_GEOJSON_H

#include <microtome/mask.h>

G_BEGIN_DECLS

/* A FeatureCollection with one Polygon, holes included, per outer ring of `mask`: level-0 pixels counted from the corner of the
 * slide's bounds, as QuPath shows the slide; RFC 7946's winding (outer rings positive, holes negative, first point repeated),
 * annotations of the class they were drawn with, else "Tissue"; then the artefacts that were looked for, of classes "Pen", "Fold", "Blur"
 * and "Bubble".  "file:" reads the tissue back.  Published whole; MT_ERROR_USAGE when `path` exists and not `replace`. */
MT_PUBLIC bool mt_geojson_write_mask(const mt_mask *mask, const char *path, bool replace, GError **error);

G_END_DECLS

#endif
