/* The layers of both spellings of DSMIL, and the graphs of what it computes for each tile (dsmil.c). */
#ifndef MT_DSMIL_LAYERS_H
#define MT_DSMIL_LAYERS_H

#include "mil/graph_layers.h"

#include <microtome/model.h>

typedef struct mt_dsmil_layers {
    bool          millab;
    int64_t       dim, width, classes, query; /* of a feature, of what the streams see, C, of q */
    mt_linear     embed;                      /* weight NULL: none */
    mt_linear     instance, query_in, query_out, value;
    bool          plain_values; /* v(x) = x, and there is no embedding */
    mt_layer_norm norm;         /* weight NULL: none */
    mt_tensor    *joined;       /* C x C x width */
    mt_tensor    *joined_bias;  /* C */
} mt_dsmil_layers;

bool mt_dsmil_recognise(const mt_state_dict *dict);
bool mt_dsmil_layers_take(mt_state_dict *dict, mt_dsmil_layers *layers, GError **error);
void mt_dsmil_layers_clear(mt_dsmil_layers *layers);

/* features -> instance logits */
mt_model *mt_dsmil_score_model(const mt_dsmil_layers *layers, GError **error);
/* features -> q, bag logits of each tile alone, v (unless plain_values) */
mt_model *mt_dsmil_value_model(const mt_dsmil_layers *layers, GError **error);
/* The layer normalisation of one pooled row, in place; nothing without one. */
void mt_dsmil_normalise(const mt_dsmil_layers *layers, double *row);

#endif
