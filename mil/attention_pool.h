/* Attention pooling over a bag, streamed: what ABMIL and both CLAMs have in common.
 *   h = relu(project x), or x        s = logits(tanh(tanh_branch h) * sigmoid(gate h)), or without the gate      per tile
 *   M_k = sum over tiles of softmax(s_k) h                                                     K branches
 *   logits = classifier M_0, or with a branch per class logit_c = row c of the classifier on M_c
 * The per-tile part is a graph, run in blocks of rows by a session; the sums are kept in double, a part per
 * block, merged in the order of the tiles: the bag is read once and never held, and the result does not depend on the threads. */
#ifndef MT_ATTENTION_POOL_H
#define MT_ATTENTION_POOL_H

#include "mil/aggregator.h"

typedef struct mt_attention_layers {
    mt_linear project; /* weight NULL: h = x */
    mt_linear tanh_branch;
    mt_linear gate;             /* weight NULL: not gated */
    mt_linear logits;           /* K rows */
    mt_linear classifier;       /* weight NULL: a slide embedding */
    bool      branch_per_class; /* without a classifier: the pooled vectors one after the other */
    bool      gelu;             /* h = gelu(project x) */
} mt_attention_layers;

void mt_attention_layers_clear(mt_attention_layers *layers);
/* Width of h. */
int64_t mt_attention_layers_hidden(const mt_attention_layers *layers);
/* Take the named layers and hold their shapes against each other; project and gate may be NULL. */
bool mt_attention_layers_take(mt_state_dict *dict, const char *project, const char *tanh_branch, const char *gate, const char *logits,
                              mt_attention_layers *layers, GError **error);
/* MIL-Lab's patch_embed and global_attn, gated or not. */
bool mt_attention_layers_take_global_attn(mt_state_dict *dict, mt_attention_layers *layers, GError **error);
bool mt_attention_layers_take_classifier(mt_state_dict *dict, const char *key, mt_attention_layers *layers, GError **error);
/* MT_ERROR_MODEL unless K is 1. */
bool mt_attention_layers_one_branch(const mt_attention_layers *layers, const char *kind, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_attention_layers, mt_attention_layers_clear)

/* Takes the layers' tensors.  The three below have the types of mt_aggregator's members. */
void *mt_attention_pool_new(mt_attention_layers *layers, mt_aggregator_shape *shape, GError **error);
bool  mt_attention_pool_predict(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error);
void  mt_attention_pool_free(void *self);

#endif
