/* What the page of a heatmap knows of its case.  Values stand inside the script: a browser lets no script read a picture file. */
#include "src/export/heat_page_data.h"

#include "src/base/alloc.h"
#include "src/export/heat_legend.h"
#include "src/result/headline.h"
#include "src/result/hot_regions.h"

#include <microtome/picture.h>

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <zlib.h>

#define MAP_PX 4096 /* long side of the values' picture at most */
#define TOP_TILES 12
#define TILE_SIDE 128
#define REGIONS 20
#define REGION_THRESHOLD 0.5

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b, b = rest;
    }
    return a < 0 ? -a : a;
}

/* Level-0 px of the squares that the tiles' lattice is made of; 0: there is none. */
static int64_t lattice(const mt_heatmap *h)
{
    int64_t grain = llround(h->tile_level0[0]);

    if (h->n_tiles == 0 || h->tile_level0[0] != (double)grain || h->tile_level0[1] != h->tile_level0[0])
        return 0;
    for (int64_t i = 0; i < h->n_tiles && grain > 1; i++) {
        const int64_t *row = (const int64_t *)h->coords->data + i * h->coords->shape[1];
        grain = common_divisor(common_divisor(grain, row[0]), row[1]);
    }
    return grain;
}

/* Exact where the tiles stand on a lattice that is not too fine. */
static mt_heat_view map_view(const mt_heatmap *h)
{
    double  most = MAX(h->level0_size[0], h->level0_size[1]), scale = MIN(1, MAP_PX / most);
    int64_t grain = h->smooth_um > 0 ? 0 : lattice(h);

    if (grain > 0 && most / (double)grain <= MAP_PX)
        scale = 1 / (double)grain;
    return (mt_heat_view){.scale_x = scale,
                          .scale_y = scale,
                          .width = MAX(1, (int64_t)ceil(h->level0_size[0] * scale - 1e-6)),
                          .height = MAX(1, (int64_t)ceil(h->level0_size[1] * scale - 1e-6))};
}

static char *jpeg_text(const uint8_t *rgb, int64_t width, int64_t height, GError **error)
{
    const mt_picture_params params = {.format = MT_PICTURE_JPEG, .quality = 85};
    const mt_tile_pixels    pixels = {
           .dtype = MT_U8, .channels = 3, .width = (int)width, .height = (int)height, .data = (void *)(uintptr_t)rgb};
    g_autoptr(GBytes) bytes = mt_picture_encode(&params, &pixels, MT_U8, error);

    if (bytes == NULL)
        return NULL;
    g_autofree char *text = g_base64_encode(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    return g_strconcat("data:image/jpeg;base64,", text, NULL);
}

/* Three planes of n: high bytes of the values in 16 bits, low bytes, states. */
static void lay_planes(const float *values, const uint8_t *states, int64_t n, uint8_t *planes)
{
    for (int64_t i = 0; i < n; i++) {
        int value = (int)lround((double)values[i] * 65535);
        planes[i] = (uint8_t)(value >> 8);
        planes[n + i] = (uint8_t)(value & 255);
    }
    memcpy(planes + 2 * n, states, (size_t)n);
}

static char *packed_text(const uint8_t *bytes, int64_t n, GError **error)
{
    uLongf   size = compressBound((uLong)n);
    uint8_t *packed = mt_alloc((int64_t)size, 1, error);
    char    *text = NULL;

    if (packed != NULL && compress2(packed, &size, bytes, (uLong)n, Z_DEFAULT_COMPRESSION) == Z_OK)
        text = g_base64_encode(packed, size);
    else if (packed != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "pack a map of %" G_GINT64_FORMAT " bytes: zlib does not start", n);
    mt_free(packed);
    return text;
}

static json_t *map_json(const mt_heatmap *h, GError **error)
{
    mt_heat_view view = map_view(h);
    int64_t      n = view.width * view.height;
    float       *values = mt_alloc(n, sizeof *values, error);
    uint8_t     *states = values != NULL ? mt_alloc(n, 1, error) : NULL, *planes = states != NULL ? mt_alloc(n, 3, error) : NULL;
    bool         ok = planes != NULL && mt_heatmap_render(h, &view, values, states, error);

    if (ok)
        lay_planes(values, states, n, planes);
    g_autofree char *text = ok ? packed_text(planes, 3 * n, error) : NULL;
    mt_free(values);
    mt_free(states);
    mt_free(planes);
    return text != NULL ? json_pack("{s:s s:I s:I s:f}", "packed", text, "width", (json_int_t)view.width, "height", (json_int_t)view.height,
                                    "px_level0", 1 / view.scale_x)
                        : NULL;
}

static char *tile_picture(const mt_heatmap *h, const mt_heat_picture *picture, const mt_heat_tile *tile, GError **error)
{
    double       scale = TILE_SIDE / MAX(h->tile_level0[0], h->tile_level0[1]);
    mt_heat_view view = {.scale_x = scale,
                         .scale_y = scale,
                         .first_x = llround((double)tile->x * scale),
                         .first_y = llround((double)tile->y * scale),
                         .width = CLAMP(llround(h->tile_level0[0] * scale), 1, TILE_SIDE),
                         .height = CLAMP(llround(h->tile_level0[1] * scale), 1, TILE_SIDE)};
    uint8_t     *rgb = mt_alloc(view.width * view.height, 3, error);
    char *text = rgb != NULL && mt_heat_picture_render(picture, &view, rgb, error) ? jpeg_text(rgb, view.width, view.height, error) : NULL;

    mt_free(rgb);
    return text;
}

static json_t *tiles_json(const mt_heatmap *h, const mt_heat_picture *picture, GError **error)
{
    mt_heat_tile top[TOP_TILES];
    int64_t      n = mt_heatmap_top_tiles(h, TOP_TILES, top);
    json_t      *list = json_array();

    for (int64_t i = 0; i < n; i++) {
        g_autofree char *text = tile_picture(h, picture, &top[i], error);
        if (text == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, json_pack("{s:I s:I s:I s:I s:f s:s}", "index", (json_int_t)top[i].index, "x", (json_int_t)top[i].x,
                                              "y", (json_int_t)top[i].y, "plane", (json_int_t)top[i].plane, "number",
                                              (double)h->tile_numbers[top[i].index], "picture", text));
    }
    return list;
}

static json_t *regions_json(const mt_heatmap *h, double threshold, GError **error)
{
    g_autoptr(mt_hot_regions) regions = mt_hot_regions_new(h, threshold > 0 ? threshold : REGION_THRESHOLD, error);
    json_t *list = regions != NULL ? json_array() : NULL;

    for (int64_t r = 0; regions != NULL && r < MIN(regions->n, REGIONS); r++) {
        const mt_hot_region *region = &regions->regions[r];
        double               box[4] = {INFINITY, INFINITY, -INFINITY, -INFINITY};
        for (int64_t i = regions->offsets[region->first_ring]; i < regions->offsets[region->first_ring + 1]; i++)
            for (int a = 0; a < 2; a++) {
                box[a] = fmin(box[a], regions->points[2 * i + a]);
                box[2 + a] = fmax(box[2 + a], regions->points[2 * i + a]);
            }
        json_t *one = json_pack("{s:[f,f,f,f] s:f s:f s:f}", "box", box[0], box[1], box[2], box[3], "mean", region->mean, "peak",
                                region->peak, "area_px", region->area);
        if (h->mpp[0] > 0)
            json_object_set_new(one, "area_mm2", json_real(region->area * h->mpp[0] * h->mpp[1] / 1e6));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *colours_json(const mt_colormap *own)
{
    g_auto(GStrv) names = g_strsplit(mt_colormap_names(), ", ", -1);
    json_t *all = json_object();

    for (int k = 0; names[k] != NULL || own != NULL; k++) {
        const mt_colormap *map = names[k] != NULL ? mt_colormap_find(names[k], NULL) : own;
        uint8_t            table[256][3];
        for (int i = 0; map != NULL && i < 256; i++)
            mt_colormap_color(map, (float)i / 255, table[i]);
        g_autofree char *text = map != NULL ? g_base64_encode((const guchar *)table, sizeof table) : NULL;
        if (text != NULL)
            json_object_set_new(all, mt_colormap_name(map), json_string(text));
        if (names[k] == NULL)
            break;
    }
    return all;
}

static json_t *headline_json(const mt_headline *line)
{
    json_t *o = json_pack("{s:s s:s* s:s* s:s* s:s* s:s* s:b}", "id", line->id != NULL ? line->id : "unnamed case", "status", line->status,
                          "decision", line->decision, "positive", line->positive, "encoder", line->encoder, "head", line->head,
                          "demonstration", line->demonstration);

    if (isfinite(line->score))
        json_object_set_new(o, "score", json_real(line->score));
    if (isfinite(line->threshold))
        json_object_set_new(o, "threshold", json_real(line->threshold));
    return o;
}

static json_t *legend_json(const mt_heatmap *h, bool slide)
{
    g_autofree char *title = mt_heat_legend_title(h);

    return json_pack("{s:s s:s s:s s:s* s:[f,f] s:f s:I s:I s:I}", "title", title, "meaning", h->meaning, "scale", mt_heat_legend_scale(h),
                     "bare", mt_heat_legend_bare(h, slide), "range", h->range[0], h->range[1], "least_opacity",
                     h->scale == MT_HEAT_ABSOLUTE ? 0.02 : 0.2, "tiles", (json_int_t)h->n_tiles, "read", (json_int_t)h->n_valid, "plane",
                     (json_int_t)h->plane);
}

static json_t *all_json(const mt_heatmap *h, const mt_headline *line, const mt_heat_picture *picture, const mt_heat_page_params *params,
                        const mt_heat_view *slide, bool slide_given, GError **error)
{
    const mt_colormap *chosen = params->colormap != NULL ? params->colormap : mt_colormap_find(NULL, error);
    json_t            *map = chosen != NULL ? map_json(h, error) : NULL, *tiles = map != NULL ? tiles_json(h, picture, error) : NULL;
    json_t            *regions = tiles != NULL ? regions_json(h, params->threshold, error) : NULL;

    if (regions == NULL) {
        json_decref(map);
        json_decref(tiles);
        return NULL;
    }
    json_t *o = json_pack("{s:o s:o s:o s:o s:o s:o s:s s:f s:[f,f] s:[f,f] s:s*}", "case", headline_json(line), "legend",
                          legend_json(h, slide_given), "map", map, "tiles", tiles, "regions", regions, "colours", colours_json(chosen),
                          "colour", mt_colormap_name(chosen), "threshold", params->threshold, "level0", h->level0_size[0],
                          h->level0_size[1], "tile", h->tile_level0[0], h->tile_level0[1], "language", params->language);
    json_object_set_new(o, "slide",
                        json_pack("{s:I s:I s:f s:f}", "width", (json_int_t)slide->width, "height", (json_int_t)slide->height, "scale_x",
                                  slide->scale_x, "scale_y", slide->scale_y));
    json_object_set_new(o, "version", json_string(MT_VERSION));
    if (h->mpp[0] > 0)
        json_object_set_new(o, "mpp", json_pack("[f,f]", h->mpp[0], h->mpp[1]));
    return o;
}

char *mt_heat_page_data(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_picture *picture,
                        const mt_heat_page_params *params, const mt_heat_view *slide, bool slide_given, GError **error)
{
    g_autofree char *line = mt_result_headline(mt_result_path(result), error);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, mt_result_path(result), error) : NULL;
    json_t *all = headline != NULL ? all_json(heatmap, headline, picture, params, slide, slide_given, error) : NULL;

    if (all == NULL)
        return NULL;
    char *text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);
    char *script = g_strconcat("window.microtomeCase = ", text, ";\n", NULL);
    free(text);
    return script;
}
