/* A reader of pickles that runs nothing: a stack machine that knows the opcodes of plain containers and of tensors as
 * torch.save writes them.  Whatever else a pickle refers to is refused by name; no name is ever looked up.
 * Memory is bounded by the pickle's own bytes and by MT_LIMIT_PICKLE_VALUES; values refer to each other freely (a list may
 * hold itself), so whoever walks them counts the steps. */
#ifndef MT_PICKLE_READER_H
#define MT_PICKLE_READER_H

#include <microtome/error.h>

typedef enum mt_pickle_kind {
    MT_PICKLE_NONE,
    MT_PICKLE_BOOL,
    MT_PICKLE_INT,
    MT_PICKLE_LONG, /* an integer beyond 64 bits: its little-endian bytes */
    MT_PICKLE_FLOAT,
    MT_PICKLE_TEXT,
    MT_PICKLE_BYTES,
    MT_PICKLE_TUPLE,
    MT_PICKLE_LIST, /* and sets */
    MT_PICKLE_DICT, /* keys and values by turns */
    MT_PICKLE_CLASS,
    MT_PICKLE_STORAGE, /* the tuple of its persistent id */
    MT_PICKLE_TENSOR,  /* the arguments of _rebuild_tensor */
    MT_PICKLE_OPAQUE,  /* a plain value of no use here: numpy scalar, device */
} mt_pickle_kind;

typedef struct mt_pickle_value mt_pickle_value;
struct mt_pickle_value {
    mt_pickle_kind kind;
    uint32_t       depth;       /* 0: holds nothing */
    uint32_t       n, reserved; /* items or bytes */
    union {
        int64_t           integer; /* BOOL, INT */
        double            real;
        const char       *bytes; /* TEXT, BYTES, LONG: in the pickle itself */
        mt_pickle_value **items; /* TUPLE, LIST, DICT, STORAGE, TENSOR */
        const void *class;
    };
};

typedef struct mt_pickle mt_pickle;

/* The pickle at the start of `bytes`, which must outlive it; `used` (or NULL) is told how many bytes it took.
 * MT_ERROR_MODEL: the message names the opcode or what the pickle refers to. */
mt_pickle             *mt_pickle_read(const char *bytes, size_t size, size_t *used, GError **error);
void                   mt_pickle_free(mt_pickle *pickle);
const mt_pickle_value *mt_pickle_root(const mt_pickle *pickle);
/* All values that were made, in the pickle's order. */
uint32_t               mt_pickle_n(const mt_pickle *pickle);
const mt_pickle_value *mt_pickle_get(const mt_pickle *pickle, uint32_t i);

bool mt_pickle_is_text(const mt_pickle_value *value, const char *text);
/* The value of a dictionary's key; NULL when absent. */
const mt_pickle_value *mt_pickle_find(const mt_pickle_value *dict, const char *key);
/* The element type of a storage class as safetensors spells it ("F32"); NULL when the value is no such class. */
const char *mt_pickle_storage_type(const mt_pickle_value *value);
/* For messages: at most 80 characters, control characters escaped; free with g_free. */
char *mt_pickle_shown(const char *bytes, size_t size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_pickle, mt_pickle_free)

#endif
