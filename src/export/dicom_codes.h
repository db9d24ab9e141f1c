/* Coded words for what labels name: SNOMED CT where a label is plainly a structure or a finding of the list, else the label itself under a
 * private scheme.  A label is never coded by a part of it ("non-tumour" is no tumour). */
#ifndef MT_DICOM_CODES_H
#define MT_DICOM_CODES_H

#include <microtome/api.h>

#define MT_DICOM_PRIVATE_SCHEME "99MICROTOME"

typedef struct mt_dicom_code {
    char        value[17]; /* SH */
    const char *scheme;
    char       *meaning;  /* LO: at most 64 bytes */
    bool        abnormal; /* a finding, not a part of the body */
} mt_dicom_code;

/* "right_kidney" is Kidney; "left" and "right" may stand beside the word.  Clear it. */
mt_dicom_code mt_dicom_code_of(const char *label);
void          mt_dicom_code_clear(mt_dicom_code *code);

#endif
