/* Writing safetensors: what safetensors.h reads, and what torch and CLAM load. */
#ifndef MT_SAFETENSORS_WRITER_H
#define MT_SAFETENSORS_WRITER_H

#include <microtome/tensor.h>

typedef struct mt_named_tensor {
    const char      *name;
    const mt_tensor *tensor; /* F32, F64, I64, I32 or U8 */
} mt_named_tensor;

/* A file that appears whole, over an older one; the tensors in the order given, the same bytes for the same arguments.
 * `metadata`: key, value, key, value, .., NULL; NULL: none.  MT_ERROR_RANGE: a type without a name here; MT_ERROR_IO. */
bool mt_safetensors_write(const char *path, const mt_named_tensor *tensors, int n, const char *const *metadata, GError **error);

#endif
