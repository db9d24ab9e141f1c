/* The pictures of a case in the report of a batch: the slide and the evidence over it, or what was found in it. */
#include "src/export/batch_report.h"
#include "src/export/evaluation_parts.h"
#include "src/export/finding_picture.h"
#include "src/export/overlay_private.h"
#include "src/export/small_picture.h"
#include "src/store/schema.h"

#include <string.h>

#define SIDE 150 /* px, on paper and on a screen about 4 cm */
#define LARGE_SIDE 300
#define QUALITY 78

static void blend_heat(mt_canvas *canvas, const mt_heatmap *h, const mt_colormap *map)
{
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            int64_t at = (int64_t)y * h->height / canvas->height * h->width + (int64_t)x * h->width / canvas->width;
            uint8_t rgb[3];
            mt_canvas_blend(canvas, x, y, (mt_color){255, 255, 255}, 0.25); /* only the heat has full colour */
            if (h->states[at] == MT_HEAT_UNREAD)
                mt_canvas_hatch_px(canvas, x, y);
            if (h->states[at] != MT_HEAT_VALUE)
                continue;
            mt_colormap_color(map, h->values[at], rgb);
            mt_canvas_blend(canvas, x, y, (mt_color){rgb[0], rgb[1], rgb[2]}, mt_overlay_opacity(h, h->values[at]));
        }
}

/* Features alone have none. */
static mt_heatmap *find_heat(const mt_result *result)
{
    const mt_heatmap_params params = {.scale = MT_HEAT_ABSOLUTE, .plane = -1};
    g_autoptr(mt_heatmap) heatmap = mt_heatmap_new(result, &params, NULL);

    return heatmap != NULL && heatmap->n_tiles > 0 ? g_steal_pointer(&heatmap) : NULL;
}

/* One larger picture in the place of both: things of some pixels are to be seen. */
static bool put_findings(GString *html, const mt_result *result, const mt_tensor *thumbnail, const mt_report_findings *findings,
                         const char *id)
{
    g_autoptr(mt_canvas) canvas = mt_finding_picture(result, thumbnail, findings->list, findings->order, findings->n, LARGE_SIDE, NULL);

    if (canvas == NULL)
        return false;
    g_string_append(html, "<td class=\"p\" colspan=\"2\">");
    mt_html_picture(html, canvas, id, QUALITY, NULL);
    g_string_append(html, "</td>");
    return true;
}

void mt_batch_report_pictures(GString *html, const mt_result *result, const mt_report_findings *findings, const char *id)
{
    g_autoptr(mt_tensor) thumbnail = NULL;

    if (result != NULL && mt_result_has(result, MT_OBJECT_THUMBNAIL))
        thumbnail = mt_result_read(result, MT_OBJECT_THUMBNAIL, NULL);
    g_autoptr(mt_heatmap) heat = thumbnail != NULL ? find_heat(result) : NULL;
    if (thumbnail != NULL && heat == NULL && findings->n > 0 && put_findings(html, result, thumbnail, findings, id))
        return;
    g_autoptr(mt_canvas) canvas = thumbnail != NULL ? mt_small_picture(thumbnail, SIDE, NULL) : NULL;
    const mt_colormap *map = mt_colormap_find(NULL, NULL);
    g_string_append(html, "<td class=\"p\">");
    if (canvas != NULL)
        mt_html_picture(html, canvas, id, QUALITY, NULL);
    g_string_append(html, "</td><td class=\"p\">");
    if (canvas != NULL && heat != NULL && map != NULL) {
        blend_heat(canvas, heat, map);
        mt_html_picture(html, canvas, id, QUALITY, NULL);
    }
    g_string_append(html, "</td>");
}
