/* STOW-RS: one POST an object, over a connection that is kept. */
#ifndef MT_DICOM_STOW_H
#define MT_DICOM_STOW_H

#include "src/export/dicom_answer.h"
#include "src/export/dicom_outgoing.h"

G_BEGIN_DECLS

typedef struct mt_dicom_stow mt_dicom_stow;

/* Of params: stow, user, password, ca_file, timeout_s, stop.  MT_ERROR_USAGE for an address that is none. */
mt_dicom_stow *mt_dicom_stow_new(const mt_send_params *params, GError **error);
void           mt_dicom_stow_free(mt_dicom_stow *stow);
void           mt_dicom_stow_send(mt_dicom_stow *stow, const mt_dicom_outgoing *object, mt_dicom_answer *answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dicom_stow, mt_dicom_stow_free)

G_END_DECLS

#endif
