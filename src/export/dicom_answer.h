/* What a receiver answered to one object, and what that means for the next step. */
#ifndef MT_DICOM_ANSWER_H
#define MT_DICOM_ANSWER_H

#include <microtome/send.h>

G_BEGIN_DECLS

typedef enum mt_dicom_outcome {
    MT_DICOM_STORED,  /* confirmed */
    MT_DICOM_REFUSED, /* this object, for good */
    MT_DICOM_DOUBTED, /* this object, perhaps not for good: refused when it stays so */
    MT_DICOM_LATER,   /* the receiver or the way to it: again after a pause */
    MT_DICOM_CLOSED,  /* the caller, whatever the object: nothing more to try */
} mt_dicom_outcome;

typedef struct mt_dicom_answer {
    mt_dicom_outcome outcome;
    char            *words; /* NULL: nothing to say */
} mt_dicom_answer;

#define MT_DICOM_STORING_BYTES_PER_S (4 << 20) /* a receiver that takes longer to store what it has is asked no more */

/* Sets both; frees words that were there. */
void mt_dicom_answer_set(mt_dicom_answer *answer, mt_dicom_outcome outcome, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Of a status of C-STORE (PS3.4 B.2.3), or a FailureReason (PS3.3 C.14.1.1), which share their numbers. */
void mt_dicom_answer_status(mt_dicom_answer *answer, unsigned status);

G_END_DECLS

#endif
