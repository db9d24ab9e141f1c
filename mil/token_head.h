/* What heads share that end on a class token in front of the tiles: TransMIL, STAMP's transformer.
 *   h = act(embed x), the class token in front; layers; logits = classifier LN(h)_class */
#ifndef MT_TOKEN_HEAD_H
#define MT_TOKEN_HEAD_H

#include "mil/aggregator.h"
#include "mil/graph_layers.h"

#include <microtome/model.h>

typedef struct mt_token_head {
    mt_linear     embed, classifier;
    mt_tensor    *class_token; /* dim values */
    mt_layer_norm norm;
    GPtrArray    *layers;
    mt_model     *model; /* x (-1,D) -> h (-1,dim) */
    int64_t       dim;
} mt_token_head;

void mt_token_head_init(mt_token_head *self, GDestroyNotify free_layer);
void mt_token_head_clear(mt_token_head *self);
/* The projection, which says dim, and the class token: dim values after `rank` - 1 dimensions of 1. */
bool mt_token_head_take_first(mt_token_head *self, mt_state_dict *dict, const char *embed, const char *class_token, int rank,
                              GError **error);
/* The rest, after the layers; nothing may be left over.  `activation`: of ONNX, after the projection. */
bool mt_token_head_take_last(mt_token_head *self, mt_state_dict *dict, const char *norm, const char *classifier, const char *activation,
                             const char *kind, GError **error);
mt_aggregator_shape mt_token_head_shape(const mt_token_head *self);

/* Logits, embedding and `heads` columns of attention logits for n tiles. */
bool mt_token_head_allocate(const mt_token_head *self, int64_t n, int64_t heads, mt_raw_output *raw, GError **error);
/* The class token into the first of 1 + n rows, the tiles into the others. */
bool mt_token_head_begin(const mt_token_head *self, const mt_bag *bag, int threads, float *rows, GError **error);
/* Embedding and logits from the class token's row after the last layer. */
void mt_token_head_finish(const mt_token_head *self, const float *row, mt_raw_output *raw);

#endif
