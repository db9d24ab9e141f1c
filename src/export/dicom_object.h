/* A new DICOM object that stands beside the images it was made from: patient, study, equipment and the file itself.  For the .cc files of this
 * folder alone. */
#ifndef MT_DICOM_OBJECT_H
#define MT_DICOM_OBJECT_H

#include <microtome/error.h>

extern "C" {
#include "src/export/handover_case.h"
}

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dctk.h>

typedef struct mt_dicom_object_kind {
    const char *sop_class, *modality;
    int         series_number;
    const char *description; /* of the series */
    bool        worded;      /* it has sentences: in another language it is another object */
} mt_dicom_object_kind;

/* An attribute; NULL is an empty one (type 2). */
void mt_dicom_put(DcmItem *set, const DcmTagKey &tag, const char *text);
void mt_dicom_put_number(DcmItem *set, const DcmTagKey &tag, double value);
/* DS of up to 16 bytes for each value. */
void mt_dicom_put_numbers(DcmItem *set, const DcmTagKey &tag, const double *values, int n);
/* US or UL or FD ... by the dictionary */
void mt_dicom_put_integer(DcmItem *set, const DcmTagKey &tag, int64_t value);
/* Item `i` of a sequence, made where it is not there. */
DcmItem *mt_dicom_item(DcmItem *set, const DcmTagKey &sequence, long i);
void     mt_dicom_put_code(DcmItem *set, const DcmTagKey &sequence, const char *value, const char *scheme, const char *meaning);
/* What text of ours fits into: at most `bytes` of UTF-8, no backslash, no control character.  Free with g_free. */
char *mt_dicom_words(const char *text, size_t bytes);

/* SOP, patient, study, series and equipment; dates are the study's, else the result file's, so that the object is the same each time. */
void mt_dicom_object_begin(DcmDataset *set, const mt_handover_case *c, const mt_dicom_object_kind *kind);
/* The source's series and all its images, in ReferencedSeriesSequence; these as items of `instances`. */
void mt_dicom_object_references(DcmItem *set, const DcmTagKey &instances, const mt_dicom_identity *identity);
/* Each source image once, as items of `sequence`. */
void mt_dicom_object_sources(DcmItem *set, const DcmTagKey &sequence, const mt_dicom_identity *identity);

struct mt_dicom_sink;

/* Bulk data that stands behind the data set (its tag is the last): of `bytes` bytes, written in parts by `write` (NULL: there is none). */
typedef struct mt_dicom_bulk {
    DcmTagKey   tag;
    const char *vr; /* "OB", "OW", "OF" */
    uint64_t    bytes;
    bool (*write)(void *user, struct mt_dicom_sink *sink, GError **error);
    void *user;
} mt_dicom_bulk;

bool mt_dicom_sink_put(struct mt_dicom_sink *sink, const void *data, size_t bytes, GError **error);
/* Publish whole; MT_ERROR_LIMIT for bulk data of 4 GiB and more. */
bool mt_dicom_object_write(DcmDataset *set, const mt_handover_case *c, const mt_dicom_bulk *bulk, const char *path, GError **error);

#endif
