/* timm's and Hugging Face's JSON beside a model. */
#include "tests/fuzz/fuzz_target.h"

#include "src/encoder/timm_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool understood;
    g_autoptr(mt_card) card = mt_timm_config_read(fuzz_file_write(data, size, ".json"), &understood, NULL);

    if (card != NULL)
        mt_card_complete(card, 224, "fuzz", NULL);
    fuzz_file_remove();
    return 0;
}
