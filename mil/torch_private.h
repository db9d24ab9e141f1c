/* Private to the reader of PyTorch checkpoints. */
#ifndef MT_TORCH_PRIVATE_H
#define MT_TORCH_PRIVATE_H

#include "mil/pickle_reader.h"
#include "mil/torch_checkpoint.h"

/* One block of numbers; tensors are views of it. */
typedef struct mt_torch_storage {
    char       *key;
    const char *dtype;
    int64_t     n;     /* elements */
    size_t      begin; /* bytes from the start of the file */
    bool        placed;
} mt_torch_storage;

typedef struct mt_torch_tensor {
    mt_weight               weight; /* first */
    const mt_torch_storage *storage;
    int64_t                 offset, stride[MT_MAX_RANK]; /* elements */
} mt_torch_tensor;

struct mt_torch_checkpoint {
    GMappedFile *map;
    const char  *bytes;
    size_t       size;
    bool         big_endian;
    GHashTable  *storages; /* key -> mt_torch_storage */
    GPtrArray   *tensors;  /* mt_torch_tensor * */
    GString     *skipped;
    int          n_skipped;
    int          heads; /* of its hyper_parameters; 0: not said */
};

/* The storages that the pickle refers to, not yet placed. */
bool mt_torch_collect_storages(mt_torch_checkpoint *file, const mt_pickle *pickle, GError **error);
/* Where the storage's numbers stand; `size` is what the file keeps for it. */
bool mt_torch_place(mt_torch_storage *storage, size_t begin, size_t size, GError **error);
/* The tensors of the state dict in `root`. */
bool mt_torch_collect_tensors(mt_torch_checkpoint *file, const mt_pickle_value *root, GError **error);
/* The whole of a legacy stream. */
bool mt_torch_read_legacy(mt_torch_checkpoint *file, GError **error);

#endif
