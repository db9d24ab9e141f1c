/* <microtome/worklist.h>  The studies of a day, asked of a PACS by C-FIND, as a manifest of `microtome run`.
 * Numbers and UIDs alone: neither name nor birth date of a patient is asked for. */
#ifndef MICROTOME_WORKLIST_H
#define MICROTOME_WORKLIST_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef struct mt_worklist_params {
    const char *address;   /* [CALLING:]CALLED@HOST:PORT */
    bool        archived;  /* studies that the archive has (study root), not those that are scheduled (modality worklist) */
    const char *date;      /* YYYYMMDD or YYYYMMDD-YYYYMMDD; NULL: any */
    const char *modality;  /* as CT; NULL: any */
    double      timeout_s; /* 1..3600, of a connection and of each answer */

    const volatile int *stop; /* set by a signal handler; NULL: never */
} mt_worklist_params;

/* Ask, and write the table to `path`, over what is there: path (the study UID: the folder that the study will arrive in), id (accession number, where it is one
 * study's alone, else study UID), patient, study_uid, accession, modality, date, time, priority (urgent, high, routine, low).  One row a study,
 * urgent ones first, then by date and time.  *rows: their number.
 * MT_ERROR_USAGE and MT_ERROR_RANGE for parameters, MT_ERROR_IO when there is no association, it breaks or the query fails, MT_ERROR_STOPPED. */
MT_PUBLIC bool mt_worklist_write(const mt_worklist_params *params, const char *path, int64_t *rows, GError **error);

G_END_DECLS

#endif
