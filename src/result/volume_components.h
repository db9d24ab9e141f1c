/* Connected components of a volume (26 neighbours) or a picture (8) as runs along x: memory grows with the outlines. */
#ifndef MT_VOLUME_COMPONENTS_H
#define MT_VOLUME_COMPONENTS_H

#include <microtome/error.h>

typedef struct mt_voxel_run {
    int32_t x0, x1, y, z; /* voxels x0 <= x < x1 of row y of plane z */
    int32_t component;    /* 0..n-1, in the order of the components' first voxels (x fastest, then y, then z) */
} mt_voxel_run;

typedef struct mt_volume_components {
    int64_t       n, n_runs;
    mt_voxel_run *runs; /* in the order of the voxels */
} mt_volume_components;

/* Of the voxels whose value is in the bit set `members` (bit v % 8 of byte v / 8).  MT_ERROR_LIMIT where there are over 2^27 runs:
 * noise, not objects; MT_ERROR_MEMORY. */
mt_volume_components *mt_volume_components_new(const uint8_t *labels, const int64_t size[3], const uint8_t members[32], GError **error);
void                  mt_volume_components_free(mt_volume_components *components);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_volume_components, mt_volume_components_free)

#endif
