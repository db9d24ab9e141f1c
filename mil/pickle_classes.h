/* The names that a pickle may refer to: storages, the functions that rebuild tensors, and plain containers. */
#ifndef MT_PICKLE_CLASSES_H
#define MT_PICKLE_CLASSES_H

#include "mil/pickle_reader.h"

typedef enum mt_pickle_action {
    MT_PICKLE_MAKES_DICT,      /* (), or (pairs,) */
    MT_PICKLE_MAKES_TUPLE,     /* (items,) */
    MT_PICKLE_MAKES_TENSOR,    /* (storage, offset, size, stride, ..) */
    MT_PICKLE_MAKES_PARAMETER, /* (tensor, ..) */
    MT_PICKLE_MAKES_OPAQUE,
    MT_PICKLE_MAKES_NOTHING, /* stands for itself, is never called */
} mt_pickle_action;

typedef struct mt_pickle_class {
    const char      *module, *name;
    mt_pickle_action action;
    const char      *storage; /* element type of a storage class */
} mt_pickle_class;

/* NULL for any other name. */
const mt_pickle_class *mt_pickle_class_find(const char *module, size_t module_bytes, const char *name, size_t name_bytes);

#endif
