/* Reading what torch.save wrote: the zip archive of PyTorch 1.6 and later, and the legacy stream before it.
 * The pickle inside is read by mil/pickle_reader.h: nothing in the file is run.  The state dict is looked for in the usual
 * places (the top, "state_dict", "model_state_dict", "model", ..) and nested dictionaries are flattened with dots.
 * Every tensor lies inside its storage and has no more elements than it.  Immutable: share between threads freely. */
#ifndef MT_TORCH_CHECKPOINT_H
#define MT_TORCH_CHECKPOINT_H

#include "mil/weight_values.h"

typedef struct mt_torch_checkpoint mt_torch_checkpoint;

/* MT_ERROR_MISSING, MT_ERROR_IO, or MT_ERROR_MODEL: the message names what the file holds that is not read. */
mt_torch_checkpoint *mt_torch_checkpoint_open(const char *path, GError **error);
void                 mt_torch_checkpoint_free(mt_torch_checkpoint *file);
int                  mt_torch_checkpoint_n(const mt_torch_checkpoint *file);
const mt_weight     *mt_torch_checkpoint_get(const mt_torch_checkpoint *file, int i);
/* n_heads, num_heads or nhead of its hyper_parameters (Lightning); 0: not there. */
int mt_torch_checkpoint_heads(const mt_torch_checkpoint *file);
/* What stands beside the tensors: "epoch, optimizer"; NULL when nothing does. */
const char *mt_torch_checkpoint_skipped(const mt_torch_checkpoint *file);
/* A copy as float32, in the order of its shape whatever its strides. */
mt_tensor *mt_torch_checkpoint_read(const mt_torch_checkpoint *file, const mt_weight *weight, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_torch_checkpoint, mt_torch_checkpoint_free)

#endif
