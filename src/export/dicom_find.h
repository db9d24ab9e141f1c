/* One C-FIND query: studies that an archive has, or that are scheduled. */
#ifndef MT_DICOM_FIND_H
#define MT_DICOM_FIND_H

#include <microtome/worklist.h>

G_BEGIN_DECLS

typedef struct mt_dicom_study {
    char *study_uid, *patient, *accession, *modality, *date, *time, *priority; /* UTF-8, "" where nothing was said */
} mt_dicom_study;

void mt_dicom_study_free(mt_dicom_study *study);

/* The answers as they come (mt_dicom_study), one procedure step each for worklists. */
GPtrArray *mt_dicom_find(const mt_worklist_params *params, GError **error);

G_END_DECLS

#endif
