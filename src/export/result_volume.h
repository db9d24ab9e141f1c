/* The label map of a result as a volume in the patient. */
#ifndef MT_RESULT_VOLUME_H
#define MT_RESULT_VOLUME_H

#include "src/export/handover_case.h"

typedef struct mt_result_volume {
    const mt_result *result;
    int64_t          size[3];    /* x, y, planes */
    double           affine[16]; /* voxel to RAS mm, row-major */
    char            *frame;      /* NULL: not said */
} mt_result_volume;

/* MT_ERROR_INPUT where the result has no map of labels, or no place in a patient. */
bool mt_result_volume_init(mt_result_volume *volume, const mt_handover_case *c, GError **error);
void mt_result_volume_clear(mt_result_volume *volume);
/* Plane k: size[1] x size[0] label values. */
bool mt_result_volume_read(const mt_result_volume *volume, int64_t k, void *out, GError **error);

#endif
