/* What the answer to a STOW-RS request says of the object that was in it. */
#ifndef MT_DICOM_STOW_ANSWER_H
#define MT_DICOM_STOW_ANSWER_H

#include "src/export/dicom_answer.h"

/* `body`: application/dicom+json or +xml (PS3.18, I.2), or anything else.  Without the object's UID among the stored ones it is not stored. */
void mt_dicom_stow_judge(long http, const char *body, const char *sop_instance, mt_dicom_answer *answer);

#endif
