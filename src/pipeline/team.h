/* One team of OpenMP threads; each carries its own batch through read, resample, normalise and encode.
 * Batches are delivered to the sink in the order of the grid, by one thread at a time. */
#ifndef MT_TEAM_H
#define MT_TEAM_H

#include "tiling/stain.h"

#include <microtome/encoder.h>
#include <microtome/pipeline.h>

typedef struct mt_team_params {
    mt_case            *c;
    const mt_grid      *grid;
    mt_encoder         *encoder;
    const mt_intensity *intensity; /* NULL where the card does not ask */
    const mt_stain     *stain;     /* NULL: colours as they are */
    mt_backend          backend;
    mt_precision        precision;
    int                 batch; /* tiles per batch of a large case: the card's or the recipe's */
    int                 threads;
    mt_progress         progress; /* may be NULL */
    void               *progress_user;
    /* Rows first .. first+n-1: features (n x dim; zero where invalid) and valid (n; 0: the tile could not be decoded). */
    bool (*sink)(void *user, int64_t first, int64_t n, const float *features, const uint8_t *valid, GError **error);
    /* Before the sink gets its row: the tile could not be decoded, and why (mt_invalid_reason).  NULL: not asked. */
    void (*unread)(void *sink_user, int64_t tile, const char *reason);
    void *sink_user;
} mt_team_params;

/* Tiles per batch: a function of the case alone, so that results do not depend on threads. */
int mt_team_batch(int64_t n_tiles, int card_batch);
/* Encode the whole grid.  Fills the tile part of `timings`.  The first error of any thread ends it. */
bool mt_team_run(const mt_team_params *params, mt_timings *timings, GError **error);

#endif
