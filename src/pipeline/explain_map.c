#include "src/pipeline/explain_map.h"

#include "src/base/alloc.h"
#include "src/pipeline/case_map.h"
#include "src/store/schema.h"

#include <math.h>

#define PICTURE_PX 512
#define SLIDE_PX 4096
#define MOST_VALUES (INT64_C(1) << 24)

bool mt_explain_map_init(mt_explain_map *map, const mt_case *c, GError **error)
{
    const mt_level *level = mt_case_level(c, 0);
    double          longest = (double)MAX(level->width, level->height);
    double          most = mt_case_get_kind(c) == MT_CASE_SLIDE ? SLIDE_PX : PICTURE_PX;

    most = MIN(most, floor(sqrt((double)MOST_VALUES / (double)mt_case_planes(c))));
    double scale = MIN(1, most / longest);
    map->size[0] = MAX(1, llround((double)level->width * scale));
    map->size[1] = MAX(1, llround((double)level->height * scale));
    map->size[2] = mt_case_planes(c);
    map->px[0] = (double)level->width / (double)map->size[0];
    map->px[1] = (double)level->height / (double)map->size[1];
    map->values = mt_alloc(map->size[0] * map->size[1] * map->size[2], sizeof(float), error);
    return map->values != NULL;
}

void mt_explain_map_clear(mt_explain_map *map)
{
    mt_free(map->values);
    map->values = NULL;
}

void mt_explain_map_put(mt_explain_map *map, const float *values, const mt_explain_grid *grid, const mt_box_frame *frame, double size_px,
                        double factor)
{
    int64_t first[2], end[2], plane = (int64_t)frame->origin[2];

    for (int a = 0; a < 2; a++) { /* of the case's px, what the square covers */
        double from = frame->origin[a] - frame->offset[a] * frame->scale[a], to = from + size_px * frame->scale[a];
        first[a] = (int64_t)CLAMP(floor(from / map->px[a]), 0, (double)map->size[a]);
        end[a] = (int64_t)CLAMP(ceil(to / map->px[a]), 0, (double)map->size[a]);
    }
    for (int64_t y = first[1]; y < end[1]; y++)
        for (int64_t x = first[0]; x < end[0]; x++) {
            double at[2] = {((double)x + 0.5) * map->px[0], ((double)y + 0.5) * map->px[1]};
            for (int a = 0; a < 2; a++)
                at[a] = (at[a] - frame->origin[a]) / frame->scale[a] + frame->offset[a];
            if (at[0] < 0 || at[0] >= size_px || at[1] < 0 || at[1] >= size_px)
                continue;
            float *to = &map->values[(plane * map->size[1] + y) * map->size[0] + x];
            *to = fmaxf(*to, (float)(factor * mt_explain_grid_at(grid, values, at[0] - 0.5, at[1] - 0.5)));
        }
}

void mt_explain_map_scale(mt_explain_map *map, double most)
{
    for (int64_t i = 0; most > 0 && i < map->size[0] * map->size[1] * map->size[2]; i++)
        map->values[i] = (float)((double)map->values[i] / most);
}

bool mt_explain_map_store(mt_explain_map *map, mt_store *store, GError **error)
{
    return mt_case_map_store(store, MT_OBJECT_EXPLANATION, MT_F32, map->size, map->values, error);
}
