/* How many heads an attention has whose weights do not show it (torch.nn.MultiheadAttention keeps those of all heads in one matrix). */
#ifndef MT_ATTENTION_HEADS_H
#define MT_ATTENTION_HEADS_H

#include "mil/state_dict.h"

/* What STAMP and MONAI build where nobody asks for another number. */
#define MT_ATTENTION_HEADS 8

/* `keyed` where the keys show it (> 0); else what the card says, the checkpoint's hyper_parameters, or MT_ATTENTION_HEADS.  MT_ERROR_MODEL
 * where two of them differ. */
bool mt_attention_heads_find(const mt_state_dict *dict, int64_t keyed, int64_t *heads, GError **error);

#endif
