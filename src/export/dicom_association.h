/* An association that a stop ends: DCMTK's service class user with deadlines on every wait.  For the .cc files of this folder alone. */
#ifndef MT_DICOM_ASSOCIATION_H
#define MT_DICOM_ASSOCIATION_H

#include "src/export/dicom_peer.h"

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmnet/dcmlayer.h>
#include <dcmtk/dcmnet/scu.h>

/* Connections whose waits look at a stop. */
class mt_dicom_layer : public DcmTransportLayer
{
  public:
    explicit mt_dicom_layer(const volatile int *stop) : stop_(stop)
    {
    }
    DcmTransportConnection *createConnection(DcmNativeSocketType socket, OFBool secure) override;

  private:
    const volatile int *stop_;
};

class mt_dicom_association : public DcmSCU
{
  public:
    /* stop: NULL for never. */
    mt_dicom_association(const mt_dicom_peer *peer, int timeout_s, const volatile int *stop);
    /* Contexts have been added. */
    OFCondition open();

  private:
    mt_dicom_layer layer_;
};

/* DCMTK's words on one line, without its full stop; free with g_free. */
char *mt_dicom_words(const OFCondition &condition);
/* Why there is no association with this peer; free with g_free. */
char *mt_dicom_association_failure(const mt_dicom_peer *peer, const OFCondition &condition);

#endif
