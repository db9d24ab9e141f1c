/* Attributes of a data set as text and numbers, and where each frame stands: the image plane of a single frame, functional groups of
 * many.  For the .cc files of this folder alone. */
#ifndef MT_DICOM_GROUPS_H
#define MT_DICOM_GROUPS_H

#include "src/case/dicom_file.h"

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dctk.h>

/* One value, without the spaces around it; false where it is absent. */
bool mt_dicom_text(DcmItem *set, const DcmTagKey &tag, unsigned long index, OFString &text);
/* A finite number, false for anything else. */
bool mt_dicom_number(DcmItem *set, const DcmTagKey &tag, unsigned long index, double *value);
/* Printable ASCII of it, 64 bytes at most. */
char *mt_dicom_shown(const OFString &text);

/* Fill file->places. */
bool mt_dicom_groups_read(mt_dicom_file *file, DcmItem *set, GError **error);

#endif
