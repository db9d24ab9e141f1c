/* The JSON line in front of a result: as a line, and as the first bytes of a file. */
#include "tests/fuzz/fuzz_target.h"

#include "src/result/headline.h"

#include <microtome/result.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *line = g_strndup((const char *)data, size);
    G_GNUC_UNUSED    g_autoptr(mt_headline) headline = mt_headline_parse(line, "fuzz.h5", NULL);
    g_autofree char *stored = mt_result_headline(fuzz_file_write(data, size, ".h5"), NULL);
    G_GNUC_UNUSED    g_autoptr(mt_headline) again = stored != NULL ? mt_headline_parse(stored, "fuzz.h5", NULL) : NULL;

    fuzz_file_remove();
    return 0;
}
