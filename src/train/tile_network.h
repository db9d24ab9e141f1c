/* The part of a network that sees one tile at a time, with weights that change: forward, and the gradients of its weights.
 *   h = relu(project x)     s = logits(tanh(tanh_branch h) * sigmoid(gate h)), or s = logits(h)     K a tile
 * Rows go through in blocks of fixed size, the last one filled up with zeros, whose slopes are zero: they add nothing.  A session
 * computes one block on one thread; blocks are what threads share. */
#ifndef MT_TILE_NETWORK_H
#define MT_TILE_NETWORK_H

#include <microtome/error.h>

#define MT_TILE_BLOCK_ROWS 256

typedef struct mt_tile_network mt_tile_network;

typedef struct mt_tile_network_params {
    int64_t dim, hidden;
    int64_t attention; /* width of the branches; 0: s = logits(h) */
    int64_t n_logits;  /* K */
    bool    dropout;   /* blocks carry masks */
} mt_tile_network_params;

/* The weights, in this order: project, tanh_branch, gate, logits; weight (out, in) then bias (out) of each; logits alone without branches. */
#define MT_TILE_NETWORK_WEIGHTS 8

/* MT_ERROR_MEMORY, MT_ERROR_INTERNAL. */
mt_tile_network *mt_tile_network_new(const mt_tile_network_params *params, GError **error);
void             mt_tile_network_free(mt_tile_network *network);
/* How many weights there are (8 or 4), and the shape of one: 2 or 1 dimensions. */
int mt_tile_network_n_weights(const mt_tile_network *network);
int mt_tile_network_weight_shape(const mt_tile_network *network, int i, int64_t shape[2]);

/* One block's rows on their way. */
typedef struct mt_tile_block {
    int     size_class; /* which sessions */
    int64_t rows;       /* of the bag; the rest are zeros */
    float  *x;          /* size x dim */
    float  *masks[3];   /* of h (size x hidden), tanh and gate (size x attention); NULL without dropout */
    float  *h, *s;      /* size x hidden, size x K */
    float  *saved;      /* what the way back needs */
    float  *dh, *ds;    /* slopes of h and s, set by the caller */
} mt_tile_block;

/* Smallest size that holds `rows` (<= MT_TILE_BLOCK_ROWS); contents are not set. */
mt_tile_block *mt_tile_block_new(const mt_tile_network *network, int64_t rows, GError **error);
void           mt_tile_block_free(mt_tile_block *block);
int64_t        mt_tile_block_size(const mt_tile_block *block);

/* Sessions of one thread. */
typedef struct mt_tile_sessions mt_tile_sessions;
mt_tile_sessions               *mt_tile_sessions_new(const mt_tile_network *network, GError **error);
void                            mt_tile_sessions_free(mt_tile_sessions *sessions);
/* x and masks to h, s and saved. */
bool mt_tile_forward(mt_tile_sessions *sessions, const float *const *weights, mt_tile_block *block, GError **error);
/* dh and ds to the gradient of every weight, overwritten. */
bool mt_tile_backward(mt_tile_sessions *sessions, const float *const *weights, const mt_tile_block *block, float *const *gradients,
                      GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_tile_network, mt_tile_network_free)

#endif
