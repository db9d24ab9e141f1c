#include "src/export/overlay_private.h"

#include <math.h>
#include <string.h>

#define SPOT_DISTANCE 90.0 /* px of the map between two spots: neighbours of the strongest tile tell nothing new */
#define SPOT_VALUE 0.1f    /* colder tiles are not pointed at */
#define SPOT_SHARE 0.3f    /* nor those far below the strongest: the flank of a focus is no second one */

static const mt_color ink = {24, 32, 46}, white = {255, 255, 255};

double mt_overlay_opacity(const mt_heatmap *heatmap, float value)
{
    double least = heatmap->scale == MT_HEAT_ABSOLUTE ? 0.02 : 0.2;
    double most = heatmap->n_tiles == 1 ? 0.4 : 0.85; /* one tile covers the whole picture: leave it to be seen */

    return least + (most - least) * sqrt(MAX(value, 0)) * (value < 0.05f ? value / 0.05 : 1);
}

/* The slide between its pixels (bilinear), desaturated and lightened so that only the heat has colour. */
static mt_color slide_px(const mt_overlay *overlay, int x, int y)
{
    const mt_tensor *t = overlay->thumbnail;
    double           rgb[3], gray;

    if (t == NULL)
        return (mt_color){244, 245, 248};
    double         u = CLAMP((x + 0.5) * (double)t->shape[1] / overlay->map_width - 0.5, 0, (double)(t->shape[1] - 1));
    double         v = CLAMP((y + 0.5) * (double)t->shape[0] / overlay->map_height - 0.5, 0, (double)(t->shape[0] - 1));
    int64_t        x0 = (int64_t)u, y0 = (int64_t)v, x1 = MIN(x0 + 1, t->shape[1] - 1), y1 = MIN(y0 + 1, t->shape[0] - 1);
    const uint8_t *data = t->data;
    for (int c = 0; c < 3; c++) {
        double top = data[(y0 * t->shape[1] + x0) * 3 + c] * (x0 + 1 - u) + data[(y0 * t->shape[1] + x1) * 3 + c] * (u - (double)x0);
        double low = data[(y1 * t->shape[1] + x0) * 3 + c] * (x0 + 1 - u) + data[(y1 * t->shape[1] + x1) * 3 + c] * (u - (double)x0);
        rgb[c] = top * (y0 + 1 - v) + low * (v - (double)y0);
    }
    gray = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    for (int c = 0; c < 3; c++)
        rgb[c] = 255 - (255 - (0.75 * gray + 0.25 * rgb[c])) * 0.8;
    return (mt_color){(uint8_t)(rgb[0] + 0.5), (uint8_t)(rgb[1] + 0.5), (uint8_t)(rgb[2] + 0.5)};
}

static mt_heat_state state_at(const mt_overlay *overlay, int x, int y, float *value)
{
    const mt_heatmap *h = overlay->heatmap;
    int64_t           column = (int64_t)x * h->width / overlay->map_width, row = (int64_t)y * h->height / overlay->map_height;

    if (x < 0 || y < 0 || x >= overlay->map_width || y >= overlay->map_height)
        return MT_HEAT_NONE;
    *value = h->values[row * h->width + column];
    return h->states[row * h->width + column];
}

/* Whether (x, y) is the rim of what was analysed: without it cold tissue and tissue nobody looked at are one. */
static bool on_rim(const mt_overlay *overlay, int x, int y)
{
    float value;

    return state_at(overlay, x - 1, y, &value) == MT_HEAT_NONE || state_at(overlay, x + 1, y, &value) == MT_HEAT_NONE ||
           state_at(overlay, x, y - 1, &value) == MT_HEAT_NONE || state_at(overlay, x, y + 1, &value) == MT_HEAT_NONE;
}

static void draw_px(const mt_overlay *overlay, int x, int y)
{
    int     at_x = overlay->map_x + x, at_y = overlay->map_y + y;
    float   value = 0;
    uint8_t rgb[3];

    mt_canvas_blend(overlay->canvas, at_x, at_y, slide_px(overlay, x, y), 1);
    switch (state_at(overlay, x, y, &value)) {
    case MT_HEAT_NONE:
        return;
    case MT_HEAT_VALUE:
        mt_colormap_color(overlay->map, value, rgb);
        mt_canvas_blend(overlay->canvas, at_x, at_y, (mt_color){rgb[0], rgb[1], rgb[2]}, mt_overlay_opacity(overlay->heatmap, value));
        break;
    case MT_HEAT_UNREAD:
        mt_canvas_hatch_px(overlay->canvas, at_x, at_y);
        break;
    }
    if (on_rim(overlay, x, y))
        mt_canvas_blend(overlay->canvas, at_x, at_y, ink, 0.45);
}

/* Centre of tile i in px of the map. */
static void tile_centre(const mt_overlay *overlay, int64_t i, double *x, double *y)
{
    const mt_heatmap *h = overlay->heatmap;
    const int64_t    *row = (const int64_t *)h->coords->data + i * h->coords->shape[1];

    *x = CLAMP(((double)row[0] + h->tile_level0[0] / 2) / h->level0_size[0], -1, 2) * overlay->map_width;
    *y = CLAMP(((double)row[1] + h->tile_level0[1] / 2) / h->level0_size[1], -1, 2) * overlay->map_height;
}

static bool near_a_spot(const mt_overlay *overlay, int64_t i)
{
    for (int k = 0; k < overlay->n_spots; k++) {
        double x, y, spot_x, spot_y;
        tile_centre(overlay, i, &x, &y);
        tile_centre(overlay, overlay->spots[k].index, &spot_x, &spot_y);
        if (hypot(x - spot_x, y - spot_y) < SPOT_DISTANCE)
            return true;
    }
    return false;
}

void mt_overlay_find_spots(mt_overlay *overlay)
{
    const mt_heatmap *h = overlay->heatmap;

    for (overlay->n_spots = 0; h->n_tiles > 1 && overlay->n_spots < MT_OVERLAY_SPOTS; overlay->n_spots++) {
        int64_t best = -1;
        for (int64_t i = 0; i < h->n_tiles; i++) {
            const int64_t *row = (const int64_t *)h->coords->data + i * h->coords->shape[1];
            bool           shown = h->coords->shape[1] == 2 || row[2] == h->plane;
            if (shown && h->tile_values[i] >= SPOT_VALUE && (best < 0 || h->tile_values[i] > h->tile_values[best]) &&
                !near_a_spot(overlay, i))
                best = i;
        }
        if (best < 0 || (overlay->n_spots > 0 && h->tile_values[best] < SPOT_SHARE * overlay->spots[0].value))
            return;
        const int64_t *row = (const int64_t *)h->coords->data + best * h->coords->shape[1];
        overlay->spots[overlay->n_spots] = (mt_heat_tile){best, row[0], row[1], h->plane, h->tile_values[best]};
    }
}

/* A frame around the tile, and its rank beside it; a tiny tile gets a frame that can be seen. */
static bool draw_spots(const mt_overlay *overlay, GError **error)
{
    const mt_heatmap *h = overlay->heatmap;
    mt_text_style     style = {.size_px = 13, .bold = true, .color = white, .anchor = MT_ANCHOR_MIDDLE};

    for (int i = 0; i < overlay->n_spots; i++) {
        int    width = MAX(14, (int)lround(MIN(h->tile_level0[0] / h->level0_size[0], 1) * overlay->map_width) + 6);
        int    height = MAX(14, (int)lround(MIN(h->tile_level0[1] / h->level0_size[1], 1) * overlay->map_height) + 6);
        char   rank[8];
        double centre_x, centre_y;
        tile_centre(overlay, overlay->spots[i].index, &centre_x, &centre_y);
        int x = overlay->map_x + (int)lround(centre_x) - width / 2, y = overlay->map_y + (int)lround(centre_y) - height / 2;
        mt_canvas_frame(overlay->canvas, x - 1, y - 1, width + 2, height + 2, 4, white);
        mt_canvas_frame(overlay->canvas, x, y, width, height, 2, ink);
        int side = x + width + 20 < overlay->map_x + overlay->map_width ? x + width + 4 : x - 21;
        mt_canvas_fill(overlay->canvas, side - 1, y - 2, 19, 19, white);
        mt_canvas_fill(overlay->canvas, side, y - 1, 17, 17, ink);
        g_snprintf(rank, sizeof rank, "%d", i + 1);
        if (!mt_canvas_text(overlay->canvas, side + 9, y - 1, rank, &style, error))
            return false;
    }
    return true;
}

/* 1, 2 or 5 times a power of ten, about a fifth of the map. */
static bool draw_scale_bar(const mt_overlay *overlay, GError **error)
{
    const mt_heatmap *h = overlay->heatmap;
    double            um = overlay->headline->mpp_x * h->level0_size[0] / overlay->map_width; /* per px of the map */
    int               y = overlay->map_y + overlay->map_height - 26, x = overlay->map_x + 16;
    mt_text_style     style = {.size_px = 14, .bold = true, .color = ink};
    char              text[32];

    if (!isfinite(um) || um <= 0 || overlay->map_height < 90 || overlay->map_width < 200)
        return true;
    double wanted = um * overlay->map_width / 5, power = pow(10, floor(log10(wanted)));
    double length = wanted >= 5 * power ? 5 * power : wanted >= 2 * power ? 2 * power : power;
    int    px = (int)lround(length / um);
    g_snprintf(text, sizeof text, length >= 1000 ? "%g mm" : "%g \xc2\xb5m", length >= 1000 ? length / 1000 : length);
    for (int row = -24; row < 16; row++)
        for (int column = -8; column < px + 9; column++)
            mt_canvas_blend(overlay->canvas, x + column, y + row, white, 0.7);
    mt_canvas_fill(overlay->canvas, x, y, px, 5, ink);
    return mt_canvas_text(overlay->canvas, x, y - 21, text, &style, error);
}

static bool draw_words(const mt_overlay *overlay, GError **error)
{
    const mt_canvas *canvas = overlay->canvas;
    int              x = overlay->map_x + overlay->map_width / 2, y = overlay->map_y + overlay->map_height / 2;
    mt_text_style    big = {
           .size_px = 54, .bold = true, .color = {190, 30, 45}, .opacity = 0.34, .anchor = MT_ANCHOR_MIDDLE, .width = overlay->map_width - 16};
    mt_text_style none = {.size_px = 40, .bold = true, .color = {90, 100, 116}, .anchor = MT_ANCHOR_MIDDLE, .width = canvas->width};

    if (overlay->heatmap->n_tiles == 0 && !overlay->heatmap->is_map &&
        !mt_canvas_text(overlay->canvas, x, y - 80, "No tissue found", &none, error))
        return false;
    big.size_px = CLAMP(overlay->map_width / 11, 20, 84);
    return !overlay->headline->demonstration || mt_canvas_text(overlay->canvas, x, y - big.size_px * 6 / 10, "DEMONSTRATION", &big, error);
}

bool mt_overlay_draw_map(const mt_overlay *overlay, GError **error)
{
    for (int y = 0; y < overlay->map_height; y++)
        for (int x = 0; x < overlay->map_width; x++)
            draw_px(overlay, x, y);
    mt_canvas_frame(overlay->canvas, overlay->map_x - 1, overlay->map_y - 1, overlay->map_width + 2, overlay->map_height + 2, 1,
                    (mt_color){200, 206, 216});
    return draw_words(overlay, error) && draw_spots(overlay, error) && draw_scale_bar(overlay, error);
}
