#include <microtome/heatmap.h>

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/result/evidence.h"
#include "src/result/headline.h"
#include "src/result/heat_field.h"
#include "src/result/heat_smooth.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

#define LONG_SIDE_PX 1024
#define RASTER_PX_MAX 65536
#define SMOOTH_PX_MAX 512 /* sigma in drawn px: beyond it the picture is one colour, and hours of work */

static bool places_of_tiles(mt_heatmap *heatmap, const mt_result *result, GError **error)
{
    bool ok;

    if (mt_result_has(result, MT_OBJECT_COORDS) &&
        !mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, heatmap->tile_level0, 2)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "draw a heatmap of %s: %s does not say how large its tiles are: for features of CLAM, aggregate --coords takes it from "
                    "their patches",
                    mt_result_path(result), MT_OBJECT_COORDS);
        return false;
    }
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
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: %s lacks the place of its tiles in the plane",
                    mt_result_path(result), MT_OBJECT_COORDS);
    heatmap->n_tiles = ok ? heatmap->coords->shape[0] : 0;
    return ok;
}

/* A case that was read whole: the frame is that of its map. */
static bool size_of_map(mt_heatmap *heatmap, const mt_result *result, GError **error)
{
    static const char *const maps[] = {MT_OBJECT_SEGMENTATION, MT_OBJECT_PROBABILITY, MT_OBJECT_ERROR_MAP};
    g_autoptr(mt_tensor) size = mt_result_has(result, MT_OBJECT_SIZE) ? mt_result_read(result, MT_OBJECT_SIZE, NULL) : NULL;
    int64_t shape[3];

    heatmap->coords = mt_tensor_new(MT_I64, 2, (int64_t[]){0, 2}, error);
    if (heatmap->coords == NULL)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(maps) && heatmap->level0_size[0] < 1; i++)
        if (mt_heat_plane_shape(result, maps[i], shape)) {
            heatmap->level0_size[0] = (double)shape[2];
            heatmap->level0_size[1] = (double)shape[1];
        }
    if (size != NULL && size->dtype == MT_I64 && mt_tensor_count(size) == 3)
        for (int a = 0; a < 2; a++)
            heatmap->level0_size[a] = (double)((const int64_t *)size->data)[a];
    if (heatmap->level0_size[0] >= 1 && heatmap->level0_size[1] >= 1 && heatmap->level0_size[0] <= (double)MT_LIMIT_SLIDE_EDGE_PX &&
        heatmap->level0_size[1] <= (double)MT_LIMIT_SLIDE_EDGE_PX)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: it has neither tiles (%s) nor a map (/map)", mt_result_path(result),
                MT_OBJECT_COORDS);
    return false;
}

static bool read_frame(mt_heatmap *heatmap, const mt_result *result, GError **error)
{
    g_autofree char *line = mt_result_headline(mt_result_path(result), NULL);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, mt_result_path(result), NULL) : NULL;

    if (headline != NULL && headline->mpp_x > 0 && headline->mpp_y > 0) {
        heatmap->mpp[0] = headline->mpp_x;
        heatmap->mpp[1] = headline->mpp_y;
    }
    return mt_result_has(result, MT_OBJECT_COORDS) ? places_of_tiles(heatmap, result, error) : size_of_map(heatmap, result, error);
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

static void choose_plane(mt_heatmap *heatmap, int64_t wanted)
{
    mt_heat_tile strongest = {0};

    if (wanted < 0 && mt_heatmap_top_tiles(heatmap, 1, &strongest) == 1)
        wanted = strongest.plane;
    heatmap->plane = MAX(wanted, 0);
}

static bool shows_plane(const mt_heatmap *heatmap, const mt_result *result)
{
    double plane = 0;

    if (mt_result_attr(result, MT_OBJECT_THUMBNAIL, MT_ATTR_PLANE, &plane, 1) || !mt_result_has(result, MT_OBJECT_SIZE))
        return plane == (double)heatmap->plane;
    g_autoptr(mt_tensor) size = mt_result_read(result, MT_OBJECT_SIZE, NULL);
    if (size == NULL || size->dtype != MT_I64 || mt_tensor_count(size) != 3)
        return heatmap->plane == 0;
    return heatmap->plane == ((const int64_t *)size->data)[2] / 2;
}

/* What is drawn: the numbers of the tiles, or a stored map. */
static bool find_values(mt_heatmap *heatmap, const mt_result *result, const mt_heatmap_params *params, mt_heat_plane **map, GError **error)
{
    heatmap->is_map = mt_evidence_is_map(heatmap, result);
    if (heatmap->is_map) {
        bool ok = mt_evidence_map(heatmap, result, params, map, error);
        heatmap->n_tiles = 0; /* the case may have some: what is drawn has none */
        return ok;
    }
    if (!mt_evidence_fill(heatmap, result, params, error))
        return false;
    choose_plane(heatmap, params->plane);
    return true;
}

static bool check_params(const mt_heatmap_params *params, const char *path, GError **error)
{
    const char *wrong = NULL;

    if (!(params->smooth_um >= 0 && isfinite(params->smooth_um)))
        wrong = "the width of smoothing is no length";
    else if (!isfinite(params->range[0]) || !isfinite(params->range[1]) || params->range[0] > params->range[1])
        wrong = "its range does not rise";
    else if (params->reference != NULL && (params->reference->n < 1 || params->scale != MT_HEAT_PERCENTILE))
        wrong = "a reference has numbers, and ranks are drawn with it";
    if (wrong != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "draw a heatmap of %s: %s", path, wrong);
    return wrong == NULL;
}

mt_heatmap *mt_heatmap_frame(const mt_result *result, GError **error)
{
    g_autoptr(mt_heatmap) frame = g_new0(mt_heatmap, 1);
    double plane = 0;

    if (!read_frame(frame, result, error) || !size_raster(frame, result, error))
        return NULL;
    if (mt_result_has(result, MT_OBJECT_THUMBNAIL))
        mt_result_attr(result, MT_OBJECT_THUMBNAIL, MT_ATTR_PLANE, &plane, 1);
    frame->plane = (int64_t)plane;
    frame->on_thumbnail = true;
    return g_steal_pointer(&frame);
}

mt_heatmap *mt_heatmap_new(const mt_result *result, const mt_heatmap_params *params, GError **error)
{
    g_autoptr(mt_heatmap) heatmap = g_new0(mt_heatmap, 1);
    mt_heat_plane *map = NULL;

    heatmap->scale = params->scale;
    heatmap->source = params->source;
    heatmap->smooth_um = params->smooth_um;
    if (!check_params(params, mt_result_path(result), error) || !read_frame(heatmap, result, error) ||
        !size_raster(heatmap, result, error) || !find_values(heatmap, result, params, &map, error))
        return NULL;
    heatmap->on_thumbnail = shows_plane(heatmap, result);
    heatmap->field = mt_heat_field_new(heatmap, result, map, error);
    mt_heat_view whole = {.scale_x = (double)heatmap->width / heatmap->level0_size[0],
                          .scale_y = (double)heatmap->height / heatmap->level0_size[1],
                          .width = heatmap->width,
                          .height = heatmap->height};
    if (heatmap->field == NULL || !mt_heatmap_render(heatmap, &whole, heatmap->values, heatmap->states, error))
        return NULL;
    return g_steal_pointer(&heatmap);
}

void mt_heatmap_free(mt_heatmap *heatmap)
{
    if (heatmap == NULL)
        return;
    mt_heat_field_free(heatmap->field);
    mt_free(heatmap->values);
    mt_free(heatmap->states);
    mt_free(heatmap->tile_values);
    mt_free(heatmap->tile_numbers);
    if (heatmap->coords != NULL)
        mt_tensor_unref(heatmap->coords);
    g_strfreev(heatmap->labels);
    g_free(heatmap->label);
    g_free(heatmap->meaning);
    g_free(heatmap);
}

/* Sigma in px of the view; a case without µm/px is smoothed in level-0 px. */
static void sigma_of(const mt_heatmap *heatmap, const mt_heat_view *view, double sigma[2])
{
    const double scale[2] = {view->scale_x, view->scale_y};

    for (int a = 0; a < 2; a++)
        sigma[a] = MIN(SMOOTH_PX_MAX, heatmap->smooth_um / (heatmap->mpp[a] > 0 ? heatmap->mpp[a] : 1) * scale[a]);
}

/* From `*first` on, `*length` px: widened by `reach`, but not beyond the case, where nothing is. */
static int64_t widen(int64_t *first, int64_t *length, int64_t reach, double edge)
{
    int64_t low = MAX(*first - reach, MIN(*first, 0)), high = MIN(*first + *length + reach, MAX(*first + *length, (int64_t)ceil(edge)));
    int64_t before = *first - low;

    *first = low;
    *length = high - low;
    return before;
}

/* The window and as much around it as reaches into it. */
static bool render_smooth(const mt_heatmap *heatmap, const mt_heat_view *view, float *values, uint8_t *states, GError **error)
{
    double       sigma[2];
    mt_heat_view wide = *view;

    sigma_of(heatmap, view, sigma);
    int64_t  dx = widen(&wide.first_x, &wide.width, mt_heat_smooth_reach(sigma[0]), heatmap->level0_size[0] * view->scale_x);
    int64_t  dy = widen(&wide.first_y, &wide.height, mt_heat_smooth_reach(sigma[1]), heatmap->level0_size[1] * view->scale_y);
    float   *wide_values = mt_alloc(wide.width * wide.height, sizeof *wide_values, error);
    uint8_t *wide_states = wide_values != NULL ? mt_alloc(wide.width * wide.height, 1, error) : NULL;
    bool     ok = wide_states != NULL && mt_heat_field_render(heatmap, &wide, wide_values, wide_states, error) &&
              mt_heat_smooth(wide_values, wide_states, wide.width, wide.height, sigma, error);
    for (int64_t y = 0; ok && y < view->height; y++) {
        memcpy(values + y * view->width, wide_values + (y + dy) * wide.width + dx, (size_t)view->width * sizeof *values);
        memcpy(states + y * view->width, wide_states + (y + dy) * wide.width + dx, (size_t)view->width);
    }
    mt_free(wide_values);
    mt_free(wide_states);
    return ok;
}

bool mt_heatmap_render(const mt_heatmap *heatmap, const mt_heat_view *view, float *values, uint8_t *states, GError **error)
{
    if (!(view->scale_x > 0 && view->scale_y > 0) || view->width < 1 || view->height < 1 || view->width > RASTER_PX_MAX ||
        view->height > RASTER_PX_MAX) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "draw a heatmap: a window of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " px",
                    view->width, view->height);
        return false;
    }
    return heatmap->smooth_um > 0 ? render_smooth(heatmap, view, values, states, error)
                                  : mt_heat_field_render(heatmap, view, values, states, error);
}

/* sign -1: the weakest first. */
static int64_t extreme_tiles(const mt_heatmap *heatmap, int64_t k, float sign, mt_heat_tile *out)
{
    int64_t n = 0;

    for (int64_t i = 0; i < heatmap->n_tiles && k > 0; i++) {
        const int64_t *row = (const int64_t *)heatmap->coords->data + i * heatmap->coords->shape[1];
        float          value = heatmap->tile_values[i];
        int64_t        place = n;
        while (place > 0 &&
               sign * heatmap->tile_numbers[i] > sign * heatmap->tile_numbers[out[place - 1].index]) /* insertion: k is a handful */
            place--;
        if (isnan(value) || place >= k)
            continue;
        n = MIN(n + 1, k);
        memmove(&out[place + 1], &out[place], (size_t)(n - place - 1) * sizeof *out);
        out[place] = (mt_heat_tile){i, row[0], row[1], heatmap->coords->shape[1] == 3 ? row[2] : 0, value};
    }
    return n;
}

int64_t mt_heatmap_top_tiles(const mt_heatmap *heatmap, int64_t k, mt_heat_tile *out)
{
    return extreme_tiles(heatmap, k, 1, out);
}

int64_t mt_heatmap_bottom_tiles(const mt_heatmap *heatmap, int64_t k, mt_heat_tile *out)
{
    return extreme_tiles(heatmap, k, -1, out);
}
