/* One DICOM file without what says whose it is. */
#ifndef MT_DICOM_DEIDENTIFY_H
#define MT_DICOM_DEIDENTIFY_H

#include "src/export/deidentify_profile.h"

G_BEGIN_DECLS

typedef struct mt_dicom_deidentify {
    const mt_deidentify_profile *profile;
    const uint8_t               *key; /* of pseudonyms, UIDs and dates */
    size_t                       key_bytes;
    bool                         shift_dates, keep_descriptions, keep_characteristics, allow_burned_in;
} mt_dicom_deidentify;

typedef struct mt_dicom_changes {
    GPtrArray  *attributes;          /* char *: "(0010,0010) PatientName: replaced", in the order of the file; the same path once */
    GPtrArray  *needles;             /* GBytes *: identifying values as they stood in the file; whole, and names part by part */
    GHashTable *uids;                /* replaced UIDs, as strings */
    char       *patient, *pseudonym; /* what they were and are: for the linkage file alone */
    char       *study, *series, *instance, *modality; /* new UIDs */
    char       *left_out; /* why the file is not published though nothing is wrong: a label, an overview; NULL */
    char       *pixels;   /* what was done to the pictures, or why nothing had to be; NULL: nothing */
    int64_t     comments; /* bytes overwritten in compressed frames */
} mt_dicom_changes;

/* The first bytes are those of a DICOM file. */
bool mt_dicom_deidentify_takes(const char *path);
/* Writes `target`.  MT_ERROR_INPUT for what is no whole DICOM file, for reports and documents (they are text), for pictures that may hold burnt-in text
 * without a rule of the profile; nothing is written then.  changes->left_out: neither. */
bool mt_dicom_deidentify_file(const mt_dicom_deidentify *settings, const char *path, const char *target, mt_dicom_changes *changes,
                              GError **error);
void mt_dicom_changes_clear(mt_dicom_changes *changes);

G_END_DECLS

#endif
