/* What the page of a heatmap knows of its case.  Values stand inside the script: a browser lets no script read a picture file. */
#include "src/export/heat_page_data.h"

#include "src/base/alloc.h"
#include "src/export/heat_legend.h"
#include "src/export/heat_values.h"
#include "src/result/headline.h"

#include <microtome/picture.h>

#include <jansson.h>
#include <math.h>

#define TOP_TILES 12
#define TILE_SIDE 128

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

static json_t *map_json(const mt_heatmap *h, GError **error)
{
    mt_heat_values values;

    if (!mt_heat_values_pack(h, &values, error))
        return NULL;
    g_autofree char *text = g_base64_encode(g_bytes_get_data(values.packed, NULL), g_bytes_get_size(values.packed));
    json_t *o = json_pack("{s:s s:I s:I s:f}", "packed", text, "width", (json_int_t)values.width, "height", (json_int_t)values.height,
                          "px_level0", values.px_level0);
    g_bytes_unref(values.packed);
    return o;
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
    json_t            *regions = tiles != NULL ? mt_heat_regions_json(h, params->threshold, error) : NULL;

    if (regions == NULL) {
        json_decref(map);
        json_decref(tiles);
        return NULL;
    }
    json_t *o = json_pack("{s:o s:o s:o s:o s:o s:o s:s s:f s:[f,f] s:[f,f] s:s*}", "case", headline_json(line), "legend",
                          legend_json(h, slide_given), "map", map, "tiles", tiles, "regions", regions, "colours",
                          mt_heat_colours_json(chosen), "colour", mt_colormap_name(chosen), "threshold", params->threshold, "level0",
                          h->level0_size[0], h->level0_size[1], "tile", h->tile_level0[0], h->tile_level0[1], "language", params->language);
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
