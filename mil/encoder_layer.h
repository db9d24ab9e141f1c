/* One layer of a transformer: softmax attention of every token on every token, then two linear layers, both around a residual.
 *   norm first   h += out(attention(LN1 h));  h += down(act(up(LN2 h)))          STAMP
 *   norm last    h = LN1(h + out(attention(h)));  h = LN2(h + down(act(up h)))   torch.nn.TransformerEncoderLayer, MONAI
 * STAMP's may know the distances of the tokens (mil/distance_attention.h).
 * Tokens are computed in blocks of rows against all keys; no matrix of tokens by tokens is held. */
#ifndef MT_ENCODER_LAYER_H
#define MT_ENCODER_LAYER_H

#include "mil/graph_layers.h"

#include <microtome/model.h>

typedef struct mt_encoder_layer mt_encoder_layer;

typedef struct mt_encoder_layer_names {
    const char *norm1, *attention, *norm2, *up, *down; /* below the layer's key; attention has in_proj_weight, in_proj_bias, out_proj */
    const char *out;                                   /* below `attention`, where it knows distances: instead of out_proj */
    bool        norm_first;
    const char *activation; /* of ONNX */
} mt_encoder_layer_names;

/* Four buffers of n x dim floats. */
typedef struct mt_encoder_tokens {
    int64_t n, dim;
    float  *h, *q, *k, *v;
    int     threads;
    float  *x, *y; /* places, µm, n each; NULL: no layer wants them */
} mt_encoder_tokens;

/* Takes KEY.*; MT_ERROR_MODEL also when the heads (mil/attention_heads.h) do not divide `dim`. */
mt_encoder_layer *mt_encoder_layer_new(mt_state_dict *dict, const char *key, const mt_encoder_layer_names *names, int64_t dim,
                                       GError **error);
void              mt_encoder_layer_free(mt_encoder_layer *self);
int64_t           mt_encoder_layer_heads(const mt_encoder_layer *self);
bool              mt_encoder_layer_wants_places(const mt_encoder_layer *self);

bool   mt_encoder_tokens_allocate(mt_encoder_tokens *tokens, int64_t n, int64_t dim, bool places, int threads, GError **error);
void   mt_encoder_tokens_clear(mt_encoder_tokens *tokens);
double mt_encoder_layer_bytes(const mt_encoder_layer *self, int64_t n, int threads);

/* The layer for the first `rows` tokens, in place; q, k and v are those of this layer afterwards, of all tokens. */
bool mt_encoder_layer_run(const mt_encoder_layer *self, mt_encoder_tokens *tokens, int64_t rows, GError **error);
/* Scores of token 0 on the others, before the softmax: (n-1) x heads. */
void mt_encoder_layer_first_scores(const mt_encoder_layer *self, const mt_encoder_tokens *tokens, float *scores);
/* The layer in a graph, for sequences of `length` rows each, one after the other; `distances` (-1, length, length) where it wants
 * places. */
mt_value *mt_encoder_layer_add(const mt_encoder_layer *self, mt_graph *graph, mt_value *h, int64_t length, mt_value *distances,
                               GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_encoder_layer, mt_encoder_layer_free)

#endif
