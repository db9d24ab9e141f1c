/* Associations with deadlines. */
#include "src/export/dicom_association.h"

#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <dcmtk/dcmnet/dcmtrans.h>

#define SLICE_S 1 /* between two looks at the stop */

/* Waits for data in slices, and for nothing else: a small message that waits for an acknowledgement of the one before, and an acknowledgement that
 * waits for a message to go with, take 40 ms each, with every object. */
class watched_connection : public DcmTCPConnection
{
  public:
    watched_connection(DcmNativeSocketType socket, const volatile int *stop) : DcmTCPConnection(socket), socket_(socket), stop_(stop)
    {
        switch_on(TCP_NODELAY);
    }

    OFBool networkDataAvailable(int timeout) override
    {
        switch_on(TCP_QUICKACK); /* the kernel takes it back by itself */
        for (int left = timeout;; left -= SLICE_S) {
            if (stop_ != NULL && *stop_)
                return OFFalse;
            if (DcmTCPConnection::networkDataAvailable(MIN(left, SLICE_S)))
                return OFTrue;
            if (left <= SLICE_S)
                return OFFalse;
        }
    }

  private:
    DcmNativeSocketType socket_;
    const volatile int *stop_;

    /* It is slower without. */
    void switch_on(int option)
    {
        const int on = 1;

        setsockopt(socket_, IPPROTO_TCP, option, &on, sizeof on);
    }
};

DcmTransportConnection *mt_dicom_layer::createConnection(DcmNativeSocketType socket, OFBool)
{
    return new watched_connection(socket, stop_);
}

mt_dicom_association::mt_dicom_association(const mt_dicom_peer *peer, int timeout_s, const volatile int *stop) : layer_(stop)
{
    dcmConnectionTimeout.set(timeout_s);
    dcmSocketSendTimeout.set(timeout_s);
    dcmSocketReceiveTimeout.set(timeout_s);
    setAETitle(peer->calling);
    setPeerAETitle(peer->called);
    setPeerHostName(peer->host);
    setPeerPort((Uint16)peer->port);
    setDIMSEBlockingMode(DIMSE_NONBLOCKING);
    setDIMSETimeout((Uint32)timeout_s);
    setACSETimeout((Uint32)timeout_s);
    setProgressNotificationMode(OFFalse);
}

OFCondition mt_dicom_association::open()
{
    OFCondition status = initNetwork();

    if (status.good())
        status = useSecureConnection(&layer_); /* no more secure than TCP: the layer is for the stop */
    return status.good() ? negotiateAssociation() : status;
}

char *mt_dicom_words(const OFCondition &condition)
{
    char *words = g_strdelimit(g_strdup(condition.text()), "\r\n\t", ' ');

    g_strstrip(words);
    while (*words != '\0' && words[strlen(words) - 1] == '.')
        words[strlen(words) - 1] = '\0';
    return words;
}

char *mt_dicom_association_failure(const mt_dicom_peer *peer, const OFCondition &condition)
{
    g_autofree char *words = mt_dicom_words(condition);

    if (condition == DUL_ASSOCIATIONREJECTED)
        return g_strdup_printf("%s@%s:%d rejects the association: is it busy, does it know the calling title %s, is %s its own?",
                               peer->called, peer->host, peer->port, peer->calling, peer->called);
    return g_strdup_printf("no association with %s@%s:%d: %s", peer->called, peer->host, peer->port, words);
}
