/* softmax(scale q kt + mask) v for many small matrices, scores kept in the cache. */
#ifndef MT_ATTENTION_H
#define MT_ATTENTION_H

#include "kernels/onednn/dnnl_compat.h"

/* One operand: where the matrices of the batch begin, and the strides of their rows and columns; one of them is 1. */
typedef struct mt_matrices {
    const int64_t *starts; /* one per matrix, in elements */
    int64_t        rows, columns;
} mt_matrices;

typedef struct mt_attention_shape {
    int64_t     batch, l, d, s, e;   /* q (l, d), kt (d, s), v (s, e) */
    mt_matrices q, kt, v, mask, out; /* mask.starts NULL: none; its strides may be 0; out.columns is 1 */
    double      scale;
} mt_attention_shape;

typedef struct mt_attention mt_attention;

/* NULL when the library has no softmax for this. */
mt_attention *mt_attention_new(const mt_attention_shape *shape, int threads, dnnl_engine_t engine, dnnl_stream_t stream);
void          mt_attention_free(mt_attention *attention);
/* Bytes of scratch that mt_attention_run wants for all threads. */
size_t mt_attention_scratch(const mt_attention *attention);
/* The memory of that many bytes that later runs will use; false when the library refuses. */
bool mt_attention_bind(mt_attention *attention, void *scratch);
/* Results do not depend on the number of threads.  False: out of memory. */
bool mt_attention_run(const mt_attention *attention, const float *q, const float *kt, const float *v, const float *mask, float *out);

#endif
