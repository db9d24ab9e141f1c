/* The distance of the borders of two masks. */
#include "src/base/alloc.h"
#include "src/evaluate/distance_map.h"
#include "src/evaluate/overlap.h"

#include <math.h>
#include <stdlib.h>

/* The part of the grid that holds both masks: all that matters for their distance. */
typedef struct crop {
    int64_t from[3], size[3]; /* along width, height, depth */
} crop;

static int64_t index_of(const mt_mask_pair *m, int64_t x, int64_t y, int64_t z)
{
    return (z * m->height + y) * m->width + x;
}

static bool check_spacing(const mt_mask_pair *m, GError **error)
{
    for (int axis = 0; axis < (m->depth > 1 ? 3 : 2); axis++) {
        if (!(m->spacing_mm[axis] > 0) || !isfinite(m->spacing_mm[axis])) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "surface distance: the spacing along axis %d is %g mm: it must be above 0", axis,
                        m->spacing_mm[axis]);
            return false;
        }
    }
    return true;
}

static crop crop_of(const mt_mask_pair *m)
{
    int64_t low[3] = {m->width, m->height, m->depth}, high[3] = {-1, -1, -1};

    for (int64_t z = 0; z < m->depth; z++) {
        for (int64_t y = 0; y < m->height; y++) {
            for (int64_t x = 0; x < m->width; x++) {
                const int64_t at[3] = {x, y, z}, i = index_of(m, x, y, z);

                for (int axis = 0; (m->a[i] || m->b[i]) && axis < 3; axis++) {
                    low[axis] = MIN(low[axis], at[axis]);
                    high[axis] = MAX(high[axis], at[axis]);
                }
            }
        }
    }
    return (crop){{low[0], low[1], low[2]}, {high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1}};
}

static bool is_border(const mt_mask_pair *m, const uint8_t *mask, int64_t x, int64_t y, int64_t z)
{
    if (!mask[index_of(m, x, y, z)])
        return false;
    if (x == 0 || y == 0 || x == m->width - 1 || y == m->height - 1 || (m->depth > 1 && (z == 0 || z == m->depth - 1)))
        return true;
    if (!mask[index_of(m, x - 1, y, z)] || !mask[index_of(m, x + 1, y, z)] || !mask[index_of(m, x, y - 1, z)] ||
        !mask[index_of(m, x, y + 1, z)])
        return true;
    return m->depth > 1 && (!mask[index_of(m, x, y, z - 1)] || !mask[index_of(m, x, y, z + 1)]);
}

/* 0 on the border, infinity elsewhere; the number of border pixels. */
static int64_t mark_border(const mt_mask_pair *m, const uint8_t *mask, const crop *c, double *map)
{
    int64_t border = 0, i = 0;

    for (int64_t z = 0; z < c->size[2]; z++) {
        for (int64_t y = 0; y < c->size[1]; y++) {
            for (int64_t x = 0; x < c->size[0]; x++, i++) {
                bool on = is_border(m, mask, c->from[0] + x, c->from[1] + y, c->from[2] + z);

                map[i] = on ? 0 : INFINITY;
                border += on;
            }
        }
    }
    return border;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double percentile_95(const double *sorted, int64_t n)
{
    int64_t below = 95 * (n - 1) / 100, rest = 95 * (n - 1) % 100;

    return rest == 0 ? sorted[below] : sorted[below] + (sorted[below + 1] - sorted[below]) * ((double)rest / 100);
}

/* One direction: the distances of one border's pixels to the other. */
typedef struct one_way {
    int64_t n;
    double  largest, percentile, sum;
} one_way;

static bool measure_way(const mt_mask_pair *m, const uint8_t *from, const uint8_t *to, const crop *c, double *map, one_way *way,
                        GError **error)
{
    int64_t n = c->size[0] * c->size[1] * c->size[2], i = 0;
    double *distances;

    *way = (one_way){.n = mark_border(m, from, c, map)};
    distances = mt_alloc(way->n, sizeof *distances, error);
    (void)mark_border(m, to, c, map);
    if (distances == NULL || !mt_distance_map(map, c->size[0], c->size[1], c->size[2], m->spacing_mm, error)) {
        mt_free(distances);
        return false;
    }
    way->n = 0;
    for (; i < n; i++) {
        int64_t x = i % c->size[0], y = i / c->size[0] % c->size[1], z = i / c->size[0] / c->size[1];

        if (is_border(m, from, c->from[0] + x, c->from[1] + y, c->from[2] + z)) {
            way->sum += sqrt(map[i]);
            distances[way->n++] = sqrt(map[i]);
        }
    }
    qsort(distances, (size_t)way->n, sizeof *distances, compare_doubles);
    way->largest = distances[way->n - 1];
    way->percentile = percentile_95(distances, way->n);
    mt_free(distances);
    return true;
}

bool mt_surface_distance(const mt_mask_pair *masks, mt_surface_distances *distances, GError **error)
{
    mt_overlap overlap;
    one_way    there, back;
    double    *map;
    crop       c;
    bool       ok;

    *distances = (mt_surface_distances){.mean_mm = {.defined = false}};
    if (!mt_overlap_measure(masks, &overlap, error) || !check_spacing(masks, error))
        return false;
    if (overlap.a == 0 || overlap.b == 0)
        return true;
    c = crop_of(masks);
    map = mt_alloc(c.size[0] * c.size[1] * c.size[2], sizeof *map, error);
    ok = map != NULL && measure_way(masks, masks->a, masks->b, &c, map, &there, error) &&
         measure_way(masks, masks->b, masks->a, &c, map, &back, error);
    mt_free(map);
    if (!ok)
        return false;
    distances->hausdorff_mm = mt_estimate_point(fmax(there.largest, back.largest));
    distances->hausdorff_95_mm = mt_estimate_point(fmax(there.percentile, back.percentile));
    distances->mean_mm = mt_estimate_point((there.sum + back.sum) / (double)(there.n + back.n));
    return true;
}
