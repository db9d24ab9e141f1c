/* An encoder's packed weights, shared between the worker processes of a host through a memory file. */
#ifndef MT_SHARED_WEIGHTS_H
#define MT_SHARED_WEIGHTS_H

#include <microtome/encoder.h>

typedef enum mt_weights_origin {
    MT_WEIGHTS_OWN,    /* packed for this process alone */
    MT_WEIGHTS_FILLED, /* packed here and left in the file for others */
    MT_WEIGHTS_SHARED, /* taken from the file */
} mt_weights_origin;

/* "own", "filled", "shared" */
const char *mt_weights_origin_name(mt_weights_origin origin);

/* Before the first session.  An empty `fd` is filled with what sessions of `batch` want, and sealed; a sealed one that holds this very
 * model, packed by this very program and library for this CPU, is used; any other is left alone: then, as after any failure, sessions pack
 * for themselves.  The descriptor stays the caller's and may be closed. */
mt_weights_origin mt_encoder_share_weights(mt_encoder *encoder, mt_precision precision, int batch, int fd);

#endif
