/* Inside of mt_lowering, for the core of kernels/onednn. */
#ifndef MT_LOWERING_PRIVATE_H
#define MT_LOWERING_PRIVATE_H

#include "kernels/onednn/lower.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_md, mt_md_free)

/* What a session keeps while it runs. */
typedef struct mt_runtime {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    GPtrArray    *packed;  /* weights that are not the model's own */
    GPtrArray    *tensors; /* aligned copies and dequantised constants */
} mt_runtime;

struct mt_lowering {
    mt_session *session;
    mt_runtime *runtime;
    GHashTable *places;   /* mt_value -> GPtrArray of mt_place, the native one first */
    GHashTable *holders;  /* mt_buffer -> GPtrArray of mt_value that lie in it */
    GHashTable *last_use; /* mt_value -> index of the last node that reads it, number of nodes for outputs; +1 */
    mt_dtype    compute;  /* MT_F32 or MT_BF16 */
    mt_dtype    type;     /* in which float32 values are read and written */
    int         now;      /* index of the node being lowered */
    GPtrArray  *mds;      /* owned */
    GPtrArray  *extra;    /* owned mt_place, not of any value */
};

#endif
