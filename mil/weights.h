/* The tensors of a checkpoint, from any format that is read: safetensors (FILE.safetensors) or what torch.save wrote
 * (FILE.pt, FILE.pth, FILE.ckpt).  Aggregators see this alone.  Immutable: share between threads freely. */
#ifndef MT_WEIGHTS_H
#define MT_WEIGHTS_H

#include "mil/weight_values.h"

typedef struct mt_weights mt_weights;

/* Whether the file's ending is one of a checkpoint. */
bool mt_weights_is_name(const char *path);
/* MT_ERROR_MISSING, MT_ERROR_IO, or MT_ERROR_MODEL: the message names the file, the tensor and the rule it breaks. */
mt_weights *mt_weights_open(const char *path, GError **error);
void        mt_weights_free(mt_weights *weights);
int         mt_weights_n(const mt_weights *weights);
/* In the order of the file. */
const mt_weight *mt_weights_get(const mt_weights *weights, int i);
/* Text beside the tensors (__metadata__ of safetensors) as char * -> char *; empty where the format has none. */
GHashTable *mt_weights_metadata(const mt_weights *weights);
/* Heads of an attention, where a training script noted them beside the tensors; 0: it did not. */
int mt_weights_heads(const mt_weights *weights);
/* What the file holds and no reader looks at ("optimizer, epoch"); NULL when nothing was left out. */
const char *mt_weights_skipped(const mt_weights *weights);
/* A copy as float32.  MT_ERROR_MODEL for another type, and for NaN or infinity. */
mt_tensor *mt_weights_read(const mt_weights *weights, const mt_weight *weight, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_weights, mt_weights_free)

#endif
