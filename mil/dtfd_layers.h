/* The layers of DTFD-MIL, and the graph of what it computes for each tile (dtfd.c). */
#ifndef MT_DTFD_LAYERS_H
#define MT_DTFD_LAYERS_H

#include "mil/graph_layers.h"

#include <microtome/model.h>

/* s = logits(tanh(V h) * sigmoid(U h)) */
typedef struct mt_dtfd_attention {
    mt_linear tanh_branch, gate, logits;
} mt_dtfd_attention;

typedef struct mt_dtfd_layers {
    int64_t           dim, hidden, classes;
    mt_tensor        *reduce; /* hidden x dim, no bias */
    GPtrArray        *blocks; /* mt_tensor *, two of hidden x hidden for each residual block */
    mt_dtfd_attention first, second;
    mt_linear         classifier, slide_classifier;
} mt_dtfd_layers;

/* What mt_dtfd_model gives, in this order. */
enum { MT_DTFD_ATTENTION, MT_DTFD_SLIDE, MT_DTFD_CAM, MT_DTFD_HIDDEN, MT_DTFD_N_OUTPUTS };

bool mt_dtfd_recognise(const mt_state_dict *dict);
bool mt_dtfd_layers_take(mt_state_dict *dict, mt_dtfd_layers *layers, GError **error);
void mt_dtfd_layers_clear(mt_dtfd_layers *layers);

/* features -> s, the slide's logits of a tile alone, classifier's weights on h, h */
mt_model *mt_dtfd_model(const mt_dtfd_layers *layers, GError **error);

/* The second tier over n pseudo-features: weights (n, sum 1), their mean (hidden), logits (classes). */
bool mt_dtfd_second_tier(const mt_dtfd_layers *layers, const double *pseudo, int64_t n, double *weights, double *mean, double *logits,
                         GError **error);

#endif
