#include "mil/pickle_classes.h"

#include <string.h>

/* torch.float32 and its like stand in hyper-parameters. */
#define DTYPE(name)                                                                                                                        \
    {                                                                                                                                      \
        "torch", name, MT_PICKLE_MAKES_NOTHING, NULL                                                                                       \
    }
#define STORAGE(name, type)                                                                                                                \
    {                                                                                                                                      \
        "torch", name "Storage", MT_PICKLE_MAKES_NOTHING, type                                                                             \
    }

static const mt_pickle_class table[] = {
    {"collections", "OrderedDict", MT_PICKLE_MAKES_DICT, NULL},
    {"builtins", "set", MT_PICKLE_MAKES_OPAQUE, NULL},
    {"__builtin__", "set", MT_PICKLE_MAKES_OPAQUE, NULL},
    {"torch", "Size", MT_PICKLE_MAKES_TUPLE, NULL},
    {"torch", "device", MT_PICKLE_MAKES_OPAQUE, NULL},
    {"torch._utils", "_rebuild_tensor", MT_PICKLE_MAKES_TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor_v2", MT_PICKLE_MAKES_TENSOR, NULL},
    {"torch._utils", "_rebuild_parameter", MT_PICKLE_MAKES_PARAMETER, NULL},
    /* bytes in pickles of protocol 2, and numbers of numpy (a best score beside the weights) */
    {"_codecs", "encode", MT_PICKLE_MAKES_OPAQUE, NULL},
    {"numpy", "dtype", MT_PICKLE_MAKES_OPAQUE, NULL},
    {"numpy.core.multiarray", "scalar", MT_PICKLE_MAKES_OPAQUE, NULL},
    {"numpy._core.multiarray", "scalar", MT_PICKLE_MAKES_OPAQUE, NULL},
    STORAGE("Float", "F32"),
    STORAGE("Double", "F64"),
    STORAGE("Half", "F16"),
    STORAGE("BFloat16", "BF16"),
    STORAGE("Long", "I64"),
    STORAGE("Int", "I32"),
    STORAGE("Short", "I16"),
    STORAGE("Char", "I8"),
    STORAGE("Byte", "U8"),
    STORAGE("Bool", "BOOL"),
    DTYPE("float32"),
    DTYPE("float64"),
    DTYPE("float16"),
    DTYPE("bfloat16"),
    DTYPE("int64"),
    DTYPE("int32"),
    DTYPE("int16"),
    DTYPE("int8"),
    DTYPE("uint8"),
    DTYPE("bool"),
};

static bool equal(const char *wanted, const char *text, size_t bytes)
{
    return strlen(wanted) == bytes && memcmp(wanted, text, bytes) == 0;
}

const mt_pickle_class *mt_pickle_class_find(const char *module, size_t module_bytes, const char *name, size_t name_bytes)
{
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        if (equal(table[i].module, module, module_bytes) && equal(table[i].name, name, name_bytes))
            return &table[i];
    return NULL;
}
