/* Broadcasting as it was before opset 7. */
#ifndef MT_OLD_BROADCAST_H
#define MT_OLD_BROADCAST_H

#include "kernels/graph/graph.h"

/* Before opset 7 the second operand of Add, Sub, Mul, Div and Pow stands at an `axis` of the first.
 *   Add(a: 2x3x4, b: 3, axis=1)   ->   Add(a, Unsqueeze(b: 3 -> 3x1))
 * Other nodes stay as they are.  False and an error when a rank that this needs is not known. */
bool mt_old_broadcast_align(mt_graph *graph, mt_node *node, GError **error);

#endif
