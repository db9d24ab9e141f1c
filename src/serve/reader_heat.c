/* The values of a map, for a page that colours them itself. */
#include "src/serve/reader_private.h"

#include "src/export/heat_legend.h"
#include "src/export/heat_values.h"

#define TOP_TILES 24

static json_t *top_json(const mt_heatmap *h)
{
    mt_heat_tile top[TOP_TILES];
    int64_t      n = mt_heatmap_top_tiles(h, TOP_TILES, top);
    json_t      *list = json_array();

    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:I s:I s:I s:I s:f}", "index", (json_int_t)top[i].index, "x", (json_int_t)top[i].x, "y",
                                              (json_int_t)top[i].y, "plane", (json_int_t)top[i].plane, "number",
                                              (double)h->tile_numbers[top[i].index]));
    return list;
}

bool mt_reader_heat(mt_reader *reader, const json_t *ask, mt_reader_answer *answer, GError **error)
{
    const mt_heatmap *h = mt_reader_heatmap(reader, ask, error);
    mt_heat_values    values;
    json_t           *regions = h != NULL ? mt_heat_regions_json(h, 0, error) : NULL;

    if (regions == NULL)
        return false;
    if (!mt_heat_values_pack(h, &values, error)) {
        json_decref(regions);
        return false;
    }
    g_autofree char *title = mt_heat_legend_title(h);
    json_t *line = json_pack("{s:I s:I s:f s:[f,f] s:s s:s s:s s:I s:I s:I s:o s:o s:[f,f] s:[f,f]}", "width", (json_int_t)values.width,
                             "height", (json_int_t)values.height, "px_level0", values.px_level0, "range", h->range[0], h->range[1], "title",
                             title, "meaning", h->meaning, "scale", mt_heat_legend_scale(h), "plane", (json_int_t)h->plane, "tiles",
                             (json_int_t)h->n_tiles, "read", (json_int_t)h->n_valid, "top", top_json(h), "regions", regions, "tile",
                             h->tile_level0[0], h->tile_level0[1], "level0", h->level0_size[0], h->level0_size[1]);
    json_object_set_new(line, "label", h->label != NULL ? json_string(h->label) : json_null());
    return mt_reader_packed(answer, line, values.packed);
}
