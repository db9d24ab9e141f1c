#include <microtome/overlay.h>

#include "src/export/overlay_private.h"
#include "src/store/schema.h"

#include <math.h>

/* Room for the panel's lines, whatever the slide's shape. */
#define CONTENT_HEIGHT 640

static bool read_inputs(mt_overlay *overlay, const mt_colormap *colormap, GError **error)
{
    const char      *path = mt_result_path(overlay->result);
    g_autofree char *line = NULL;

    overlay->map = colormap != NULL ? colormap : mt_colormap_find(NULL, error);
    line = overlay->map != NULL ? mt_result_headline(path, error) : NULL;
    overlay->headline = line != NULL ? mt_headline_parse(line, path, error) : NULL;
    if (overlay->headline == NULL)
        return false;
    if (!mt_result_has(overlay->result, MT_OBJECT_THUMBNAIL) || !overlay->heatmap->on_thumbnail)
        return true;
    overlay->thumbnail = mt_result_read(overlay->result, MT_OBJECT_THUMBNAIL, error);
    return overlay->thumbnail != NULL;
}

static bool lay_out(mt_overlay *overlay, GError **error)
{
    const mt_heatmap *h = overlay->heatmap;
    double            scale = (double)MT_OVERLAY_MAP_SIDE / (double)MAX(h->width, h->height);
    int               width, height, content, room;

    overlay->map_width = MAX(1, (int)lround((double)h->width * scale));
    overlay->map_height = MAX(1, (int)lround((double)h->height * scale));
    content = MAX(overlay->map_height, CONTENT_HEIGHT);
    room = MAX(overlay->map_width, MT_OVERLAY_MIN_WIDTH - MT_OVERLAY_PANEL - 3 * MT_OVERLAY_MARGIN);
    width = room + MT_OVERLAY_PANEL + 3 * MT_OVERLAY_MARGIN;
    height = MT_OVERLAY_HEADER + content + 2 * MT_OVERLAY_MARGIN + MT_OVERLAY_FOOTER;
    overlay->map_x = MT_OVERLAY_MARGIN + (room - overlay->map_width) / 2;
    overlay->map_y = MT_OVERLAY_HEADER + MT_OVERLAY_MARGIN + (content - overlay->map_height) / 2;
    overlay->panel_x = width - MT_OVERLAY_MARGIN - MT_OVERLAY_PANEL;
    overlay->panel_y = MT_OVERLAY_HEADER + MT_OVERLAY_MARGIN;
    mt_overlay_find_spots(overlay);
    overlay->canvas = mt_canvas_new(width, height, (mt_color){255, 255, 255}, error);
    return overlay->canvas != NULL;
}

mt_canvas *mt_overlay_canvas(const mt_result *result, const mt_heatmap *heatmap, const mt_colormap *colormap, GError **error)
{
    mt_overlay overlay = {.result = result, .heatmap = heatmap};
    bool       ok = read_inputs(&overlay, colormap, error) && lay_out(&overlay, error) && mt_overlay_draw_map(&overlay, error) &&
              mt_overlay_draw_header(&overlay, error) && mt_overlay_draw_panel(&overlay, error) && mt_overlay_draw_footer(&overlay, error);

    mt_headline_free((mt_headline *)overlay.headline);
    if (overlay.thumbnail != NULL)
        mt_tensor_unref(overlay.thumbnail);
    if (!ok)
        g_clear_pointer(&overlay.canvas, mt_canvas_free);
    return overlay.canvas;
}

bool mt_overlay_png_write(const mt_result *result, const mt_heatmap *heatmap, const mt_colormap *colormap, const char *path, GError **error)
{
    g_autoptr(mt_canvas) canvas = mt_overlay_canvas(result, heatmap, colormap, error);

    return canvas != NULL && mt_canvas_write_png(canvas, path, error);
}
