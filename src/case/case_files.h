/* Which files make a case. */
#ifndef MT_CASE_FILES_H
#define MT_CASE_FILES_H

#include <microtome/api.h>

/* `path` and what belongs to it (MIRAX, VMS and VMU, NIfTI pairs), sorted; the images of a DICOM folder, sorted by SOP instance; elements are freed with the array. */
GPtrArray *mt_case_files(const char *path);

#endif
