#include "src/result/heat_field.h"

#include "src/base/alloc.h"
#include "src/store/schema.h"
#include "tiling/polygon_fill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CELLS_AXIS 4096

/* Sums over the tiles that touch a pixel, weighted by the share of the pixel that they cover. */
typedef struct coverage {
    double value, weight, unread;
} coverage;

static const int64_t *row_of(const mt_heatmap *heatmap, int64_t i)
{
    return (const int64_t *)heatmap->coords->data + i * heatmap->coords->shape[1];
}

static bool on_plane(const mt_heatmap *heatmap, int64_t i)
{
    return heatmap->coords->shape[1] < 3 || row_of(heatmap, i)[2] == heatmap->plane;
}

static int64_t cell_of(double at, double cell, int64_t n)
{
    return (int64_t)CLAMP(floor(at / cell), 0, (double)(n - 1));
}

static int64_t cell_of_tile(const mt_heat_field *field, const mt_heatmap *heatmap, int64_t i)
{
    const int64_t *row = row_of(heatmap, i);

    return cell_of((double)row[1], field->cell[1], field->cells_y) * field->cells_x +
           cell_of((double)row[0], field->cell[0], field->cells_x);
}

/* Counted, then placed: within a cell tiles keep their order. */
static bool place_tiles(mt_heat_field *field, const mt_heatmap *heatmap, GError **error)
{
    int64_t n_cells, n = heatmap->n_tiles;

    for (int a = 0; a < 2; a++)
        field->cell[a] = MAX(MAX(heatmap->tile_level0[a], 1), heatmap->level0_size[a] / MAX_CELLS_AXIS);
    field->cells_x = (int64_t)ceil(heatmap->level0_size[0] / field->cell[0]);
    field->cells_y = (int64_t)ceil(heatmap->level0_size[1] / field->cell[1]);
    n_cells = field->cells_x * field->cells_y;
    field->first = mt_alloc(n_cells + 1, sizeof *field->first, error);
    field->tiles = field->first != NULL ? mt_alloc(n, sizeof *field->tiles, error) : NULL;
    if (field->tiles == NULL)
        return false;
    for (int64_t i = 0; i < n; i++)
        field->first[cell_of_tile(field, heatmap, i) + 1] += on_plane(heatmap, i);
    for (int64_t c = 0; c < n_cells; c++)
        field->first[c + 1] += field->first[c];
    for (int64_t i = n - 1; i >= 0; i--) /* each cell from its end; first[c + 1] ends as the cell's start */
        if (on_plane(heatmap, i))
            field->tiles[--field->first[cell_of_tile(field, heatmap, i) + 1]] = i;
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++)
        total += on_plane(heatmap, i);
    memmove(field->first, field->first + 1, (size_t)n_cells * sizeof *field->first);
    field->first[n_cells] = total;
    return true;
}

static bool read_outlines(mt_heat_field *field, const mt_result *result, GError **error)
{
    if (!mt_result_has(result, MT_OBJECT_TISSUE_POINTS))
        return true;
    field->points = mt_result_read(result, MT_OBJECT_TISSUE_POINTS, error);
    field->offsets = field->points != NULL ? mt_result_read(result, MT_OBJECT_TISSUE_OFFSETS, error) : NULL;
    if (field->offsets == NULL)
        return false;
    bool ok = field->points->dtype == MT_I32 && field->points->rank == 2 && field->points->shape[1] == 2 &&
              field->offsets->dtype == MT_I64 && field->offsets->rank == 1;
    for (int64_t i = 0; ok && i + 1 < field->offsets->shape[0]; i++) {
        const int64_t *offset = (const int64_t *)field->offsets->data + i;
        ok = offset[0] >= 0 && offset[0] <= offset[1] && offset[1] <= field->points->shape[0];
    }
    if (!ok)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: its tissue outlines are damaged", mt_result_path(result));
    else if (field->offsets->shape[0] < 2) {
        g_clear_pointer(&field->points, mt_tensor_unref);
        g_clear_pointer(&field->offsets, mt_tensor_unref);
    }
    return ok;
}

mt_heat_field *mt_heat_field_new(const mt_heatmap *heatmap, const mt_result *result, mt_heat_plane *map, GError **error)
{
    mt_heat_field *field = g_new0(mt_heat_field, 1);

    field->map = map;
    if (map != NULL || (place_tiles(field, heatmap, error) && read_outlines(field, result, error)))
        return field;
    mt_heat_field_free(field);
    return NULL;
}

void mt_heat_field_free(mt_heat_field *field)
{
    if (field == NULL)
        return;
    mt_free(field->first);
    mt_free(field->tiles);
    g_clear_pointer(&field->points, mt_tensor_unref);
    g_clear_pointer(&field->offsets, mt_tensor_unref);
    mt_heat_plane_free(field->map);
    g_free(field);
}

/* The tile's rectangle in the window, at its true place: pixels on its rim count by the share that is covered.  Coordinates are of the
 * whole picture, so that a pixel gets the same sum in every window. */
static void paint_tile(const mt_heatmap *heatmap, const mt_heat_view *view, int64_t i, coverage *sums)
{
    const int64_t *row = row_of(heatmap, i);
    double         left = (double)view->first_x, top = (double)view->first_y;
    double         x0 = MAX((double)row[0] * view->scale_x, left), y0 = MAX((double)row[1] * view->scale_y, top);
    double         x1 = MIN(((double)row[0] + heatmap->tile_level0[0]) * view->scale_x, left + (double)view->width);
    double         y1 = MIN(((double)row[1] + heatmap->tile_level0[1]) * view->scale_y, top + (double)view->height);
    float          value = heatmap->tile_values[i];

    for (int64_t y = (int64_t)y0; (double)y < y1; y++) {
        double rows = MIN(y1, (double)(y + 1)) - MAX(y0, (double)y);
        for (int64_t x = (int64_t)x0; (double)x < x1; x++) {
            double    share = rows * (MIN(x1, (double)(x + 1)) - MAX(x0, (double)x));
            coverage *sum = &sums[(y - view->first_y) * view->width + x - view->first_x];
            if (isnan(value))
                sum->unread += share;
            else
                sum->value += share * (double)value, sum->weight += share;
        }
    }
}

static int compare_indices(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Tiles that touch the window, ascending: the order of a pixel's sum is theirs. */
static int64_t *touching(const mt_heatmap *heatmap, const mt_heat_view *view, int64_t *n, GError **error)
{
    const mt_heat_field *f = heatmap->field;
    int64_t              x0 = cell_of((double)view->first_x / view->scale_x - heatmap->tile_level0[0], f->cell[0], f->cells_x);
    int64_t              y0 = cell_of((double)view->first_y / view->scale_y - heatmap->tile_level0[1], f->cell[1], f->cells_y);
    int64_t              x1 = cell_of((double)(view->first_x + view->width) / view->scale_x, f->cell[0], f->cells_x);
    int64_t              y1 = cell_of((double)(view->first_y + view->height) / view->scale_y, f->cell[1], f->cells_y);
    int64_t              count = 0;

    for (int64_t y = y0; y <= y1; y++)
        count += f->first[y * f->cells_x + x1 + 1] - f->first[y * f->cells_x + x0];
    int64_t *tiles = mt_alloc(count, sizeof *tiles, error);
    *n = 0;
    for (int64_t y = y0; y <= y1 && tiles != NULL; y++) {
        int64_t from = f->first[y * f->cells_x + x0], row = f->first[y * f->cells_x + x1 + 1] - from;
        memcpy(tiles + *n, f->tiles + from, (size_t)row * sizeof *tiles);
        *n += row;
    }
    if (tiles != NULL)
        qsort(tiles, (size_t)*n, sizeof *tiles, compare_indices);
    return tiles;
}

/* 1 inside the outlines, holes left out; everywhere where the result has no outlines. */
static bool fill_tissue(const mt_heat_field *field, const mt_heat_view *view, uint8_t *tissue, GError **error)
{
    mt_polygon_frame frame = {.width = view->width,
                              .height = view->height,
                              .scale_x = view->scale_x,
                              .scale_y = view->scale_y,
                              .first_x = view->first_x,
                              .first_y = view->first_y};

    if (field->points != NULL)
        return mt_polygon_fill(field->points->data, field->offsets->data, field->offsets->shape[0] - 1, &frame, tissue, error);
    memset(tissue, 1, (size_t)(view->width * view->height));
    return true;
}

/* `states` holds the tissue when this begins. */
static void settle(const coverage *sums, int64_t n_px, float *values, uint8_t *states)
{
    for (int64_t p = 0; p < n_px; p++) {
        bool drawn = states[p] != 0 && sums[p].weight + sums[p].unread >= 1e-6;

        states[p] = !drawn ? MT_HEAT_NONE : sums[p].unread > sums[p].weight ? MT_HEAT_UNREAD : MT_HEAT_VALUE;
        values[p] = states[p] == MT_HEAT_VALUE ? (float)(sums[p].value / sums[p].weight) : 0;
    }
}

bool mt_heat_field_render(const mt_heatmap *heatmap, const mt_heat_view *view, float *values, uint8_t *states, GError **error)
{
    const mt_heat_field *field = heatmap->field;
    int64_t              n_px = view->width * view->height, n = 0;

    if (field->map != NULL)
        return mt_heat_plane_render(field->map, view, heatmap->range, values, states, error);
    coverage *sums = mt_alloc(n_px, sizeof *sums, error);
    int64_t  *tiles = sums != NULL ? touching(heatmap, view, &n, error) : NULL;
    bool      ok = tiles != NULL && fill_tissue(field, view, states, error);
    if (ok) {
        for (int64_t i = 0; i < n; i++)
            paint_tile(heatmap, view, tiles[i], sums);
        settle(sums, n_px, values, states);
    }
    mt_free(sums);
    mt_free(tiles);
    return ok;
}
