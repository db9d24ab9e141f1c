/* Tables: manifests and labels. */
#include "tests/fuzz/fuzz_target.h"

#include "src/base/csv.h"

#include <microtome/batch.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file_write(data, size, ".csv");
    g_autoptr(mt_csv) csv = mt_csv_read(path, NULL);
    g_autoptr(GString) line = g_string_new(NULL);
    const char   *arguments[] = {path, NULL};
    G_GNUC_UNUSED g_autoptr(GPtrArray) cases = mt_batch_cases(arguments, 0, 0, NULL);

    for (guint row = 0; csv != NULL && row < csv->rows->len; row++)
        for (guint column = 0; column < csv->header->len; column++)
            mt_csv_append_text(line, mt_csv_cell(csv, row, (int)column), column == 0);
    fuzz_file_remove();
    return 0;
}
