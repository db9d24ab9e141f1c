/* Which nodes of a graph compute in int8, and which values carry QuantizeLinear and DequantizeLinear for them.
 *
 * A layer is a Conv, MatMul or Gemm with constant weights.  In a convolutional net the nodes between layers that keep their numbers
 * (Add of two such values, MaxPool, AveragePool, Concat, Flatten) compute in int8 too, so that values stay 8-bit from layer to layer;
 * in a transformer only the inputs of layers are 8-bit. */
#ifndef MT_QUANTIZE_PLAN_H
#define MT_QUANTIZE_PLAN_H

#include "kernels/graph/graph.h"

typedef enum mt_keep_why {
    MT_KEEP_NOT,        /* the layer is quantised */
    MT_KEEP_BY_NAME,    /* the caller's wish */
    MT_KEEP_BY_KIND,    /* too small to matter: a gate over one pixel */
    MT_KEEP_BY_MEASURE, /* it cost too much */
} mt_keep_why;

typedef struct mt_layer {
    mt_node    *node; /* input 0 is the activation, input 1 the weights, input 2 the bias if there is one */
    int         axis; /* of the weights' output channels */
    mt_keep_why keep;
    double      snr_db; /* NaN: not measured */
} mt_layer;

typedef struct mt_quantize_plan {
    mt_graph   *graph;  /* not owned */
    GArray     *layers; /* mt_layer */
    bool        convolutional;
    GHashTable *nodes;  /* mt_node that compute in int8 */
    GPtrArray  *values; /* mt_value that are quantised for them, in the graph's order */
} mt_quantize_plan;

mt_quantize_plan *mt_quantize_plan_new(mt_graph *graph);
void              mt_quantize_plan_free(mt_quantize_plan *plan);
/* Works `nodes` and `values` out anew from what layers are kept. */
void      mt_quantize_plan_update(mt_quantize_plan *plan);
mt_layer *mt_quantize_plan_layer(const mt_quantize_plan *plan, guint i);
/* The value whose range `value` takes over, since the node between picks among its elements; `value` itself else. */
mt_value *mt_quantize_plan_source(const mt_quantize_plan *plan, mt_value *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_quantize_plan, mt_quantize_plan_free)

#endif
