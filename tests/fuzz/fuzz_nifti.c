/* NIfTI volumes, plain and gzip: opened, and a corner of each of the first planes read. */
#include "tests/fuzz/fuzz_target.h"

#include <microtome/case.h>

#define EDGE 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool gzip = size > 1 && data[0] == 0x1f && data[1] == 0x8b;
    g_autoptr(mt_case) c = mt_case_open(fuzz_file_write(data, size, gzip ? ".nii.gz" : ".nii"), NULL, NULL);
    static float corner[EDGE * EDGE * 4];

    for (int64_t plane = 0; c != NULL && plane < MIN(mt_case_planes(c), 3); plane++)
        if (mt_case_channels(c) <= 4)
            mt_case_read(c, plane, 0, -2, -2, EDGE, EDGE, corner, NULL);
    fuzz_file_remove();
    return 0;
}
