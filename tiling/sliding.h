/* A dense network over a whole volume or picture: windows run by a team of threads, their answers blended, finished slabs handed on.
 * Only the slices that later windows still touch are held.  Windows are added in one order, whoever ran them: the logits are the same
 * bytes for any number of threads. */
#ifndef MT_SLIDING_H
#define MT_SLIDING_H

#include "src/case/volume.h"
#include "src/encoder/dense.h"

/* Logits of slices z0 to z0 + count - 1, labels x count x height x width floats, the weighted mean over all windows.  Called from the first
 * slice to the last, by one thread at a time; the memory is the caller's until it returns. */
typedef bool (*mt_sliding_sink)(void *user, int64_t z0, int64_t count, const float *logits, GError **error);
/* As mt_progress: windows done and all; false stops. */
typedef bool (*mt_sliding_progress)(void *user, int64_t done, int64_t total);

typedef struct mt_sliding_params {
    mt_precision        precision;
    int                 threads;     /* 1 or more */
    bool                mirror;      /* also mirrored along the axes that the card allows */
    double              step;        /* 0: the card's */
    int64_t             limit_bytes; /* for sessions and slabs, the volume apart: fewer windows at once where it is short; 0: none */
    mt_sliding_progress progress;    /* may be NULL */
    void               *progress_user;
    mt_sliding_sink     sink;
    void               *sink_user;
} mt_sliding_params;

/* What mt_sliding_run will hold beside volume and packed weights where nothing limits it.  Makes a session to know. */
bool mt_sliding_bytes(mt_dense *dense, const int64_t size[3], const mt_sliding_params *params, int64_t *bytes, GError **error);
/* How many windows there will be; each is run for every fold and mirror image. */
bool mt_sliding_windows(const mt_dense *dense, const int64_t size[3], const mt_sliding_params *params, int64_t *windows, GError **error);

/* `volume` as the network wants it: spacing, values, axes.  MT_ERROR_INPUT for other channels than the card's, MT_ERROR_MEMORY over the limit,
 * before anything is run; MT_ERROR_MODEL for outputs that are not finite; MT_ERROR_STOPPED. */
bool mt_sliding_run(mt_dense *dense, const mt_volume *volume, const mt_sliding_params *params, GError **error);

#endif
