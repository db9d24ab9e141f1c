/* A plan and its ranges made into a graph:
 *
 *   x -> Conv(W, B) -> Relu -> y
 *   x -> QuantizeLinear -> DequantizeLinear -> Conv(DequantizeLinear(W8), DequantizeLinear(B32)) -> Relu -> QuantizeLinear -> ... */
#ifndef MT_INSERT_QDQ_H
#define MT_INSERT_QDQ_H

#include "kernels/quantize/observed.h"
#include "kernels/quantize/quantize_plan.h"

typedef struct mt_insert_qdq {
    const mt_quantize_plan *plan;
    GHashTable             *ranges;  /* mt_value of the plan's graph -> mt_affine *, of each value that the plan quantises */
    bool                    widened; /* weights as the float32 numbers they stand for: to be run rather than written */
} mt_insert_qdq;

/* A new graph; the plan's stays as it is. */
mt_graph *mt_insert_qdq_run(const mt_insert_qdq *insert, GError **error);
/* A copy of the plan's graph in which each quantised layer has a twin that it alone computes in int8; *sums lists, for layer after
 * layer that is quantised, the sum of squares of its output and of the twin's difference to it. */
mt_graph *mt_insert_qdq_twins(const mt_insert_qdq *insert, GPtrArray **sums, GError **error);

#endif
