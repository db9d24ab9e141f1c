/* task=reconstruct: what a network trained on normal cases cannot draw again, voxel by voxel, and how that compares with normal cases. */
#ifndef MT_RECONSTRUCT_CASE_H
#define MT_RECONSTRUCT_CASE_H

#include "src/case/volume.h"
#include "src/pipeline/pipeline_private.h"
#include "tiling/dense_frame.h"

/* Mean errors of normal cases, ascending. */
typedef struct mt_normal_errors {
    double *values;
    int     n;
} mt_normal_errors;

/* From the results in OUT, a folder of the same network run over normal cases: attribute `mean` of their /map/error.  MT_ERROR_MISSING
 * without results, MT_ERROR_MODEL for those of another network. */
bool mt_normal_errors_read(const char *out, const char *model_sha256, mt_normal_errors *normal, GError **error);
void mt_normal_errors_clear(mt_normal_errors *normal);
/* Share of the normal cases whose error is smaller; of equal ones half. */
double mt_normal_errors_rank(const mt_normal_errors *normal, double mean);

/* An mt_sliding_sink whose user is this: mean absolute difference over the channels, in the units that the network gets. */
typedef struct mt_error_slabs {
    const mt_volume *volume;
    float           *errors; /* as large as a channel of it */
} mt_error_slabs;

bool mt_error_slabs_take(void *user, int64_t z0, int64_t count, const float *output, GError **error);
/* In one order, in double. */
double mt_error_mean(const mt_error_slabs *slabs);
/* Brought back to the volume as it was read: `out` has a float for each of its voxels, 0 outside the box. */
bool mt_errors_back(const mt_dense_frame *frame, const mt_dense_card *card, const float *errors, int threads, float *out, GError **error);

#endif
