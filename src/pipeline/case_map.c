/* What a network says of every voxel of a case: its memory, its place in the result. */
#include "src/pipeline/case_map.h"
#include "src/base/alloc.h"

void mt_case_map_clear(mt_case_map *map)
{
    mt_free(map->labels);
    mt_free(map->probability);
    map->labels = NULL;
    map->probability = NULL;
}

int64_t mt_case_map_voxels(const mt_case_map *map)
{
    return map->size[0] * map->size[1] * map->size[2];
}

bool mt_case_map_store(mt_store *store, const char *object, mt_dtype dtype, const int64_t size[3], void *values, GError **error)
{
    int64_t shape[] = {size[2], size[1], size[0]};
    g_autoptr(mt_tensor) map = mt_tensor_new_view(dtype, 3, shape, values, NULL);

    return mt_store_write_packed(store, object, map, error);
}
