/* The reverse graph: nodes that compute how a loss changes with some values of a graph (reverse-mode differentiation).
 * The appended nodes are ordinary ONNX operators, so that every backend runs them and they can be differentiated again. */
#ifndef MT_GRADIENT_H
#define MT_GRADIENT_H

#include "kernels/graph/graph.h"

/* Appends to `graph`, whose shapes are all known (mt_graph_infer), the gradients of
 *     sum over i of sum(seeds[i] * outputs[i])
 * with respect to each of targets[0 .. n_targets-1]: inputs, constants or values in between.  seeds[i] has the shape and type of
 * outputs[i]; NULL: ones.  gradients[j] has the shape of targets[j]; zeros where nothing depends on it.  What needs no gradient
 * gets no nodes.  New values have no shapes until mt_graph_infer runs again.
 * MT_ERROR_MODEL for an operator on the way whose gradient is not known (the message names it and its node); the graph then
 * keeps unused nodes, which mt_graph_sweep drops. */
bool mt_graph_add_gradients(mt_graph *graph, mt_value *const *outputs, mt_value *const *seeds, int n_outputs, mt_value *const *targets,
                            int n_targets, mt_value **gradients, GError **error);

/* Whether the operator of this name has a gradient. */
bool mt_gradient_is_known(const char *op);

#endif
