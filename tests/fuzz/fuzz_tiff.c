/* TIFF: its directories of tiles, and the case they make, with a corner of each of the first levels. */
#include "tests/fuzz/fuzz_target.h"

#include "src/case/tiff_directory.h"

#define EDGE 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char      *path = fuzz_file_write(data, size, ".tif");
    g_autofree char *description = NULL;
    g_autoptr(GPtrArray) directories = mt_tiff_directories_read(path, &description);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    static float corner[EDGE * EDGE * 4];

    for (int level = 0; c != NULL && level < MIN(mt_case_levels(c), 3); level++)
        if (mt_case_channels(c) <= 4)
            mt_case_read(c, 0, level, -2, -2, EDGE, EDGE, corner, NULL);
    fuzz_file_remove();
    return 0;
}
