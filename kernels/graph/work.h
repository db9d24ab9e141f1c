/* How much arithmetic a bound graph is. */
#ifndef MT_WORK_H
#define MT_WORK_H

#include "kernels/graph/graph.h"

/* Multiply-adds x 2 of the convolutions and matrix products; dimensions that are not known count as 0. */
double mt_graph_flop(const mt_graph *graph);
double mt_node_flop(const mt_node *node); /* of one */

#endif
