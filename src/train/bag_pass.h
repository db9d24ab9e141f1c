/* One bag through a network that learns: forward to its logits, back to the gradient of every weight.
 *   attention   M_k = sum of softmax(s_k) h; logits = W M_0 + b, or with a branch per class logit_c = w_c . M_c + b_c
 *   max         the logits of the tile with the highest probability of the last of two classes (of any class where there are more)
 * and CLAM's instance loss (Lu et al. 2021): of the bag's class the k tiles with most and the k with least attention should be told
 * apart by a classifier of that class; where there are more than two classes, the tops of the others should not be theirs.
 * Threads share blocks of tiles; sums run over blocks in their order, so the bytes do not depend on the threads. */
#ifndef MT_BAG_PASS_H
#define MT_BAG_PASS_H

#include "src/train/tile_network.h"

#include <microtome/bag.h>

typedef struct mt_bag_network {
    int64_t dim, hidden, attention, n_logits;
    bool    max_pool, branch_per_class; /* neither: one branch */
    int     instance_k;                 /* 0: no instance classifiers */
    double  instance_weight;            /* the bag's own loss has 1 minus this; 0: they are not learnt */
    double  dropout;
    int     threads;
} mt_bag_network;

/* Where each weight begins in the one array that holds them all. */
typedef struct mt_bag_layout {
    int64_t tile[MT_TILE_NETWORK_WEIGHTS];
    int64_t classifier, classifier_bias; /* -1: with max, whose logits are the tile network's */
    int64_t instance;                    /* n_logits times (2 x hidden, then 2); -1: none */
    int64_t n;
} mt_bag_layout;

typedef struct mt_bag_pass mt_bag_pass;

mt_bag_pass         *mt_bag_pass_new(const mt_bag_network *network, GError **error);
void                 mt_bag_pass_free(mt_bag_pass *pass);
const mt_bag_layout *mt_bag_pass_layout(const mt_bag_pass *pass);
int                  mt_bag_pass_n_tile_weights(const mt_bag_pass *pass);
/* Xavier's normal for weights, 0 for biases, as CLAM begins. */
void mt_bag_pass_begin(const mt_bag_pass *pass, uint64_t seed, float *weights);

/* logits: n_logits.  learn: with dropout from `seed`, and what the way back needs is kept until then.  The bag is not empty. */
bool mt_bag_pass_forward(mt_bag_pass *pass, const float *weights, const mt_bag *bag, bool learn, uint64_t seed, double *logits,
                         GError **error);
/* After forward with `learn`.  slope: of the loss by the logits; bag_class: for the instance loss, -1: none.  gradient: overwritten. */
bool mt_bag_pass_backward(mt_bag_pass *pass, const float *weights, const double *slope, int bag_class, float *gradient, GError **error);

/* Of the last backward: the mean over its classifiers of CLAM's instance loss; NAN: there was none. */
double mt_bag_pass_instance_loss(const mt_bag_pass *pass);

/* Uniform in [0, 1): the same for the same (seed, index). */
double mt_bag_random(uint64_t seed, uint64_t index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_bag_pass, mt_bag_pass_free)

#endif
