/* The parts of an overlay: overlay_map.c draws the slide and its heat, overlay_panel.c what stands around it. */
#ifndef MT_OVERLAY_PRIVATE_H
#define MT_OVERLAY_PRIVATE_H

#include "src/export/canvas.h"
#include "src/result/headline.h"
#include <microtome/colormap.h>
#include <microtome/heatmap.h>

#define MT_OVERLAY_MARGIN 32
#define MT_OVERLAY_HEADER 92
#define MT_OVERLAY_FOOTER 52
#define MT_OVERLAY_PANEL 360
#define MT_OVERLAY_MIN_WIDTH 1200
#define MT_OVERLAY_MAP_SIDE 1024 /* long side of the map */
#define MT_OVERLAY_SPOTS 5

typedef struct mt_overlay {
    const mt_result   *result;
    const mt_heatmap  *heatmap;
    const mt_headline *headline;
    const mt_colormap *map;
    mt_tensor         *thumbnail; /* u8 (h,w,3); NULL: none stored */
    mt_canvas         *canvas;
    int                map_x, map_y, map_width, map_height;
    int                panel_x, panel_y;
    int                n_spots; /* the strongest tiles that stand apart, strongest first */
    mt_heat_tile       spots[MT_OVERLAY_SPOTS];
} mt_overlay;

/* Opacity of the heat at `value`: cold tissue stays nearly as it is. */
double mt_overlay_opacity(const mt_heatmap *heatmap, float value);

/* The whole picture, as mt_overlay_png_write writes it. */
mt_canvas *mt_overlay_canvas(const mt_result *result, const mt_heatmap *heatmap, const mt_colormap *colormap, GError **error);

/* Needs the size of the map. */
void mt_overlay_find_spots(mt_overlay *overlay);
bool mt_overlay_draw_map(const mt_overlay *overlay, GError **error);
bool mt_overlay_draw_header(const mt_overlay *overlay, GError **error);
bool mt_overlay_draw_panel(const mt_overlay *overlay, GError **error);
bool mt_overlay_draw_footer(const mt_overlay *overlay, GError **error);

#endif
