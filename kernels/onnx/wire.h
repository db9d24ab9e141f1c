/* A look at the bytes of an ONNX file before anything is unpacked: how deep it nests, how many nodes it has, and where the
 * raw data of its initialisers lies, so that weights are never copied by the unpacker. */
#ifndef MT_WIRE_H
#define MT_WIRE_H

#include <microtome/error.h>

typedef struct mt_wire_span {
    size_t offset, bytes; /* in the file; bytes 0: the raw data (if any) stayed in the reduced message */
} mt_wire_span;

typedef struct mt_wire {
    uint8_t      *reduced; /* the message without the raw data of large initialisers */
    size_t        reduced_bytes;
    mt_wire_span *spans; /* of initialiser i of the main graph */
    size_t        n_spans;
} mt_wire;

/* MT_ERROR_MODEL when the bytes are not a model, MT_ERROR_LIMIT when it nests too deep or has too many nodes. */
mt_wire *mt_wire_read(const uint8_t *data, size_t bytes, GError **error);
void     mt_wire_free(mt_wire *wire);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_wire, mt_wire_free)

#endif
