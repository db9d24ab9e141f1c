/* Items of a structured report's content tree: containers, texts, codes, numbers, images, places.  For the .cc files of this folder alone. */
#ifndef MT_DICOM_CONTENT_H
#define MT_DICOM_CONTENT_H

#include "src/export/dicom_object.h"

/* A coded concept. */
struct mt_dicom_concept {
    const char *value, *scheme, *meaning;
};

/* A child of `parent` by `relation` ("CONTAINS", "HAS CONCEPT MOD" ..), in the order of the calls.  The container has a template (NULL: none). */
DcmItem *mt_dicom_content_container(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const char *template_id);
DcmItem *mt_dicom_content_text(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const char *text);
DcmItem *mt_dicom_content_code(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const mt_dicom_concept &value);
DcmItem *mt_dicom_content_uid(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const char *uid);
/* `unit`: UCUM. */
DcmItem *mt_dicom_content_number(DcmItem *parent, const char *relation, const mt_dicom_concept &name, double value, const char *unit);
/* `name` NULL: none.  frame from 1, segment from 1; 0: none. */
DcmItem *mt_dicom_content_image(DcmItem *parent, const char *relation, const mt_dicom_concept *name, const char *sop_class,
                                const char *sop_instance, int64_t frame, int64_t segment);
/* mm in a frame of reference. */
DcmItem *mt_dicom_content_point(DcmItem *parent, const char *relation, const mt_dicom_concept &name, const double mm[3],
                                const char *frame_uid);

#endif
