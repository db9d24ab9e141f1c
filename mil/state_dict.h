/* The weights of a checkpoint under their canonical names, and which of them were used.
 * Wrappers leave traces in the names: "model." (Lightning, Hugging Face), "vision_transformer." (STAMP) and "module." (DataParallel) in front, ".module"
 * inside (CLAM's attention without gate).  They are taken off, so an aggregator knows one spelling of each key.  What only
 * training needs (instance_loss_fn, instance_classifiers) is left out.  One thread at a time. */
#ifndef MT_STATE_DICT_H
#define MT_STATE_DICT_H

#include "mil/weights.h"

typedef struct mt_state_dict mt_state_dict;

/* `file` must outlive it.  MT_ERROR_MODEL when two keys have one canonical name. */
mt_state_dict *mt_state_dict_new(const mt_weights *file, GError **error);
void           mt_state_dict_free(mt_state_dict *dict);

/* The shape of a key, NULL when absent.  mt_state_dict_has_linear: KEY.weight is there. */
const mt_weight *mt_state_dict_find(const mt_state_dict *dict, const char *key);
bool             mt_state_dict_has_linear(const mt_state_dict *dict, const char *key);
/* Heads of an attention, where they are said beside the tensors: by the head's card, by the training script.  0: not said. */
void mt_state_dict_set_card_heads(mt_state_dict *dict, int heads);
int  mt_state_dict_card_heads(const mt_state_dict *dict);
int  mt_state_dict_noted_heads(const mt_state_dict *dict);
/* How many keys there are. */
guint mt_state_dict_n(const mt_state_dict *dict);
/* Whether the file had a key that contains `text`, also among those left out. */
bool mt_state_dict_mentions(const mt_state_dict *dict, const char *text);

/* y = W x + b as PyTorch stores it: weight (out, in), bias (out). */
typedef struct mt_linear {
    mt_tensor *weight, *bias;
    int64_t    out, in;
    char      *key;
} mt_linear;

void mt_linear_clear(mt_linear *linear);
/* KEY.weight and KEY.bias.  A width or height that is wanted (> 0) and differs is MT_ERROR_MODEL: the message names both
 * keys and shapes; `because` is the layer that sets the expectation, NULL when there is none. */
bool mt_state_dict_take_linear(mt_state_dict *dict, const char *key, int64_t in, int64_t out, const mt_linear *because, mt_linear *linear,
                               GError **error);
/* Any other tensor by its whole key; the dimensions of `shape` that are not -1 are wanted.  MT_ERROR_MODEL names key and both shapes. */
mt_tensor *mt_state_dict_take_tensor(mt_state_dict *dict, const char *key, int rank, const int64_t *shape, GError **error);
/* Keys that begin so take no part in what is computed: they are known, and left out. */
void mt_state_dict_leave_out(mt_state_dict *dict, const char *prefix);
/* Every float tensor was taken: weights that change the result are never left aside in silence.  Integers (counters) may stay. */
bool mt_state_dict_check_used(const mt_state_dict *dict, const char *kind, GError **error);
/* The first few keys, for messages; free with g_free. */
char *mt_state_dict_keys(const mt_state_dict *dict);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_state_dict, mt_state_dict_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(mt_linear, mt_linear_clear)

#endif
