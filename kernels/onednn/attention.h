/* softmax(scale q kt + mask) v for many small matrices, scores kept in the cache. */
#ifndef MT_ATTENTION_H
#define MT_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

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

/* Floats of scratch that each thread needs. */
int64_t mt_attention_scratch(const mt_attention_shape *shape);
/* `scratch` holds that for each of `threads` threads.  Results do not depend on their number.  False: out of memory. */
bool mt_attention_run(const mt_attention_shape *shape, const float *q, const float *kt, const float *v, const float *mask, float *out,
                      float *scratch, int threads);
/* Each row of `x` becomes its softmax. */
void mt_softmax_row(float *x, int64_t n);

#endif
