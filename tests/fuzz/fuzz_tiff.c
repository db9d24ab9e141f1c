/* TIFF: its directories of tiles, and the case they make, with a corner of each of the first levels. */
#include "tests/fuzz/fuzz_target.h"

#include "src/case/tiff_directory.h"

#define EDGE 16

/* OpenSlide strips parts of descriptions that are not there, which GLib complains of and bears.  It also asks for what a directory
 * claims: run the fuzzer with ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=512 and -malloc_limit_mb=8192. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_log_set_default_handler(g_log_default_handler, NULL);
    const char      *path = fuzz_file_write(data, size, ".tif");
    g_autofree char *description = NULL;
    G_GNUC_UNUSED    g_autoptr(GPtrArray) directories = mt_tiff_directories_read(path, &description);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    static float corner[EDGE * EDGE * 4];

    for (int level = 0; c != NULL && level < MIN(mt_case_levels(c), 3); level++)
        if (mt_case_channels(c) <= 4)
            mt_case_read(c, 0, level, -2, -2, EDGE, EDGE, corner, NULL);
    fuzz_file_remove();
    return 0;
}
