/* One layer of Nystroem attention, as TransMIL has it (Xiong et al. 2021):
 *   x = LN(h), zero rows in front of it up to a multiple of m landmarks; they stay keys and queries like any other
 *   q, k, v = x W; q scaled by width^-0.5       q~, k~ = means of n/m consecutive rows
 *   A1 = softmax(q k~'), A2 = softmax(q~ k~'), A3 = softmax(q~ k')          per head
 *   A2+ by six steps from A2'/(largest row sum x largest column sum), both over all heads
 *   h + W (A1 A2+ A3 v + depthwise convolution of v along the rows) + b     without the front rows
 * What joins rows with landmarks is a graph that runs in blocks of rows; no matrix of n x n or n x m is ever held. */
#ifndef MT_NYSTROM_H
#define MT_NYSTROM_H

#include "mil/graph_layers.h"

#include <microtome/model.h>

typedef struct mt_nystrom mt_nystrom;

/* The tokens of one bag and what the layers keep of them, row-major; every buffer has `padded` rows of `dim` floats and the
 * first `front` rows of q, k and v are zero. */
typedef struct mt_nystrom_tokens {
    int64_t n, padded, front, dim;
    float  *h; /* n rows */
    float  *q, *k, *v;
    int     threads;
} mt_nystrom_tokens;

/* Takes NORM.* and ATTENTION.to_qkv, .to_out.0, .res_conv; dim/2 landmarks, heads as many as res_conv has. */
mt_nystrom *mt_nystrom_new(mt_state_dict *dict, const char *norm, const char *attention, int64_t dim, GError **error);
void        mt_nystrom_free(mt_nystrom *self);
int64_t     mt_nystrom_heads(const mt_nystrom *self);

bool mt_nystrom_tokens_allocate(mt_nystrom_tokens *tokens, int64_t n, int64_t dim, int threads, GError **error);
void mt_nystrom_tokens_clear(mt_nystrom_tokens *tokens);
/* What that takes, and what a layer takes besides. */
double mt_nystrom_bytes(const mt_nystrom *self, int64_t n, int threads);

/* The layer for every token, in place. */
bool mt_nystrom_run(const mt_nystrom *self, mt_nystrom_tokens *tokens, GError **error);
/* Only for the first token: its row of h, `dim` values, and its row of A1 A2+ A3 over the other tokens: (n-1) x heads, signed. */
bool mt_nystrom_run_first(const mt_nystrom *self, mt_nystrom_tokens *tokens, float *row, float *attention, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_nystrom, mt_nystrom_free)

#endif
