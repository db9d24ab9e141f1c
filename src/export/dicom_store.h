/* C-STORE: an association that is opened when it is needed and opened again after it broke. */
#ifndef MT_DICOM_STORE_H
#define MT_DICOM_STORE_H

#include "src/export/dicom_answer.h"
#include "src/export/dicom_outgoing.h"

G_BEGIN_DECLS

typedef struct mt_dicom_store mt_dicom_store;

/* stop: ends a wait; NULL: never.  MT_ERROR_USAGE for an address that is none. */
mt_dicom_store *mt_dicom_store_new(const char *address, double timeout_s, const volatile int *stop, GError **error);
/* Releases the association. */
void mt_dicom_store_free(mt_dicom_store *store);
/* Send objects[at]; the kinds of those that follow are negotiated with it. */
void mt_dicom_store_send(mt_dicom_store *store, const GPtrArray *objects, guint at, mt_dicom_answer *answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dicom_store, mt_dicom_store_free)

G_END_DECLS

#endif
