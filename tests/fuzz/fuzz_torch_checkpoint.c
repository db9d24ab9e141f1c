/* Checkpoints of PyTorch: archive or legacy stream, pickle, tensors, and the head that may be made of them. */
#include "tests/fuzz/fuzz_target.h"

#include "mil/torch_checkpoint.h"

#include <microtome/head.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file_write(data, size, ".pt");
    g_autoptr(mt_torch_checkpoint) file = mt_torch_checkpoint_open(path, NULL);

    for (int i = 0; file != NULL && i < mt_torch_checkpoint_n(file); i++) {
        const mt_weight *weight = mt_torch_checkpoint_get(file, i);
        g_autoptr(mt_tensor) tensor = mt_torch_checkpoint_read(file, weight, NULL);
        g_assert(weight->end <= size && (tensor == NULL || mt_weight_is_float(weight)));
    }
    G_GNUC_UNUSED g_autoptr(mt_head) head = file != NULL ? mt_head_load(path, NULL) : NULL;
    fuzz_file_remove();
    return 0;
}
