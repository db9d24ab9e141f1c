/* The features of one case in an HDF5 file: a result of ours, or the file of another tool (CLAM's h5_files, TRIDENT's features_*).
 * One thread (HDF5). */
#ifndef MT_FEATURE_FILE_H
#define MT_FEATURE_FILE_H

#include "mil/valid_rows.h"

#include <microtome/bag.h>
#include <microtome/head.h>
#include <microtome/result.h>

typedef struct mt_feature_file {
    mt_result     *result;
    bool           foreign; /* no headline: another tool's */
    int64_t        n, n_valid, dim;
    uint8_t       *valid;                                /* n; all 1 where the file does not say */
    char          *encoder, *encoder_sha256, *precision; /* NULL: not said */
    double         target_mpp;                           /* 0: not said */
    int64_t       *coords;                               /* n x coords_width; NULL: not asked for yet */
    int            coords_width;                         /* 0: no /coords of two or three columns */
    double         tile_level0;                          /* edge of a tile along x in level-0 px; 0: not said */
    double         mpp[2];                               /* µm per level-0 px along x and y; 0: not said */
    mt_valid_tiles tiles;                                /* what its bag reads */
} mt_feature_file;

/* MT_ERROR_MISSING, MT_ERROR_INPUT: no HDF5, no /features of two dimensions, /coords or /valid of another length. */
mt_feature_file *mt_feature_file_open(const char *path, GError **error);
void             mt_feature_file_free(mt_feature_file *file);
/* The rows of the valid tiles, with their places where the file has them.  `file` must outlive it; bags of one file are not read at
 * the same time. */
mt_bag mt_feature_file_bag(mt_feature_file *file);
/* For mt_head_accepts; the strings are the file's. */
mt_feature_origin mt_feature_file_origin(const mt_feature_file *file);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_feature_file, mt_feature_file_free)

#endif
