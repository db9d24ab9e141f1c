/* The reader of pickles alone: the whole input is one. */
#include "tests/fuzz/fuzz_target.h"

#include "mil/pickle_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used = 0;
    g_autoptr(mt_pickle) pickle = mt_pickle_read((const char *)data, size, &used, NULL);

    g_assert(pickle == NULL || (used <= size && mt_pickle_root(pickle) != NULL));
    for (uint32_t i = 0; pickle != NULL && i < mt_pickle_n(pickle); i++)
        g_assert(mt_pickle_get(pickle, i)->kind <= MT_PICKLE_OPAQUE);
    return 0;
}
