/* Volumes behind a text header, NRRD and MetaImage: opened, and a corner of each of the first planes read. */
#include "tests/fuzz/fuzz_target.h"

#include <microtome/case.h>

#define EDGE 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool                  nrrd = size > 1 && data[0] == 'N' && data[1] == 'R';
    const mt_case_options options = {.backend = nrrd ? "nrrd" : "metaimage"};
    g_autoptr(mt_case) c = mt_case_open(fuzz_file_write(data, size, nrrd ? ".nrrd" : ".mha"), &options, NULL);
    static float corner[EDGE * EDGE * 4];

    for (int64_t plane = 0; c != NULL && plane < MIN(mt_case_planes(c), 3); plane++)
        mt_case_read(c, plane, 0, -2, -2, EDGE, EDGE, corner, NULL);
    fuzz_file_remove();
    return 0;
}
