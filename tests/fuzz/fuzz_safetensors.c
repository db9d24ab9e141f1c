/* safetensors files: header, tensors, and the head that may be made of them. */
#include "tests/fuzz/fuzz_target.h"

#include "mil/safetensors.h"

#include <microtome/head.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file_write(data, size, ".safetensors");
    g_autoptr(mt_safetensors) file = mt_safetensors_open(path, NULL);

    for (int i = 0; file != NULL && i < mt_safetensors_n(file); i++) {
        g_autoptr(mt_tensor) tensor = mt_safetensors_read(file, mt_safetensors_get(file, i), NULL);
        g_assert(tensor == NULL || mt_safetensors_is_float(mt_safetensors_get(file, i)));
    }
    G_GNUC_UNUSED g_autoptr(mt_head) head = file != NULL ? mt_head_load(path, NULL) : NULL;
    fuzz_file_remove();
    return 0;
}
