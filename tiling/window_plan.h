/* Where the windows of a patch-wise network stand in a volume, and how much each voxel of a window counts.
 * Axes are x, y, z; a picture, or a volume that is read slice by slice, has windows of one z.  Immutable once made: share it. */
#ifndef MT_WINDOW_PLAN_H
#define MT_WINDOW_PLAN_H

#include <microtome/error.h>

typedef enum mt_window_rule {
    MT_WINDOWS_NNUNET, /* as few equal steps as `step` allows, the last window at the far edge */
    MT_WINDOWS_MONAI,  /* steps of whole voxels, the last window pushed back into the volume */
} mt_window_rule;

typedef enum mt_window_weight {
    MT_WEIGHT_GAUSSIAN, /* nnU-Net's, or MONAI's, by the rule */
    MT_WEIGHT_CONSTANT,
} mt_window_weight;

typedef struct mt_window_params {
    int64_t          patch[3]; /* each 1 to 4096; z = 1: slice by slice, every slice is a window */
    double           step;     /* from window to window, as a share of the patch, 0.05 to 1: nnU-Net 0.5; MONAI's overlap 0.25 is 0.75 */
    mt_window_rule   rule;
    mt_window_weight weight;
} mt_window_params;

typedef struct mt_window_plan {
    int64_t  size[3], patch[3];
    int64_t  padded[3]; /* what the windows cover: no axis is shorter than the patch */
    int64_t  before[3]; /* padding in front of the volume; the rest stands behind it */
    int      n[3];
    int64_t *at[3];  /* first voxel of each window in the padded volume, ascending; it begins inside the next one's or touches it */
    float   *weight; /* of each voxel of a window, above 0, at most 1 */
} mt_window_plan;

/* MT_ERROR_RANGE for an empty volume, a patch or a step out of range; MT_ERROR_MEMORY. */
mt_window_plan *mt_window_plan_new(const int64_t size[3], const mt_window_params *params, GError **error);
void            mt_window_plan_free(mt_window_plan *plan);
/* All windows; number i stands at mt_window_plan_at: x runs fastest, z slowest. */
int64_t mt_window_plan_count(const mt_window_plan *plan);
void    mt_window_plan_at(const mt_window_plan *plan, int64_t i, int64_t at[3]);

/* nnU-Net's Gaussian of one axis: a delta at patch / 2 under scipy's gaussian_filter with sigma = patch * sigma_share. */
void mt_window_gaussian(int64_t patch, double sigma_share, double *weights);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_window_plan, mt_window_plan_free)

#endif
