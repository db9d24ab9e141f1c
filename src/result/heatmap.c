#include <microtome/heatmap.h>

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/result/evidence.h"
#include "src/store/schema.h"
#include "tiling/polygon_fill.h"

#include <math.h>
#include <string.h>

#define LONG_SIDE_PX 1024
#define RASTER_PX_MAX 65536

/* Sums over the tiles that touch a pixel, weighted by the share of the pixel that they cover. */
typedef struct coverage {
    double value, weight, unread;
} coverage;

static bool read_frame(mt_heatmap *heatmap, const mt_result *result, GError **error)
{
    const char *path = mt_result_path(result);
    bool        ok;

    heatmap->coords = mt_result_read(result, MT_OBJECT_COORDS, error);
    if (heatmap->coords == NULL)
        return false;
    ok = heatmap->coords->dtype == MT_I64 && heatmap->coords->rank == 2 &&
         (heatmap->coords->shape[1] == 2 || heatmap->coords->shape[1] == 3);
    ok = ok && mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, heatmap->tile_level0, 2) &&
         mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_LEVEL0_WIDTH, &heatmap->level0_size[0], 1) &&
         mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_LEVEL0_HEIGHT, &heatmap->level0_size[1], 1);
    for (int axis = 0; axis < 2 && ok; axis++)
        ok = heatmap->level0_size[axis] >= 1 && heatmap->level0_size[axis] <= (double)MT_LIMIT_SLIDE_EDGE_PX &&
             heatmap->tile_level0[axis] <= (double)MT_LIMIT_SLIDE_EDGE_PX &&
             (heatmap->tile_level0[axis] > 0 || heatmap->coords->shape[0] == 0);
    for (int64_t i = 0; ok && i < mt_tensor_count(heatmap->coords); i++)
        ok = ABS(((const int64_t *)heatmap->coords->data)[i] / 2) <= MT_LIMIT_SLIDE_EDGE_PX / 2;
    if (!ok)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: %s lacks the place of its tiles in the plane", path,
                    MT_OBJECT_COORDS);
    heatmap->n_tiles = ok ? heatmap->coords->shape[0] : 0;
    return ok;
}

static bool size_raster(mt_heatmap *heatmap, const mt_result *result, GError **error)
{
    double scale = LONG_SIDE_PX / MAX(heatmap->level0_size[0], heatmap->level0_size[1]);

    heatmap->width = MAX(1, llround(heatmap->level0_size[0] * scale));
    heatmap->height = MAX(1, llround(heatmap->level0_size[1] * scale));
    if (mt_result_has(result, MT_OBJECT_THUMBNAIL)) {
        g_autoptr(mt_tensor) thumbnail = mt_result_read(result, MT_OBJECT_THUMBNAIL, error);
        if (thumbnail == NULL)
            return false;
        if (thumbnail->rank != 3 || thumbnail->dtype != MT_U8 || thumbnail->shape[2] != 3 || thumbnail->shape[0] < 1 ||
            thumbnail->shape[1] < 1 || thumbnail->shape[0] > RASTER_PX_MAX || thumbnail->shape[1] > RASTER_PX_MAX) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: %s is no 8-bit RGB picture", mt_result_path(result),
                        MT_OBJECT_THUMBNAIL);
            return false;
        }
        heatmap->width = thumbnail->shape[1];
        heatmap->height = thumbnail->shape[0];
    }
    heatmap->values = mt_alloc(heatmap->width * heatmap->height, sizeof(float), error);
    heatmap->states = heatmap->values != NULL ? mt_alloc(heatmap->width * heatmap->height, 1, error) : NULL;
    return heatmap->states != NULL;
}

static int64_t plane_of(const mt_heatmap *heatmap, int64_t i)
{
    const int64_t *row = (const int64_t *)heatmap->coords->data + i * heatmap->coords->shape[1];

    return heatmap->coords->shape[1] == 3 ? row[2] : 0;
}

static void choose_plane(mt_heatmap *heatmap, int64_t wanted)
{
    mt_heat_tile strongest = {0};

    if (wanted < 0 && mt_heatmap_top_tiles(heatmap, 1, &strongest) == 1)
        wanted = strongest.plane;
    heatmap->plane = MAX(wanted, 0);
}

/* The tile's rectangle in the raster, at its true place: pixels on its rim count by the share that is covered. */
static void paint_tile(const mt_heatmap *heatmap, int64_t i, coverage *sums)
{
    const int64_t *row = (const int64_t *)heatmap->coords->data + i * heatmap->coords->shape[1];
    double         sx = (double)heatmap->width / heatmap->level0_size[0], sy = (double)heatmap->height / heatmap->level0_size[1];
    double         x0 = MAX((double)row[0] * sx, 0), x1 = MIN(((double)row[0] + heatmap->tile_level0[0]) * sx, (double)heatmap->width);
    double         y0 = MAX((double)row[1] * sy, 0), y1 = MIN(((double)row[1] + heatmap->tile_level0[1]) * sy, (double)heatmap->height);
    float          value = heatmap->tile_values[i];

    for (int64_t y = (int64_t)y0; (double)y < y1; y++) {
        double rows = MIN(y1, (double)(y + 1)) - MAX(y0, (double)y);
        for (int64_t x = (int64_t)x0; (double)x < x1; x++) {
            double    share = rows * (MIN(x1, (double)(x + 1)) - MAX(x0, (double)x));
            coverage *sum = &sums[y * heatmap->width + x];
            if (isnan(value))
                sum->unread += share;
            else
                sum->value += share * (double)value, sum->weight += share;
        }
    }
}

static bool paint(mt_heatmap *heatmap, const uint8_t *tissue, GError **error)
{
    int64_t   n_px = heatmap->width * heatmap->height;
    coverage *sums = mt_alloc(n_px, sizeof *sums, error);

    if (sums == NULL)
        return false;
    for (int64_t i = 0; i < heatmap->n_tiles; i++)
        if (plane_of(heatmap, i) == heatmap->plane)
            paint_tile(heatmap, i, sums);
    for (int64_t p = 0; p < n_px; p++) {
        if (!tissue[p] || sums[p].weight + sums[p].unread < 1e-6)
            continue;
        heatmap->states[p] = sums[p].unread > sums[p].weight ? MT_HEAT_UNREAD : MT_HEAT_VALUE;
        if (heatmap->states[p] == MT_HEAT_VALUE)
            heatmap->values[p] = (float)(sums[p].value / sums[p].weight);
    }
    mt_free(sums);
    return true;
}

/* 1 inside the outlines, holes left out; everywhere where the result has no outlines. */
static bool fill_tissue(const mt_heatmap *heatmap, const mt_result *result, uint8_t *tissue, GError **error)
{
    g_autoptr(mt_tensor) points = NULL, offsets = NULL;
    int64_t n_px = heatmap->width * heatmap->height;

    memset(tissue, 1, (size_t)n_px);
    if (!mt_result_has(result, MT_OBJECT_TISSUE_POINTS))
        return true;
    points = mt_result_read(result, MT_OBJECT_TISSUE_POINTS, error);
    offsets = points != NULL ? mt_result_read(result, MT_OBJECT_TISSUE_OFFSETS, error) : NULL;
    if (offsets == NULL)
        return false;
    bool ok = points->dtype == MT_I32 && points->rank == 2 && points->shape[1] == 2 && offsets->dtype == MT_I64 && offsets->rank == 1;
    for (int64_t i = 0; ok && i + 1 < offsets->shape[0]; i++) {
        const int64_t *offset = (const int64_t *)offsets->data + i;
        ok = offset[0] >= 0 && offset[0] <= offset[1] && offset[1] <= points->shape[0];
    }
    if (!ok) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: its tissue outlines are damaged", mt_result_path(result));
        return false;
    }
    if (offsets->shape[0] < 2)
        return true;
    mt_polygon_frame frame = {.width = heatmap->width,
                              .height = heatmap->height,
                              .scale_x = (double)heatmap->width / heatmap->level0_size[0],
                              .scale_y = (double)heatmap->height / heatmap->level0_size[1]};
    return mt_polygon_fill(points->data, offsets->data, offsets->shape[0] - 1, &frame, tissue, error);
}

mt_heatmap *mt_heatmap_new(const mt_result *result, const mt_heatmap_params *params, GError **error)
{
    g_autoptr(mt_heatmap) heatmap = g_new0(mt_heatmap, 1);
    uint8_t *tissue;
    bool     ok;

    heatmap->scale = params->scale;
    if (!read_frame(heatmap, result, error) || !size_raster(heatmap, result, error) ||
        !mt_evidence_fill(heatmap, result, params->label, error))
        return NULL;
    choose_plane(heatmap, params->plane);
    tissue = mt_alloc(heatmap->width * heatmap->height, 1, error);
    ok = tissue != NULL && fill_tissue(heatmap, result, tissue, error) && paint(heatmap, tissue, error);
    mt_free(tissue);
    return ok ? g_steal_pointer(&heatmap) : NULL;
}

void mt_heatmap_free(mt_heatmap *heatmap)
{
    if (heatmap == NULL)
        return;
    mt_free(heatmap->values);
    mt_free(heatmap->states);
    mt_free(heatmap->tile_values);
    if (heatmap->coords != NULL)
        mt_tensor_unref(heatmap->coords);
    g_free(heatmap->label);
    g_free(heatmap->meaning);
    g_free(heatmap);
}

int64_t mt_heatmap_top_tiles(const mt_heatmap *heatmap, int64_t k, mt_heat_tile *out)
{
    int64_t n = 0;

    for (int64_t i = 0; i < heatmap->n_tiles && k > 0; i++) {
        const int64_t *row = (const int64_t *)heatmap->coords->data + i * heatmap->coords->shape[1];
        float          value = heatmap->tile_values[i];
        int64_t        place = n;
        while (place > 0 && value > out[place - 1].value) /* insertion: k is a handful */
            place--;
        if (isnan(value) || place >= k)
            continue;
        n = MIN(n + 1, k);
        memmove(&out[place + 1], &out[place], (size_t)(n - place - 1) * sizeof *out);
        out[place] = (mt_heat_tile){i, row[0], row[1], plane_of(heatmap, i), value};
    }
    return n;
}
