/* The address of a DICOM application: [CALLING:]CALLED@HOST:PORT. */
#ifndef MT_DICOM_PEER_H
#define MT_DICOM_PEER_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef struct mt_dicom_peer {
    char *calling, *called; /* application entity titles, 1..16 characters; calling: MICROTOME */
    char *host;             /* name or IPv4 */
    int   port;
} mt_dicom_peer;

/* MT_ERROR_USAGE with what is wrong in it. */
bool mt_dicom_peer_parse(const char *text, mt_dicom_peer *peer, GError **error);
void mt_dicom_peer_clear(mt_dicom_peer *peer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_dicom_peer, mt_dicom_peer_clear)

G_END_DECLS

#endif
