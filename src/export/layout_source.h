/* A result as the files of other tools need it: coordinates, tile edges, magnifications, features block by block. */
#ifndef MT_LAYOUT_SOURCE_H
#define MT_LAYOUT_SOURCE_H

#include "src/store/store.h"

#include <microtome/layouts.h>

typedef struct mt_layout_source {
    const mt_result        *result;
    const mt_layout_params *params;
    char                   *name;    /* of the slide, as its files are called: the result's without what had to be escaped */
    int64_t                 n;       /* tiles */
    int64_t                 n_valid; /* those that could be read */
    int64_t                 dim;     /* of the features; 0: none are stored */
    mt_tensor              *coords;  /* int64 (n,2) */
    uint8_t                *valid;   /* n */
    /* what is not known is 0 or NULL */
    int64_t patch_size, patch_level, patch_size_level0, overlap;
    double  tile_level0[2], mpp[2], target_mpp, level0_magnification, target_magnification;
    int64_t size[2]; /* of level 0 */
    char   *compat, *encoder, *encoder_sha256;
    char   *began; /* when the export was: "2026-11-23T151900" */
} mt_layout_source;

mt_layout_source *mt_layout_source_new(const mt_result *result, const mt_layout_params *params, GError **error);
void              mt_layout_source_free(mt_layout_source *source);

/* What most layouts need, each with its one error: features, of tiles that could be read where there are any; the name of what made them;
 * how large tiles and slide are; square tiles; µm/px. */
bool mt_layout_need_features(const mt_layout_source *source, GError **error);
bool mt_layout_need_encoder(const mt_layout_source *source, GError **error);
bool mt_layout_need_tiles(const mt_layout_source *source, GError **error);
bool mt_layout_need_square_tiles(const mt_layout_source *source, GError **error);
bool mt_layout_need_mpp(const mt_layout_source *source, GError **error);
/* MT_ERROR_INPUT: "export PATH as LAYOUT: <format>" */
bool mt_layout_refuse(const mt_layout_source *source, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* An integer, and a number that is written only when it is known. */
bool mt_layout_attr_int(mt_store *store, const char *object, const char *name, int64_t value, GError **error);
bool mt_layout_attr_known(mt_store *store, const char *object, const char *name, double value, GError **error);
/* The true µm/px beside what the tool makes of it: mpp_x, mpp_y, target_mpp, tile_level0. */
bool mt_layout_attr_truth(const mt_layout_source *source, mt_store *store, const char *object, GError **error);

/* Their coordinates as `dtype` (MT_I32 or MT_I64) into a dataset that may grow; the tools' own chunks of one row are slow to read. */
bool mt_layout_put_coords(const mt_layout_source *source, mt_store *store, const char *object, mt_dtype dtype, bool valid_only,
                          GError **error);
/* Called with `count` rows of features of tiles that could be read. */
typedef bool (*mt_layout_take)(void *user, const float *rows, int64_t count, GError **error);
bool mt_layout_each_rows(const mt_layout_source *source, mt_layout_take take, void *user, GError **error);
/* The features of tiles that could be read as `dtype` (MT_F32 or MT_F16), likewise, in chunks of at most `chunk_rows`. */
bool mt_layout_put_features(const mt_layout_source *source, mt_store *store, const char *object, mt_dtype dtype, int64_t chunk_rows,
                            GError **error);
/* Outlines of the tissue: MT_ERROR_INPUT when damaged; of a result without them the whole plane. */
typedef struct mt_layout_rings {
    mt_tensor *points, *offsets, *kinds; /* int32 (M,2), int64 (R+1), uint8 (R): 1 a hole of the outer ring before it */
    int64_t    n;                        /* R */
} mt_layout_rings;

bool mt_layout_rings_read(const mt_layout_source *source, mt_layout_rings *rings, GError **error);
void mt_layout_rings_clear(mt_layout_rings *rings);
/* Publish a plain store that the caller frees. */
bool mt_layout_publish(const mt_layout_source *source, mt_store *store, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_layout_source, mt_layout_source_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_layout_rings, mt_layout_rings_clear)

#endif
