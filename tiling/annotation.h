/* Regions drawn by people: GeoJSON as QuPath exports it. */
#ifndef MT_ANNOTATION_H
#define MT_ANNOTATION_H

#include "tiling/rings.h"

/* One outer ring and its holes. */
typedef struct mt_region {
    int64_t     first, n_rings; /* in mt_annotation.rings; the outer ring comes first */
    const char *class_name;     /* QuPath's classification, NULL for none */
    bool        ignored;        /* a class whose name begins with "Ignore" or "Exclu": cut out of the others */
} mt_region;

typedef struct mt_annotation {
    mt_rings     *rings; /* whole level-0 pixels, grouped */
    GArray       *regions;
    GStringChunk *names;
    char         *skipped; /* what has no area or is no annotation: "2 LineString, 14 cell"; NULL: nothing was */
} mt_annotation;

/* A FeatureCollection, a Feature, an array of features, a GeometryCollection or a bare geometry, of Polygon and MultiPolygon with holes.
 * Points and lines have no area, and cells, detections and tiles are no annotations: both are skipped.  origin: where the file's (0, 0)
 * lies in level-0 pixels (QuPath counts from the corner of the slide's bounds).  Coordinates are rounded to whole pixels; rings that
 * vanish by that are dropped.  Features are parsed one by one, so memory is bounded by the largest.
 * MT_ERROR_MISSING; MT_ERROR_INPUT with the place for what is no GeoJSON, is of another geometry, holds nothing but what is skipped,
 * goes beyond 2^30 pixels or nests or counts beyond src/base/limits.h.  No region at all is no error. */
mt_annotation *mt_annotation_read(const char *path, const int64_t origin[2], GError **error);
mt_annotation *mt_annotation_parse(const char *text, size_t bytes, const char *path, const int64_t origin[2], GError **error);
void           mt_annotation_free(mt_annotation *annotation);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_annotation, mt_annotation_free)

#endif
