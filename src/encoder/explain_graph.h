/* What an explanation needs of a classifier's graph: where its classes come from, which pictures of features they are made of, which
 * attention maps it has.  Graphs are bound (batch 1) and inferred. */
#ifndef MT_EXPLAIN_GRAPH_H
#define MT_EXPLAIN_GRAPH_H

#include "kernels/graph/graph.h"

/* Places of a value of features, and how its elements lie: (1, C, S, S), (1, S, S, C), S > 1, or tokens (1, T, C).  Inputs are square, so are
 * features. */
typedef struct mt_explain_places {
    int64_t channels, rows, columns; /* of tokens rows is T and columns 1 */
    int64_t step_channel, step_place;
    bool    tokens;
} mt_explain_places;

/* False: the value has no places. */
bool mt_explain_read_places(const mt_value *value, mt_explain_places *places);

/* The value before softmax, sigmoid and what only changes its shape: whose gradient is asked for. */
mt_value *mt_explain_logits(mt_value *output);

/* Zhou et al. 2016: logits are a linear layer over the mean of a picture of features. */
typedef struct mt_explain_linear {
    mt_value *features; /* (1, C, spatial..) or (1, T, C) */
    mt_tensor
           *weights; /* of class k and channel c: data[k * step_class + c * step_channel]; NULL: the features are the classes themselves */
    int64_t step_class, step_channel, channels;
    double  scale;
} mt_explain_linear;

bool mt_explain_find_linear(mt_value *logits, mt_explain_linear *linear);

/* The last picture of features through which all goes that the logits depend on; NULL: there is none, or attention has mixed its
 * places. */
mt_value *mt_explain_last_features(const mt_graph *graph, const mt_value *logits);
/* A value by its name or that of its node, which has places.  MT_ERROR_MODEL names some that are. */
mt_value *mt_explain_find_layer(const mt_graph *graph, const mt_value *logits, const char *name, GError **error);

/* Where the places of a layer see the input: place i is centred on input px start + i jump (Araujo, Norris and Sim 2019).  False: the way there
 * has more than windows and element-wise operators. */
bool mt_explain_centres(const mt_value *layer, double start[2], double jump[2]);

/* Attention probabilities (.., T, T), first layer first; none: not a transformer.  mt_value *. */
GPtrArray *mt_explain_attention(const mt_graph *graph);
/* Rows and columns of the patches that T tokens are of, and how many tokens stand before them; false: they are no grid of patches. */
bool mt_explain_patches(const mt_graph *graph, int64_t tokens, int64_t grid[2], int64_t *prefix);

#endif
