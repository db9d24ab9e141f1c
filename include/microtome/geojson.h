/* <microtome/geojson.h>  Outlines as GeoJSON that QuPath reads. */
#ifndef MICROTOME_GEOJSON_H
#define MICROTOME_GEOJSON_H

#include <microtome/mask.h>

G_BEGIN_DECLS

/* A FeatureCollection with one Polygon, holes included, per outer ring of `mask`: level-0 pixels, RFC 7946's winding (outer rings
 * positive, holes negative, first point repeated), annotations of class "Tissue".  Published whole; MT_ERROR_USAGE when `path`
 * exists and not `replace`. */
MT_PUBLIC bool mt_geojson_write_mask(const mt_mask *mask, const char *path, bool replace, GError **error);

G_END_DECLS

#endif
