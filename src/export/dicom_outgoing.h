/* What has to be known of a DICOM file to send it. */
#ifndef MT_DICOM_OUTGOING_H
#define MT_DICOM_OUTGOING_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef struct mt_dicom_outgoing {
    char   *path;
    char   *sop_class, *sop_instance, *syntax; /* UIDs */
    char   *sha256;                            /* of the whole file; filled by who needs it */
    int64_t bytes;
    bool    native; /* its pixels are not compressed: any little-endian syntax does */
} mt_dicom_outgoing;

/* NULL and MT_ERROR_INPUT for a file that is no DICOM object with a header (part 10), or contradicts its own header. */
mt_dicom_outgoing *mt_dicom_outgoing_read(const char *path, GError **error);
void               mt_dicom_outgoing_free(mt_dicom_outgoing *object);
/* Whether the file begins as DICOM files do. */
bool mt_dicom_outgoing_looks(const char *path);

G_END_DECLS

#endif
