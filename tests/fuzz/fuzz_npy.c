/* NumPy arrays. */
#include "tests/fuzz/fuzz_target.h"

#include <microtome/tensor.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    G_GNUC_UNUSED g_autoptr(mt_tensor) tensor = mt_tensor_read_npy(fuzz_file_write(data, size, ".npy"), NULL);

    fuzz_file_remove();
    return 0;
}
