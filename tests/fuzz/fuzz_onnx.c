/* ONNX models: wire format, import, shape inference, constant folding, every graph pass. */
#include "tests/fuzz/fuzz_target.h"

#include <microtome/model.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(mt_model) model = mt_model_load_bytes(bytes, "fuzz.onnx", NULL);

    if (model == NULL)
        return 0;
    G_GNUC_UNUSED g_autofree char *operators = mt_model_operators(model);
    for (int i = 0; i < mt_model_n_inputs(model); i++)
        g_assert(mt_model_input(model, i)->rank <= MT_MAX_RANK);
    return 0;
}
