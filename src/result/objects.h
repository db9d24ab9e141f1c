/* What was found in a case, thing by thing: lesions, organs, cells; where it lies and how large it is. */
#ifndef MT_OBJECTS_H
#define MT_OBJECTS_H

#include "src/store/store.h"

typedef enum mt_object_kind { MT_OBJECT_MASK, MT_OBJECT_BOX } mt_object_kind;

/* Frame: voxels (x, y, plane) of the case as mt_case_read gives them; a voxel's centre has whole coordinates.  NaN: unknown. */
typedef struct mt_object {
    mt_object_kind kind;
    int            label;        /* index into mt_objects.labels */
    int            stage;        /* that found it, from 1 */
    double         score;        /* mean probability of its voxels, or the detector's; NAN: none */
    int64_t        box[6];       /* x0, y0, z0 and behind the last x1, y1, z1 */
    double         centre[3];    /* mean of its voxels, or the box's middle */
    double         centre_mm[3]; /* RAS */
    int64_t        voxels;       /* 0: of a box */
    double         area_mm2;     /* one plane */
    double         volume_mm3;   /* several */
    /* In the plane where it is longest: between the outer voxels' centres, and half a voxel more; and across that. */
    double longest_mm, perpendicular_mm;
    char  *location;      /* "right, lower third"; NULL: unknown */
    char  *finding;       /* label that a later stage gave; NULL: none */
    double finding_score; /* its score */
} mt_object;

typedef struct mt_objects_frame {
    int64_t       size[3];
    double        spacing_mm[3]; /* 0: unknown */
    const double *affine;        /* 16; NULL: no patient frame */
} mt_objects_frame;

typedef struct mt_objects {
    mt_objects_frame frame;
    double           affine[16];
    char           **labels;    /* NULL-terminated */
    GPtrArray       *list;      /* mt_object *, by label, then by first voxel */
    double           map_voxel; /* voxels of the frame that one of the map is: 1, more for a slide's */
} mt_objects;

/* Of a voxel (a picture's pixel: mm2); NAN: unknown.  A sheared grid's is its affine's determinant, not the product of its spacings. */
double mt_objects_voxel_size(const mt_objects_frame *frame);

mt_objects *mt_objects_new(const mt_objects_frame *frame, char *const *labels);
void        mt_objects_free(mt_objects *objects);

/* The 26-connected (a picture's 8-connected) parts of a label map whose values are in `members`, as objects of class `label` with at least
 * min_voxels voxels.  probability: of each voxel, NULL: no score.  MT_ERROR_LIMIT for noise. */
bool mt_objects_add_labels(mt_objects *objects, int label, const uint8_t *map, const uint8_t members[32], const float *probability,
                           int64_t min_voxels, GError **error);
/* The object becomes the mask: of its 26-connected parts the one nearest the object's centre, all others are cleared.  `mask` (not 0) lies at
 * voxel `first` of the case and has `size`.  *found is false, and the object as it was, for an empty one. */
bool mt_objects_set_mask(mt_objects *objects, mt_object *object, uint8_t *mask, const int64_t first[3], const int64_t size[3], bool *found,
                         GError **error);
/* Of masks of one class that are the same thing, found from several boxes (their boxes overlap by half or more, intersection over union), the
 * one with the highest score stays, of equal ones the largest. */
void mt_objects_join_masks(mt_objects *objects);
/* From a map whose px are px[0] x px[1] of the case's, to the case's frame: boxes, centres, places in mm.  Sizes and diameters in mm stay; voxels
 * are of the map. */
void mt_objects_rescale(mt_objects *objects, const double px[2], const mt_objects_frame *frame);
/* Parts of the label whose longest diameter is known and below `mm`, or their score below `score`, become 0 in the map: what is no finding is
 * not drawn either.  probability as in mt_objects_add_labels. */
bool mt_objects_clean_map(const mt_objects *objects, uint8_t *map, const uint8_t members[32], const float *probability, double mm,
                          double score, GError **error);
/* Such objects are no findings. */
void mt_objects_drop(mt_objects *objects, double mm, double score);
/* A detector's: half-open box in voxels. */
mt_object *mt_objects_add_box(mt_objects *objects, int label, const double box[6], double score);

/* The label's largest score; 0 without objects of it, NAN where they have none. */
double mt_objects_max_score(const mt_objects *objects, int label);

/* /objects, a dataset per column; nothing without objects but the attribute `labels`. */
bool mt_objects_store(const mt_objects *objects, mt_store *store, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_objects, mt_objects_free)

#endif
