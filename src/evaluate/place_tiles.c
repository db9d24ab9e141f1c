/* Findings of a result: tiles that are hotter than those around them. */
#include "src/evaluate/case_places.h"

#include <microtome/heatmap.h>

#include <math.h>

/* Tiles by the cell of their size that they begin in. */
typedef struct cells {
    const mt_heatmap *h;
    GHashTable       *of; /* cell -> GArray of int64_t */
} cells;

static gint64 cell_at(const mt_heatmap *h, int64_t tile, int dx, int dy)
{
    const int64_t *xy = (const int64_t *)h->coords->data + tile * h->coords->shape[1];
    double         x = floor((double)xy[0] / h->tile_level0[0]) + dx, y = floor((double)xy[1] / h->tile_level0[1]) + dy;

    return (gint64)y * (INT64_C(1) << 31) + (gint64)x;
}

static bool is_beside(const mt_heatmap *h, int64_t a, int64_t b)
{
    const int64_t *xy = h->coords->data, rank = h->coords->shape[1];
    double         dx = fabs((double)(xy[a * rank] - xy[b * rank])), dy = fabs((double)(xy[a * rank + 1] - xy[b * rank + 1]));

    return dx < 1.5 * h->tile_level0[0] && dy < 1.5 * h->tile_level0[1] && (rank < 3 || xy[a * rank + 2] == xy[b * rank + 2]);
}

/* Of equal neighbours the first in reading order is the peak. */
static bool is_peak(const cells *c, int64_t tile)
{
    float value = c->h->tile_values[tile];

    for (int dy = -2; dy <= 2; dy++)
        for (int dx = -2; dx <= 2; dx++) {
            gint64        key = cell_at(c->h, tile, dx, dy);
            const GArray *others = g_hash_table_lookup(c->of, &key);
            for (guint i = 0; others != NULL && i < others->len; i++) {
                int64_t other = g_array_index(others, int64_t, i);
                float   its = c->h->tile_values[other];
                if (other != tile && is_beside(c->h, tile, other) && (its > value || (its == value && other < tile)))
                    return false;
            }
        }
    return true;
}

static void free_cell(void *cell)
{
    g_array_unref(cell);
}

static void sort_tiles(cells *c)
{
    for (int64_t i = 0; i < c->h->n_tiles; i++) {
        gint64  key = cell_at(c->h, i, 0, 0);
        GArray *cell = g_hash_table_lookup(c->of, &key);
        if (isnan(c->h->tile_values[i]))
            continue;
        if (cell == NULL) {
            cell = g_array_new(FALSE, FALSE, sizeof(int64_t));
            g_hash_table_insert(c->of, g_memdup2(&key, sizeof key), cell);
        }
        g_array_append_val(cell, i);
    }
}

mt_places *mt_places_read_hot_tiles(const mt_result *result, GError **error)
{
    const mt_heatmap_params params = {.scale = MT_HEAT_ABSOLUTE, .plane = -1};
    g_autoptr(mt_heatmap) h = mt_heatmap_new(result, &params, error);
    g_autoptr(mt_places) places = mt_places_new();
    g_autoptr(GHashTable) of = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_cell);
    cells c = {.h = h, .of = of};

    if (h == NULL)
        return NULL;
    sort_tiles(&c);
    for (int64_t i = 0; i < h->n_tiles; i++) {
        const int64_t *xy = (const int64_t *)h->coords->data + i * h->coords->shape[1];
        if (isnan(h->tile_values[i]) || !is_peak(&c, i))
            continue;
        mt_place *p = mt_places_add(places);
        mt_place_set_box(p, &(mt_box){(double)xy[0], (double)xy[1], (double)xy[0] + h->tile_level0[0], (double)xy[1] + h->tile_level0[1]});
        p->score = (double)h->tile_values[i];
    }
    return g_steal_pointer(&places);
}
