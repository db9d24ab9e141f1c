/* The plane of a volume that its small picture shows. */
#include "src/pipeline/key_plane.h"

#include <math.h>
#include <string.h>

int64_t mt_key_plane_of_values(const float *values, const int64_t size[3])
{
    int64_t best = 0, px = size[0] * size[1];
    double  most = -INFINITY;

    for (int64_t z = 0; z < size[2]; z++) {
        double sum = 0;
        for (int64_t i = z * px; i < (z + 1) * px; i++)
            sum += (double)values[i];
        if (sum > most) {
            most = sum;
            best = z;
        }
    }
    return best;
}

int64_t mt_key_plane_of_map(const mt_case_map *map, const uint8_t members[32])
{
    int64_t best = 0, most = -1, px = map->size[0] * map->size[1];

    if (map->probability != NULL)
        return mt_key_plane_of_values(map->probability, map->size);
    for (int64_t z = 0; z < map->size[2]; z++) {
        int64_t n = 0;
        for (int64_t i = z * px; i < (z + 1) * px; i++)
            n += members[map->labels[i] / 8] >> (map->labels[i] % 8) & 1;
        if (n > most) {
            most = n;
            best = z;
        }
    }
    return best;
}

/* The positive one, else that of the highest score. */
static int64_t deciding_class(const mt_case_run *run)
{
    const mt_head_card   *card = mt_pipeline_card(run->p);
    const mt_head_output *o = run->output;
    int64_t               best = 0;

    for (int64_t i = 0; card != NULL && card->positive != NULL && card->labels != NULL && i < o->n_classes; i++)
        if (strcmp(card->labels[i], card->positive) == 0)
            return i;
    for (int64_t i = 1; o->scores != NULL && i < o->n_classes; i++)
        if (o->scores[i] > o->scores[best])
            best = i;
    return best;
}

int64_t mt_key_plane_of_tiles(const mt_case_run *run)
{
    const mt_head_output *o = run->output;
    int64_t               plane = -1;
    double                most = -INFINITY;

    if (o == NULL || run->tiles.grid == NULL || o->n != run->n || (o->tile_scores == NULL && o->attention == NULL))
        return -1;
    int64_t c = deciding_class(run), k = o->n_attention > 1 ? c : 0;
    for (int64_t i = 0; i < run->n && k < MAX(o->n_attention, 1); i++) {
        double attention = o->attention != NULL ? (double)o->attention[i * o->n_attention + k] : 1;
        double value = o->tile_scores == NULL ? attention : (double)o->tile_scores[i * o->n_classes + c];
        if (o->tile_scores != NULL && o->attention != NULL)
            value *= MIN(1, (double)run->n_valid * attention);
        if (run->valid != NULL && run->valid[i] != 0 && value > most) {
            most = value;
            plane = mt_grid_tile(run->tiles.grid, i).plane;
        }
    }
    return plane;
}
