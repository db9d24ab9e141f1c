/* The objects and attributes of a result file: every name in one place, and the writers of what belongs together.
 * An attribute whose value is unknown is absent: a reader that does arithmetic meets a missing key, never a made-up number. */
#ifndef MT_SCHEMA_H
#define MT_SCHEMA_H

#include "src/store/store.h"

#include <microtome/mask.h>

#define MT_OBJECT_COORDS "/coords"                     /* int64 (N,2) x, y or (N,3) x, y, plane: level-0 px, top left */
#define MT_OBJECT_FEATURES "/features"                 /* float32 or float16 (N,D) */
#define MT_OBJECT_VALID "/valid"                       /* uint8 (N): 0, the tile could not be decoded */
#define MT_OBJECT_INVALID_TILE "/invalid/tile"         /* int64 (K): which they are; absent when every tile was read */
#define MT_OBJECT_INVALID_REASON "/invalid/reason"     /* string (K): why each could not be decoded */
#define MT_OBJECT_ATTENTION "/attention"               /* float32 (N,K): softmax over tiles, 0 for an invalid one */
#define MT_HEAD_LABEL "head_"                          /* + 0 ..: the columns of the attention are heads of a transformer, no classes */
#define MT_OBJECT_ATTENTION_LOGITS "/attention_logits" /* float32 (N,K): -inf for an invalid tile, whose softmax is 0 */
#define MT_OBJECT_SCORES "/prediction/scores"          /* float32 (C) */
#define MT_OBJECT_LOGITS "/prediction/logits"          /* float32 (C) */
#define MT_OBJECT_MEMBERS "/prediction/members"        /* float32 (M,C): scores of the heads of an ensemble; attribute disagreement */
#define MT_OBJECT_REASONS "/triage/reasons"  /* string (R): what was found, where, how sure, what limits it; attributes: docs/triage.md */
#define MT_OBJECT_TILE_SCORES "/tile_scores" /* float32 (N,C) */
#define MT_OBJECT_EMBEDDING "/embedding"     /* float32 (E): the pooled vector */
#define MT_OBJECT_TISSUE "/tissue"           /* group; with excluded artefacts: their areas and tiles as attributes */
#define MT_OBJECT_TISSUE_POINTS "/tissue/points"   /* int32 (M,2) level-0 px */
#define MT_OBJECT_TISSUE_OFFSETS "/tissue/offsets" /* int64 (R+1): ring i is points offsets[i] to offsets[i+1] */
#define MT_OBJECT_TISSUE_KINDS "/tissue/kinds"     /* uint8 (R): 0 outer ring, 1 hole of the outer ring before it */
#define MT_OBJECT_GEOMETRY "/geometry"
#define MT_OBJECT_AFFINE "/geometry/affine" /* float64 (4,4): voxel (x, y, plane) to RAS mm */
#define MT_OBJECT_SIZE "/geometry/size"     /* int64 (3): width, height, planes */
#define MT_OBJECT_BOUNDS "/geometry/bounds" /* int64 (4): x, y, width, height of what was scanned */
#define MT_OBJECT_AXIS "/geometry/axis"     /* "axial", "coronal", "sagittal" */
#define MT_OBJECT_FRAME "/geometry/frame_of_reference"
#define MT_OBJECT_SERIES "/input/series"       /* string (S): a line a series of the study, tabs between its columns (attribute columns) */
#define MT_OBJECT_STAIN_METHOD "/stain/method" /* "macenko", "reinhard"; no /stain: colours as they are */
#define MT_OBJECT_STAIN_TARGET "/stain/target" /* "default" or a file name; its numbers are in the recipe */
#define MT_OBJECT_STAIN_MATRIX "/stain/matrix" /* float64 (3,2): optical density R, G, B of hematoxylin, eosin */
#define MT_OBJECT_STAIN_MAX_CONCENTRATION "/stain/max_concentration" /* float64 (2) */
#define MT_OBJECT_STAIN_LAB_MEAN "/stain/lab_mean"                   /* float64 (3) */
#define MT_OBJECT_STAIN_LAB_STD "/stain/lab_std"                     /* float64 (3) */
#define MT_OBJECT_THUMBNAIL "/thumbnail"                             /* uint8 (h,w,3): the whole plane, no label, no macro image */
#define MT_OBJECT_OBJECTS "/objects"               /* group: a dataset per column, a row per thing found (docs/objects.md) */
#define MT_OBJECT_MEASUREMENTS "/measurements"     /* compound (name, value, unit, low, high, rule) */
#define MT_OBJECT_ACTIONS "/actions"               /* string (A): "NAME: what to do" */
#define MT_OBJECT_SEGMENTATION "/map/segmentation" /* uint8 (planes, height, width); attribute labels: "1=nodule" */
#define MT_OBJECT_ERROR_MAP "/map/error"           /* float32, likewise: of a reconstruction; attribute mean: of the network's voxels */
#define MT_OBJECT_PROBABILITY "/map/probability"   /* float32, likewise: of the positive label */
#define MT_OBJECT_EXPLANATION "/map/explanation"   /* float32, likewise: what speaks for a class (docs/explanations.md) */
#define MT_OBJECT_WITHOUT "/explanation"           /* group: scores of the case without some of it, a dataset a column */
#define MT_OBJECT_STAGE2 "/stages/2"               /* string: "run", or why a classifier's second stage was not */
#define MT_OBJECT_CASES "/cases"                   /* of a patient: string (S), the ids of the cases */
#define MT_OBJECT_CASE_OFFSETS "/case_offsets"     /* int64 (S+1): tiles of case i are offsets[i] to offsets[i+1] */
#define MT_OBJECT_CASE_SCORES "/case_scores"       /* float32 (S,C): NaN for a case that has none */
#define MT_OBJECT_PROVENANCE "/provenance"         /* JSON */

#define MT_ATTR_PATCH_SIZE "patch_size"                     /* int: px of a tile as it is read (at the target magnification) */
#define MT_ATTR_PATCH_LEVEL "patch_level"                   /* int: level that tiles are read from */
#define MT_ATTR_PATCH_SIZE_LEVEL0 "patch_size_level0"       /* int: its edge along x in level-0 px, rounded, for other tools */
#define MT_ATTR_TILE_LEVEL0 "tile_level0"                   /* float64[2]: the true edges in level-0 px */
#define MT_ATTR_PATCH_DEPTH "patch_depth"                   /* int: planes in a tile */
#define MT_ATTR_OVERLAP "overlap"                           /* int: px at the target magnification */
#define MT_ATTR_TARGET_MAGNIFICATION "target_magnification" /* float64; absent when unknown */
#define MT_ATTR_LEVEL0_MAGNIFICATION "level0_magnification" /* int; absent when unknown */
#define MT_ATTR_LEVEL0_WIDTH "level0_width"
#define MT_ATTR_LEVEL0_HEIGHT "level0_height"
#define MT_ATTR_PLANE "plane" /* int: of /thumbnail; absent in older files: the middle one */
#define MT_ATTR_NAME "name"   /* the case id */
#define MT_ATTR_MPP_X "mpp_x" /* float64 µm/px of level 0; absent when unknown */
#define MT_ATTR_MPP_Y "mpp_y"
#define MT_ATTR_TARGET_MPP "target_mpp" /* float64: wanted µm/px, 0: level 0 as it is */
#define MT_ATTR_MPP_SOURCE "mpp_source"
#define MT_ATTR_COMPAT "compat"         /* "trident", "clam": whose tiles these are; absent: our own */
#define MT_ATTR_DOWNSAMPLE "downsample" /* with clam: float64[2] of patch_level, and its size twice, as CLAM writes them */
#define MT_ATTR_LEVEL_DIM "level_dim"
#define MT_ATTR_DOWNSAMPLED_LEVEL_DIM "downsampled_level_dim"
#define MT_ATTR_ENCODER "encoder"
#define MT_ATTR_ENCODER_SHA256 "encoder_sha256"
#define MT_ATTR_PRECISION "precision"
#define MT_ATTR_LABELS "labels"
#define MT_ATTR_POSITIVE "positive"       /* label whose score is the score; absent when there is none */
#define MT_ATTR_THRESHOLD "threshold"     /* float64; absent when there is none */
#define MT_ATTR_CALIBRATION "calibration" /* "temperature=1.3", "none" */

/* What stands beside the coordinates.  mpp 0: unknown. */
typedef struct mt_coords_info {
    const char *name;
    int64_t     patch_size, patch_level, patch_depth;
    double      tile_level0[2];
    double      overlap; /* share of an edge */
    int64_t     level0_width, level0_height;
    double      mpp_x, mpp_y, target_mpp;
    const char *mpp_source;
    double      objective_power; /* 0: unknown */
    /* what another tool makes of it; NULL and 0: our own tiles */
    const char    *compat;
    int64_t        patch_size_level0;
    double         level0_magnification, target_magnification;
    const double  *downsample; /* 2 */
    const int64_t *level_size; /* 2 */
} mt_coords_info;

/* The tool's; else objective power where known, else the power that TRIDENT gives to that µm/px (0.25 -> 40, 0.5 -> 20); 0: unknown. */
int64_t mt_schema_level0_magnification(const mt_coords_info *info);
/* The tool's; else 10 / target_mpp, whole where it is within 2 % of a whole number, else two decimals; 0: unknown. */
double mt_schema_target_magnification(const mt_coords_info *info);

bool mt_schema_write_coords(mt_store *store, const mt_coords_info *info, const mt_tensor *coords, GError **error);

/* Make /features, to be filled with mt_store_append.  `rows` to expect; -1: unknown.  Strings NULL: not known, no attribute. */
bool mt_schema_grow_features(mt_store *store, mt_dtype dtype, int64_t dim, int64_t rows, const char *encoder, const char *encoder_sha256,
                             const char *precision, GError **error);
bool mt_schema_write_valid(mt_store *store, const uint8_t *valid, int64_t n, GError **error);
/* A table whose rows are those of the valid tiles of n; the others get `fill`.  `valid` NULL: all are.  labels NULL: no
 * attribute. */
bool mt_schema_write_tile_table(mt_store *store, const char *object, const float *rows, int64_t width, const uint8_t *valid, int64_t n,
                                float fill, const char *const *labels, GError **error);
bool mt_schema_write_floats(mt_store *store, const char *object, const float *values, int64_t n, GError **error);

/* Outlines, each outer ring followed by its holes. */
bool mt_schema_write_rings(mt_store *store, const mt_ring *rings, int64_t n, GError **error);

typedef struct mt_geometry {
    const double  *affine;             /* 16, row-major; NULL: no patient frame */
    int64_t        size[3];            /* width, height, planes */
    const char    *axis;               /* NULL: not a volume */
    const char    *frame_of_reference; /* NULL: none */
    const int64_t *bounds;             /* 4; NULL: no slide */
} mt_geometry;

bool mt_schema_write_geometry(mt_store *store, const mt_geometry *geometry, GError **error);
/* The colours that a case was fitted with. */
typedef struct mt_stain_record {
    const char   *method, *target;
    const double *matrix, *max_concentration; /* 6, 2; matrix NULL: the method is of L*a*b* */
    const double *lab_mean, *lab_std;         /* 3, 3 */
} mt_stain_record;

bool mt_schema_write_stain(mt_store *store, const mt_stain_record *stain, GError **error);
/* u8 (h,w,3), of this plane */
bool mt_schema_write_thumbnail(mt_store *store, const mt_tensor *rgb, int64_t plane, GError **error);

#endif
