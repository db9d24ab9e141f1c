/* Reading safetensors: eight bytes of length, a JSON header, and one buffer of tensors.
 * The file is mapped; nothing in it is believed before it is checked, so a reader that was opened is consistent.
 * Immutable: share between threads freely. */
#ifndef MT_SAFETENSORS_H
#define MT_SAFETENSORS_H

#include "mil/weight_values.h"

typedef struct mt_safetensors mt_safetensors;

typedef mt_weight mt_safetensors_entry;

/* MT_ERROR_MISSING, MT_ERROR_IO, or MT_ERROR_MODEL: the message names the tensor and the rule it breaks. */
mt_safetensors *mt_safetensors_open(const char *path, GError **error);
void            mt_safetensors_free(mt_safetensors *file);
int             mt_safetensors_n(const mt_safetensors *file);
/* In the order of the header. */
const mt_safetensors_entry *mt_safetensors_get(const mt_safetensors *file, int i);
/* NULL when absent. */
const mt_safetensors_entry *mt_safetensors_find(const mt_safetensors *file, const char *name);
/* __metadata__ as char * -> char *; empty when the file has none. */
GHashTable *mt_safetensors_metadata(const mt_safetensors *file);
/* Whether it holds F64, F32, F16 or BF16. */
bool mt_safetensors_is_float(const mt_safetensors_entry *entry);
/* A copy as float32.  MT_ERROR_MODEL for another type, and for NaN or infinity. */
mt_tensor *mt_safetensors_read(const mt_safetensors *file, const mt_safetensors_entry *entry, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_safetensors, mt_safetensors_free)

#endif
