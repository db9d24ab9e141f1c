/* Regions drawn by people: GeoJSON. */
#include "tests/fuzz/fuzz_target.h"

#include "tiling/annotation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t origin[2] = {1000, -7};
    g_autoptr(mt_annotation) annotation = mt_annotation_parse((const char *)data, size, "fuzz.geojson", origin, NULL);

    for (guint i = 0; annotation != NULL && i < annotation->regions->len; i++) {
        const mt_region *region = &g_array_index(annotation->regions, mt_region, i);
        if (region->first + region->n_rings > annotation->rings->n || region->n_rings < 1)
            g_error("a region of rings that are not there");
    }
    return 0;
}
