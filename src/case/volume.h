/* A whole image or volume in memory as float32, with its place in the patient: what dense tasks (segment, reconstruct, detect) work on.
 * Data stand channel by channel, each with x fastest, then y, then z.  A picture has one z.  Owned by one thread, or read by many. */
#ifndef MT_VOLUME_H
#define MT_VOLUME_H

#include <microtome/case.h>

typedef struct mt_volume {
    int64_t size[3]; /* x, y, z */
    int     channels;
    double  spacing_mm[3]; /* 0: unknown */
    double  affine[16];    /* voxel (x, y, z) to RAS mm, row-major; the identity without a frame */
    bool    has_frame;
    float  *data;
} mt_volume;

/* All zeros.  MT_ERROR_RANGE for an empty size, MT_ERROR_MEMORY with the bytes. */
mt_volume *mt_volume_new(const int64_t size[3], int channels, GError **error);
void       mt_volume_free(mt_volume *v);
/* Voxels of a channel. */
int64_t mt_volume_voxels(const mt_volume *v);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_volume, mt_volume_free)

#endif
