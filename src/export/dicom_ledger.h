/* What was sent where: a file of JSON lines that is only appended to, each line on the disk before the next object goes.  One process has it
 * at a time. */
#ifndef MT_DICOM_LEDGER_H
#define MT_DICOM_LEDGER_H

#include "src/export/dicom_outgoing.h"

#include <microtome/send.h>

G_BEGIN_DECLS

typedef struct mt_dicom_ledger mt_dicom_ledger;

/* Opens or begins the file; lines about other receivers than `to` are left alone, and what a power cut cut off is passed over.
 * MT_ERROR_STOPPED while another process has it, MT_ERROR_IO. */
mt_dicom_ledger *mt_dicom_ledger_open(const char *path, const char *to, GError **error);
void             mt_dicom_ledger_free(mt_dicom_ledger *ledger);
/* The last state of this object with these bytes; -1: none. */
int mt_dicom_ledger_state(const mt_dicom_ledger *ledger, const mt_dicom_outgoing *object);
/* A line more; words may be NULL. */
bool mt_dicom_ledger_note(mt_dicom_ledger *ledger, const mt_dicom_outgoing *object, mt_send_state state, const char *words, GError **error);
/* What was noted is on the disk. */
bool mt_dicom_ledger_sync(mt_dicom_ledger *ledger, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dicom_ledger, mt_dicom_ledger_free)

G_END_DECLS

#endif
