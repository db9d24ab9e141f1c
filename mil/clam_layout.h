/* Where CLAM's checkpoints keep their layers: attention_net is Linear, ReLU, (Dropout,) attention, so the attention stands at
 * index 3, or at 2 in checkpoints made before April 2024 with dropout off. */
#ifndef MT_CLAM_LAYOUT_H
#define MT_CLAM_LAYOUT_H

#include "mil/attention_pool.h"

/* Attention branches; 0 when these are not CLAM's keys. */
int64_t mt_clam_branches(const mt_state_dict *dict);
/* Projection and attention, the classifiers are left to the caller. */
bool mt_clam_take_layers(mt_state_dict *dict, mt_attention_layers *layers, GError **error);

#endif
