/* A bound graph computed in double, whatever types it declares: what finite differences need. */
#ifndef MT_DOUBLE_RUN_H
#define MT_DOUBLE_RUN_H

#include "kernels/graph/graph.h"

/* Every value of the graph as a tensor (float64 where it declares a float), from float64 inputs in the graph's order; aborts on an
 * error.  Free with g_hash_table_unref. */
GHashTable *double_run(mt_graph *bound, mt_tensor *const *inputs);

#endif
