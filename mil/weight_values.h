/* What one tensor of a checkpoint is, whatever the file's format, and its values as float32. */
#ifndef MT_WEIGHT_VALUES_H
#define MT_WEIGHT_VALUES_H

#include <microtome/error.h>
#include <microtome/tensor.h>

typedef struct mt_weight {
    char       *name;
    const char *dtype; /* as safetensors spells it: "F32", "I64", ... */
    int         rank;
    int64_t     shape[MT_MAX_RANK];
    int64_t     count;      /* elements */
    size_t      begin, end; /* bytes from the start of the file */
} mt_weight;

/* Bytes of one element; 0 for a type that is not known. */
size_t mt_weight_item_bytes(const char *dtype);
/* Whether it holds F64, F32, F16 or BF16. */
bool mt_weight_is_float(const mt_weight *weight);
/* A copy as float32 of `data`: `count` elements in order, little-endian, aligned to nothing.  MT_ERROR_MODEL for another
 * type, and for NaN or infinity. */
mt_tensor *mt_weight_to_tensor(const mt_weight *weight, const char *data, GError **error);

#endif
