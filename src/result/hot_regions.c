#include "src/result/hot_regions.h"

#include "src/base/alloc.h"
#include "src/result/heat_field.h"
#include "tiling/outline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CELLS (INT64_C(1) << 26) /* of tiles that hang together */
#define MAP_CELLS (INT64_C(1) << 24) /* a larger map is outlined more coarsely */
#define SAME_EDGE_PX 1.0

/* Hot tiles that hang together. */
typedef struct cluster {
    const int64_t *tiles;
    int64_t        n;
} cluster;

/* Cells between all edges of tiles; of a map its pixels. */
typedef struct lattice {
    double  *edges[2]; /* n + 1 of each axis, level-0 px */
    int64_t  n[2];
    uint8_t *hot;    /* n[1] x n[0] */
    float   *number; /* the mean where tiles overlap */
    int32_t *component;
} lattice;

static void lattice_clear(lattice *l)
{
    for (int a = 0; a < 2; a++)
        mt_free(l->edges[a]);
    mt_free(l->hot);
    mt_free(l->number);
    mt_free(l->component);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lattice, lattice_clear)

static bool is_hot(const mt_heatmap *h, int64_t i, double threshold)
{
    const int64_t *row = (const int64_t *)h->coords->data + i * h->coords->shape[1];

    return !isnan(h->tile_values[i]) && (double)h->tile_values[i] >= threshold && (h->coords->shape[1] < 3 || row[2] == h->plane);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorted, each once: the first of those that are within a px. */
static bool find_edges(lattice *l, int a, const mt_heatmap *h, const cluster *of, GError **error)
{
    double *edges = l->edges[a] = mt_alloc(2 * of->n + 1, sizeof *edges, error);
    int64_t n = 0, kept = 0;

    if (edges == NULL)
        return false;
    for (int64_t i = 0; i < of->n; i++) {
        double at = (double)((const int64_t *)h->coords->data)[of->tiles[i] * h->coords->shape[1] + a];
        edges[n++] = at;
        edges[n++] = MIN(at + h->tile_level0[a], h->level0_size[a]);
    }
    qsort(edges, (size_t)n, sizeof *edges, compare_doubles);
    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || edges[i] - edges[kept - 1] > SAME_EDGE_PX)
            edges[kept++] = edges[i];
    l->n[a] = MAX(0, kept - 1);
    return true;
}

/* The edge that stands for `at`: the last one not above it, or within a px. */
static int64_t edge_at(const lattice *l, int a, double at)
{
    int64_t low = 0, high = l->n[a];

    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (l->edges[a][middle] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static bool allocate(lattice *l, const char *what, GError **error)
{
    int64_t n = l->n[0] * l->n[1];

    if (l->n[0] > 0 && l->n[1] > MAX_CELLS / l->n[0]) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "outline what is hot: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " %s are too many",
                    l->n[0], l->n[1], what);
        return false;
    }
    return (l->hot = mt_alloc(n, 1, error)) != NULL && (l->number = mt_alloc(n, sizeof *l->number, error)) != NULL &&
           (l->component = mt_alloc(n, sizeof *l->component, error)) != NULL;
}

static bool of_tiles(lattice *l, const mt_heatmap *h, const cluster *of, GError **error)
{
    for (int a = 0; a < 2; a++)
        if (!find_edges(l, a, h, of, error))
            return false;
    if (!allocate(l, "different places of tiles", error))
        return false;
    for (int64_t i = 0; i < of->n; i++) {
        const int64_t *row = (const int64_t *)h->coords->data + of->tiles[i] * h->coords->shape[1];
        int64_t        from[2], to[2];
        for (int a = 0; a < 2; a++) {
            from[a] = edge_at(l, a, (double)row[a]);
            to[a] = edge_at(l, a, MIN((double)row[a] + h->tile_level0[a], h->level0_size[a]));
        }
        for (int64_t y = from[1]; y < to[1]; y++)
            for (int64_t x = from[0]; x < to[0]; x++) {
                int64_t c = y * l->n[0] + x;
                l->hot[c] = (uint8_t)MIN(255, l->hot[c] + 1);
                l->number[c] += (h->tile_numbers[of->tiles[i]] - l->number[c]) / (float)l->hot[c];
            }
    }
    return true;
}

static bool of_map(lattice *l, const mt_heatmap *h, double threshold, GError **error)
{
    int64_t size[2];

    mt_heat_plane_size(h->field->map, size);
    while (size[0] * size[1] > MAP_CELLS)
        for (int a = 0; a < 2; a++)
            size[a] = (size[a] + 1) / 2;
    for (int a = 0; a < 2; a++) {
        l->n[a] = size[a];
        l->edges[a] = mt_alloc(size[a] + 1, sizeof(double), error);
        if (l->edges[a] == NULL)
            return false;
        for (int64_t i = 0; i <= size[a]; i++)
            l->edges[a][i] = (double)i * h->level0_size[a] / (double)size[a];
    }
    if (!allocate(l, "pixels", error))
        return false;
    mt_heat_view view = {.scale_x = (double)size[0] / h->level0_size[0], .scale_y = (double)size[1] / h->level0_size[1]};
    view.width = size[0], view.height = size[1];
    if (!mt_heat_field_render(h, &view, l->number, l->hot, error))
        return false;
    for (int64_t i = 0; i < size[0] * size[1]; i++) {
        l->hot[i] = l->hot[i] == MT_HEAT_VALUE && (double)l->number[i] >= threshold;
        l->number[i] = (float)(h->range[0] + (double)l->number[i] * (h->range[1] - h->range[0]));
    }
    return true;
}

static int32_t root_of(int32_t *parent, int32_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

/* 4-connected components, by union of the cells' neighbours; component[c] is the first cell of its own in reading order, plus 1. */
static void join_cells(lattice *l)
{
    int64_t  width = l->n[0], n = l->n[0] * l->n[1];
    int32_t *parent = l->component;

    for (int64_t c = 0; c < n; c++) {
        parent[c] = (int32_t)c;
        if (l->hot[c] == 0)
            continue;
        const int64_t neighbours[2] = {c % width > 0 ? c - 1 : -1, c >= width ? c - width : -1};
        for (int k = 0; k < 2; k++) {
            if (neighbours[k] < 0 || l->hot[neighbours[k]] == 0)
                continue;
            int32_t a = root_of(parent, (int32_t)c), b = root_of(parent, (int32_t)neighbours[k]);
            parent[MAX(a, b)] = MIN(a, b);
        }
    }
    for (int64_t c = 0; c < n; c++)
        if (l->hot[c] != 0)
            root_of(parent, (int32_t)c);
    for (int64_t c = 0; c < n; c++)
        parent[c] = l->hot[c] != 0 ? root_of(parent, (int32_t)c) : -1;
}

/* The first cell in reading order of what a ring encloses: below and right of its first corner. */
static int64_t first_cell(const lattice *l, const int32_t *points, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        if (points[2 * i + 1] < points[2 * best + 1] || (points[2 * i + 1] == points[2 * best + 1] && points[2 * i] < points[2 * best]))
            best = i;
    return (int64_t)points[2 * best + 1] * l->n[0] + points[2 * best];
}

/* Regions of one lattice behind those that are there. */
typedef struct growing {
    GArray *regions, *offsets, *points; /* mt_hot_region, int64_t, double */
} growing;

static void take_rings(growing *out, const lattice *l, const mt_rings *rings, int32_t *region_of)
{
    for (int64_t r = 0; r < rings->n; r++) {
        const mt_ring_span *span = &rings->spans[r];
        const int32_t      *points = mt_rings_points(rings, r);
        if (!span->hole) {
            mt_hot_region fresh = {.first_ring = (int64_t)out->offsets->len - 1, .peak = -HUGE_VAL};
            region_of[first_cell(l, points, span->n)] = (int32_t)out->regions->len;
            g_array_append_val(out->regions, fresh);
        }
        g_array_index(out->regions, mt_hot_region, out->regions->len - 1).n_rings++;
        for (int64_t i = 0; i < span->n; i++) {
            double point[2] = {l->edges[0][points[2 * i]], l->edges[1][points[2 * i + 1]]};
            g_array_append_vals(out->points, point, 2);
        }
        int64_t end = out->points->len / 2;
        g_array_append_val(out->offsets, end);
    }
}

static void measure(growing *out, const lattice *l, guint first, const int32_t *region_of)
{
    for (int64_t y = 0; y < l->n[1]; y++)
        for (int64_t x = 0; x < l->n[0]; x++) {
            int64_t c = y * l->n[0] + x;
            if (l->hot[c] == 0)
                continue;
            mt_hot_region *region = &g_array_index(out->regions, mt_hot_region, region_of[l->component[c]]);
            double         area = (l->edges[0][x + 1] - l->edges[0][x]) * (l->edges[1][y + 1] - l->edges[1][y]);
            region->area += area;
            region->mean += area * (double)l->number[c];
            region->peak = MAX(region->peak, (double)l->number[c]);
        }
    for (guint i = first; i < out->regions->len; i++) {
        mt_hot_region *region = &g_array_index(out->regions, mt_hot_region, i);
        region->mean /= region->area;
    }
}

static void count_tiles(growing *out, const lattice *l, const mt_heatmap *h, const cluster *of, const int32_t *region_of)
{
    for (int64_t i = 0; i < of->n; i++) {
        const int64_t *row = (const int64_t *)h->coords->data + of->tiles[i] * h->coords->shape[1];
        int64_t        c = edge_at(l, 1, (double)row[1]) * l->n[0] + edge_at(l, 0, (double)row[0]);
        if (l->hot[c] != 0)
            g_array_index(out->regions, mt_hot_region, region_of[l->component[c]]).tiles++;
    }
}

/* `of` NULL: the whole map. */
static bool add_regions(growing *out, const mt_heatmap *h, const cluster *of, double threshold, GError **error)
{
    g_auto(lattice) l = {0};
    guint first = out->regions->len;

    if (!(of != NULL ? of_tiles(&l, h, of, error) : of_map(&l, h, threshold, error)))
        return false;
    if (l.n[0] == 0 || l.n[1] == 0)
        return true;
    join_cells(&l);
    g_autoptr(mt_rings) rings = mt_outline_trace(l.hot, l.n[0], l.n[1], error);
    int32_t *region_of = rings != NULL && mt_rings_group(rings, false, error) ? mt_alloc(l.n[0] * l.n[1], sizeof *region_of, error) : NULL;
    if (region_of == NULL)
        return false;
    take_rings(out, &l, rings, region_of);
    measure(out, &l, first, region_of);
    if (of != NULL)
        count_tiles(out, &l, h, of, region_of);
    mt_free(region_of);
    return true;
}

static bool touch(const mt_heatmap *h, int64_t i, int64_t k)
{
    const int64_t *a = (const int64_t *)h->coords->data + i * h->coords->shape[1];
    const int64_t *b = (const int64_t *)h->coords->data + k * h->coords->shape[1];

    return fabs((double)(a[0] - b[0])) <= h->tile_level0[0] + SAME_EDGE_PX &&
           fabs((double)(a[1] - b[1])) <= h->tile_level0[1] + SAME_EDGE_PX;
}

/* Unites tile i with the hot ones of its cell and of those to the right and below. */
static void unite(const mt_heatmap *h, const uint8_t *hot, int64_t cell, int64_t i, int32_t *parent)
{
    const mt_heat_field *f = h->field;
    int64_t              x = cell % f->cells_x, y = cell / f->cells_x;

    for (int64_t v = MAX(0, y - 1); v <= MIN(f->cells_y - 1, y + 1); v++)
        for (int64_t u = MAX(0, x - 1); u <= MIN(f->cells_x - 1, x + 1); u++)
            for (int64_t k = f->first[v * f->cells_x + u]; k < f->first[v * f->cells_x + u + 1]; k++) {
                int64_t other = f->tiles[k];
                if (other >= i || hot[other] == 0 || !touch(h, i, other))
                    continue;
                int32_t a = root_of(parent, (int32_t)i), b = root_of(parent, (int32_t)other);
                parent[MAX(a, b)] = MIN(a, b);
            }
}

typedef struct member {
    int32_t root;
    int64_t tile;
} member;

static int compare_members(const void *a, const void *b)
{
    const member *x = a, *y = b;

    if (x->root != y->root)
        return x->root < y->root ? -1 : 1;
    return (x->tile > y->tile) - (x->tile < y->tile);
}

/* Hot tiles by the cluster that they hang in; returns how many. */
static int64_t gather(const mt_heatmap *h, double threshold, uint8_t *hot, int32_t *parent, member *members)
{
    const mt_heat_field *f = h->field;
    int64_t              n = 0;

    for (int64_t i = 0; i < h->n_tiles; i++) {
        hot[i] = is_hot(h, i, threshold);
        parent[i] = (int32_t)i;
    }
    for (int64_t c = 0; c < f->cells_x * f->cells_y; c++)
        for (int64_t k = f->first[c]; k < f->first[c + 1]; k++)
            if (hot[f->tiles[k]] != 0)
                unite(h, hot, c, f->tiles[k], parent);
    for (int64_t i = 0; i < h->n_tiles; i++)
        if (hot[i] != 0)
            members[n++] = (member){root_of(parent, (int32_t)i), i};
    qsort(members, (size_t)n, sizeof *members, compare_members);
    return n;
}

static bool add_clusters(growing *out, const mt_heatmap *h, double threshold, GError **error)
{
    uint8_t *hot = mt_alloc(h->n_tiles, 1, error);
    int32_t *parent = hot != NULL ? mt_alloc(h->n_tiles, sizeof *parent, error) : NULL;
    member  *members = parent != NULL ? mt_alloc(h->n_tiles, sizeof *members, error) : NULL;
    int64_t *tiles = members != NULL ? mt_alloc(h->n_tiles, sizeof *tiles, error) : NULL;
    bool     ok = tiles != NULL;
    int64_t  n = ok ? gather(h, threshold, hot, parent, members) : 0;

    for (int64_t i = 0; i < n; i++)
        tiles[i] = members[i].tile;
    for (int64_t first = 0, end; ok && first < n; first = end) {
        for (end = first + 1; end < n && members[end].root == members[first].root;)
            end++;
        ok = add_regions(out, h, &(cluster){tiles + first, end - first}, threshold, error);
    }
    mt_free(hot);
    mt_free(parent);
    mt_free(members);
    mt_free(tiles);
    return ok;
}

static int compare_regions(const void *a, const void *b)
{
    const mt_hot_region *x = a, *y = b;

    if (x->area != y->area)
        return x->area < y->area ? 1 : -1;
    return (x->first_ring > y->first_ring) - (x->first_ring < y->first_ring);
}

mt_hot_regions *mt_hot_regions_new(const mt_heatmap *heatmap, double threshold, GError **error)
{
    if (!(threshold >= 0 && threshold <= 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "find hot regions: a threshold of %g is not in 0..1", threshold);
        return NULL;
    }
    g_autoptr(mt_hot_regions) out = g_new0(mt_hot_regions, 1);
    growing g = {g_array_new(FALSE, FALSE, sizeof(mt_hot_region)), g_array_new(FALSE, TRUE, sizeof(int64_t)),
                 g_array_new(FALSE, FALSE, sizeof(double))};

    g_array_set_size(g.offsets, 1);
    bool ok = heatmap->field->map != NULL ? add_regions(&g, heatmap, NULL, threshold, error) : add_clusters(&g, heatmap, threshold, error);
    out->n = g.regions->len;
    out->n_rings = (int64_t)g.offsets->len - 1;
    out->regions = (mt_hot_region *)(void *)g_array_free(g.regions, FALSE);
    out->offsets = (int64_t *)(void *)g_array_free(g.offsets, FALSE);
    out->points = (double *)(void *)g_array_free(g.points, FALSE);
    if (out->n > 0)
        qsort(out->regions, (size_t)out->n, sizeof *out->regions, compare_regions);
    return ok ? g_steal_pointer(&out) : NULL;
}

void mt_hot_regions_free(mt_hot_regions *regions)
{
    if (regions == NULL)
        return;
    g_free(regions->regions);
    g_free(regions->offsets);
    g_free(regions->points);
    g_free(regions);
}
