/* A volume as a NumPy array, plane by plane, with what the array cannot say in a JSON file beside it. */
#ifndef MT_NPY_FILE_H
#define MT_NPY_FILE_H

#include "src/export/nifti_file.h"

/* PATH with .json in the place of .npy. */
char *mt_npy_file_sidecar(const char *path);
/* hounsfield: what the values are.  The array gets its name last. */
bool mt_npy_file_write(mt_plane_feed *feed, const char *path, bool hounsfield, bool stored_order, bool replace, mt_plane_seen seen,
                       void *user, GError **error);

#endif
