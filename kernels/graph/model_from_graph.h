/* A model from a graph that was built in memory rather than read from a file. */
#ifndef MT_MODEL_FROM_GRAPH_H
#define MT_MODEL_FROM_GRAPH_H

#include "kernels/graph/graph.h"

#include <microtome/model.h>

/* Takes `graph`, also on failure; `name` is for messages.  Its ports are the graph's inputs and outputs, its SHA-256 is "". */
mt_model *mt_model_new_from_graph(mt_graph *graph, const char *name, GError **error);

#endif
