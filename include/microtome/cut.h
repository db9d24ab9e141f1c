/* <microtome/cut.h>  A case cut into pictures: the grid without an encoder.
 * The folder holds tile.ini (what it was cut with), the tiles as files or in tar shards, coords.h5 and, once all is there, tiles.csv. */
#ifndef MICROTOME_CUT_H
#define MICROTOME_CUT_H

#include <microtome/masker.h>
#include <microtome/picture.h>
#include <microtome/pipeline.h>

G_BEGIN_DECLS

typedef struct mt_cut_options {
    mt_masker        *masker; /* the recipe's mask method, made ready */
    mt_picture_params picture;
    int64_t           shards;      /* > 0: tar shards, so many */
    int64_t           shard_bytes; /* > 0: tar shards of at most so many bytes (one tile at least) */
    int               threads;     /* 1 or more; the bytes written do not depend on it */
    mt_progress       progress;    /* may be NULL */
    void             *progress_user;
} mt_cut_options;

/* A tile that could not be decoded. */
typedef struct mt_cut_invalid {
    mt_tile tile;
    char   *reason; /* without the case's folder */
} mt_cut_invalid;

#define MT_CUT_INVALID_KEPT 100 /* of a summary; tiles.csv has all */

typedef struct mt_cut_summary {
    int64_t tiles;          /* of the grid */
    int64_t excluded_tiles; /* not of the grid, but would be without recipe->exclude */
    int64_t written;        /* pictures in the folder, also of earlier runs */
    int64_t bytes;          /* theirs */
    int64_t cut_now;        /* tiles of this run */
    int64_t invalid_tiles;  /* could not be decoded: not written, valid=0 in tiles.csv */
    int64_t shards;
    GArray *invalid;  /* mt_cut_invalid, the first MT_CUT_INVALID_KEPT */
    double  seconds;  /* of this run */
    bool    finished; /* nothing was left to do */
    bool    unusable; /* more of the tiles than the recipe's withheld_invalid are invalid, or all */
} mt_cut_summary;

/* Cut the case into `folder`, which is made.  The tiles are those that a run reads: mask, exclusion, µm/px, tile and overlap as in the
 * recipe.  Called again after it was stopped or killed, it goes on where it was; a folder that was cut with other settings, or holds
 * tiles of unknown origin, is MT_ERROR_USAGE.  A tile that cannot be decoded is left out and told; any other error ends the case.
 * `summary` is zeroed by the caller and cleared by it, also after an error. */
MT_PUBLIC bool mt_cut_run(const mt_recipe *recipe, const mt_job *job, const char *folder, const mt_cut_options *options,
                          mt_cut_summary *summary, GError **error);
MT_PUBLIC void mt_cut_summary_clear(mt_cut_summary *summary);

G_END_DECLS

#endif
