/* One result on its way out, as the writers of <microtome/handover.h> see it, and the writers themselves. */
#ifndef MT_HANDOVER_CASE_H
#define MT_HANDOVER_CASE_H

#include "src/export/dicom_identity.h"
#include "src/result/headline.h"

#include <microtome/handover.h>

typedef struct mt_handover_case {
    const mt_result         *result;
    const char              *id;       /* of the case */
    const char              *language; /* "en", "ko" */
    const mt_headline       *headline;
    const char              *headline_text; /* as it is stored: with the hash of the content what UIDs are made of */
    const mt_dicom_identity *identity;      /* NULL: the kind does not want one */
    const char              *kind;          /* being written */
    bool                     replace;
    bool                     has_seg; /* its segmentation was written just now: others may refer to it */
} mt_handover_case;

/* Publish `path` whole.  MT_ERROR_INPUT where the result has nothing of the kind: the caller says of which result and kind. */
typedef bool (*mt_handover_write)(const mt_handover_case *c, const char *path, GError **error);

/* "2.25.N", N of 128 bits from the result's headline, the kind, `part` and the language: the same for the same result.  Free with g_free. */
char *mt_handover_uid(const mt_handover_case *c, const char *part);
/* The same in every language, of a kind that may be another. */
char *mt_handover_uid_of(const mt_handover_case *c, const char *kind, const char *part);

/* The writers, a file each. */
bool mt_dicom_sr_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_dicom_seg_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_dicom_seg_fractional_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_dicom_pmap_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_dicom_sc_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_dicom_pdf_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_dicom_rtstruct_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_mask_nifti_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_mask_stl_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_fhir_report_write(const mt_handover_case *c, const char *path, GError **error);
bool mt_hl7_oru_write(const mt_handover_case *c, const char *path, GError **error);

#endif
