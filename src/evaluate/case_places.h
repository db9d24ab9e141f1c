/* Findings and lesions: where they are, in the frame of their case.  Read from tables, drawings, masks and results. */
#ifndef MT_CASE_PLACES_H
#define MT_CASE_PLACES_H

#include "src/evaluate/detection.h"

#include <microtome/result.h>

typedef struct mt_place {
    double  score;  /* NAN: none */
    double  at[3];  /* its centre; the third 0 in a plane */
    double  radius; /* NAN: none */
    bool    boxed;
    mt_box  box;
    GArray *ring;    /* mt_point of its outline; NULL: none */
    bool    ignored; /* neither a lesion nor a false positive to find */
} mt_place;

typedef struct mt_point {
    double x, y;
} mt_point;

/* Those of one case. */
typedef struct mt_places {
    GPtrArray *places; /* mt_place * */
    GPtrArray *cuts;   /* GArray * of mt_point: what was drawn as not a lesion */
    uint16_t  *labels; /* of a mask: label k is place k - 1; NULL: none */
    int64_t    width, height, depth;
    double     scale;     /* pixels of the case to one of the mask */
    bool       is_lps;    /* mm of a table in ITK's frame (LUNA16's coordX, coordY): x and y count the other way than RAS */
    bool       in_pixels; /* of a result's picture: places are pixels */
    bool       is_volume; /* places are RAS mm; a mask's voxels are reached by: */
    double     to_voxel[16];
} mt_places;

mt_places *mt_places_new(void);
void       mt_places_free(void *places);
/* Empty, and added. */
mt_place *mt_places_add(mt_places *places);
/* Takes `ring`: box and centre of mass follow from it. */
void mt_place_set_ring(mt_place *place, GArray *ring);
void mt_place_set_box(mt_place *place, const mt_box *box);
bool mt_ring_holds(const GArray *ring, double x, double y);

/* How the files of a reference mask are read. */
typedef struct mt_place_mask_params {
    double scale, join_um, ignore_um; /* as mt_place_params */
    double mpp[2];
} mt_place_mask_params;

/* One table of all cases, id -> mt_places, or (id not NULL) of this one.  Columns: x, y[, z] with a radius or diameter, or x0, y0, x1, y1, or x, y, width, height;
 * score where `scored`; ignore.  A row without a place says that the case has none.  Without a header: score, x, y (Camelyon16). */
GHashTable *mt_places_read_csv(const char *path, const char *id, bool scored, GError **error);
/* Points and polygons, with score (or radius) among their properties; `scored`: each has one. */
mt_places *mt_places_read_geojson(const char *path, bool scored, GError **error);
/* ASAP's annotations, as of Camelyon16: polygons of groups _0, _1, Tumor; those of _2, Exclusion are cut out. */
mt_places *mt_places_read_xml(const char *path, GError **error);
/* A value for each lesion, or one value: then each connected region is one.  A volume's lie in mm. */
mt_places *mt_places_read_mask(const char *path, const mt_place_mask_params *params, GError **error);
/* The objects of a result, of a volume by their centre in mm; without any (a tile classifier's, a MIL head's) the tiles that are hotter than those
 * around them.  classes: NULL-terminated, NULL: all. */
mt_places *mt_places_read_result(const char *path, char *const *classes, GError **error);
/* Those alone. */
mt_places *mt_places_read_objects(const mt_result *result, char *const *classes, GError **error);
mt_places *mt_places_read_hot_tiles(const mt_result *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_places, mt_places_free)

#endif
