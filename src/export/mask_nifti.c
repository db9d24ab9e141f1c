/* The label map as NIfTI-1: the values that the result has, on the case's own grid. */
#include "src/export/nifti_file.h"
#include "src/export/result_volume.h"

#include <math.h>

static bool read_plane(void *user, int64_t k, void *out, GError **error)
{
    return mt_result_volume_read(user, k, out, error);
}

bool mt_mask_nifti_write(const mt_handover_case *c, const char *path, GError **error)
{
    mt_result_volume v;

    if (!mt_result_volume_init(&v, c, error))
        return false;
    mt_plane_feed feed = {.read = read_plane,
                          .user = &v,
                          .frame = v.frame,
                          .size = {v.size[0], v.size[1], v.size[2]},
                          .channels = 1,
                          .dtype = MT_U8,
                          .sample_bytes = 1,
                          .has_frame = true,
                          .unit_mm = true};
    for (int i = 0; i < 16; i++)
        feed.affine[i] = v.affine[i];
    for (int d = 0; d < 3; d++)
        feed.spacing_mm[d] = sqrt(pow(v.affine[d], 2) + pow(v.affine[4 + d], 2) + pow(v.affine[8 + d], 2));
    bool ok = mt_nifti_file_write(&feed, path, true, c->replace, NULL, NULL, error);
    mt_result_volume_clear(&v);
    return ok;
}
