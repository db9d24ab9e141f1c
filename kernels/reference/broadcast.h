/* NumPy-style broadcasting: shapes, and a walk over rows of several operands at once. */
#ifndef MT_BROADCAST_H
#define MT_BROADCAST_H

#include "kernels/reference/operator.h"

#define MT_BROADCAST_MAX 3

/* Joins the shape of `value` into (rank, shape); -1 stays open.  False and an error when they do not fit. */
bool mt_broadcast_join(const mt_node *node, const mt_value *value, int *rank, int64_t *shape, GError **error);

/* The loop nest over an output shape, adjacent dimensions joined where every operand allows it. */
typedef struct mt_broadcast {
    int     n, rank; /* operands; rank >= 1 */
    int64_t shape[MT_MAX_RANK];
    int64_t stride[MT_BROADCAST_MAX][MT_MAX_RANK]; /* in elements, 0 where the operand repeats */
} mt_broadcast;

void mt_broadcast_begin(mt_broadcast *b, const mt_tensor *output, const mt_tensor *const *operands, int n);

/* Work on one run of at most MT_RUN elements: x[k] holds operand k, the result goes to x[0]. */
typedef void (*mt_run_doubles)(int n, double *const *x, const void *closure);
typedef void (*mt_run_ints)(int n, int64_t *const *x, const void *closure);

void mt_broadcast_doubles(const mt_broadcast *b, mt_tensor *output, const mt_tensor *const *operands, mt_run_doubles work,
                          const void *closure);
void mt_broadcast_ints(const mt_broadcast *b, mt_tensor *output, const mt_tensor *const *operands, mt_run_ints work, const void *closure);

#endif
