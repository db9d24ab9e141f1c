/* A volume as NIfTI-1, plane by plane. */
#ifndef MT_NIFTI_FILE_H
#define MT_NIFTI_FILE_H

#include "src/export/plane_feed.h"

/* Called after every plane; NULL: nobody. */
typedef void (*mt_plane_seen)(void *user, const void *plane, int64_t k);

/* .nii, or .nii.gz where `gzip`. */
bool mt_nifti_file_write(mt_plane_feed *feed, const char *path, bool gzip, bool replace, mt_plane_seen seen, void *user, GError **error);

#endif
