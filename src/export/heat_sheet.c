#include <microtome/heat_sheet.h>

#include "src/export/heat_legend.h"
#include "src/export/sheet.h"
#include "src/export/tile_look.h"
#include "src/result/headline.h"

#include <microtome/heat_picture.h>

#include <math.h>

#define HEAD 76 /* px of the sheet's title */
#define BAND 34 /* of a title above rows */
#define FOOT 34
#define LEAST_COLUMNS 4

static const mt_color ink = {24, 32, 46}, soft = {96, 106, 122}, white = {255, 255, 255}, red = {190, 30, 45};

typedef struct sheet {
    const mt_heatmap *heatmap;
    const mt_result  *result;
    mt_heat_picture  *picture; /* of the slide's own pixels; NULL: thumbnails */
    mt_headline      *headline;
    mt_canvas        *canvas;
} sheet;

static mt_canvas *look(const sheet *s, const mt_heat_tile *tile, GError **error)
{
    const mt_heatmap *h = s->heatmap;
    double            scale = MT_SHEET_SIDE / MAX(h->tile_level0[0], h->tile_level0[1]);

    if (s->picture == NULL) {
        mt_tile_place place = {tile->x, tile->y, tile->plane, llround(h->tile_level0[0]), llround(h->tile_level0[1])};
        return mt_tile_look_in_case(s->result, &place, MT_SHEET_SIDE, error);
    }
    mt_heat_view view = {.scale_x = scale,
                         .scale_y = scale,
                         .first_x = llround((double)tile->x * scale),
                         .first_y = llround((double)tile->y * scale),
                         .width = CLAMP(llround(h->tile_level0[0] * scale), 1, MT_SHEET_SIDE),
                         .height = CLAMP(llround(h->tile_level0[1] * scale), 1, MT_SHEET_SIDE)};
    mt_canvas   *canvas = mt_canvas_new((int)view.width, (int)view.height, white, error);
    if (canvas == NULL || mt_heat_picture_render(s->picture, &view, canvas->rgb, error))
        return canvas;
    mt_canvas_free(canvas);
    return NULL;
}

static bool draw_tile(const sheet *s, const mt_heat_tile *tile, int top, int place, GError **error)
{
    g_autoptr(mt_canvas) picture = look(s, tile, error);
    char             number[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *head = g_strdup_printf("%d.  %s", place + 1,
                                            g_ascii_formatd(number, sizeof number, "%.4f", (double)s->heatmap->tile_numbers[tile->index]));
    g_autofree char *name = g_strdup_printf("tile %" G_GINT64_FORMAT, tile->index);
    g_autoptr(GString) at = g_string_new(NULL);

    g_string_printf(at, "x %" G_GINT64_FORMAT ", y %" G_GINT64_FORMAT, tile->x, tile->y);
    if (s->heatmap->coords->shape[1] == 3)
        g_string_append_printf(at, ", plane %" G_GINT64_FORMAT, tile->plane);
    return picture != NULL && mt_sheet_put(s->canvas, top, place, &(mt_sheet_cell){picture, {head, name, at->str}, false}, error);
}

/* Returns the y below them; -1 on failure. */
static int draw_tiles(const sheet *s, const char *title, const mt_heat_tile *tiles, int n, int top, GError **error)
{
    const mt_text_style bold = {.size_px = 15, .bold = true, .color = ink};
    bool                ok = n == 0 || mt_canvas_text(s->canvas, MT_SHEET_GAP, top + 12, title, &bold, error);

    for (int i = 0; ok && i < n; i++)
        ok = draw_tile(s, &tiles[i], top + BAND, i, error);
    return ok ? top + (n > 0 ? BAND + mt_sheet_height(n) : 0) : -1;
}

static bool draw_head(const sheet *s, GError **error)
{
    int                 width = s->canvas->width - 2 * MT_SHEET_GAP;
    const mt_text_style bold = {.size_px = 20, .bold = true, .color = ink, .width = width};
    const mt_text_style plain = {.size_px = 13, .color = soft, .width = width};
    g_autofree char    *title = mt_heat_legend_title(s->heatmap);
    g_autofree char    *first = g_strdup_printf("%s \xe2\x80\x94 %s", s->headline->id != NULL ? s->headline->id : "unnamed case", title);
    g_autofree char    *second =
        g_strdup_printf("%s; %s. Places: top left corner, level-0 px.", s->heatmap->meaning, mt_heat_legend_scale(s->heatmap));

    return mt_canvas_text(s->canvas, MT_SHEET_GAP, 16, first, &bold, error) &&
           mt_canvas_text(s->canvas, MT_SHEET_GAP, 48, second, &plain, error);
}

static bool draw_foot(const sheet *s, GError **error)
{
    bool                demonstration = s->headline->demonstration;
    const mt_text_style style = {
        .size_px = 12, .bold = demonstration, .color = demonstration ? white : soft, .width = s->canvas->width - 2 * MT_SHEET_GAP};
    int top = s->canvas->height - FOOT;

    if (demonstration)
        mt_canvas_fill(s->canvas, 0, top, s->canvas->width, FOOT, red);
    return mt_canvas_text(s->canvas, MT_SHEET_GAP, top + 9,
                          demonstration ? "DEMONSTRATION, not a trained model. Research use only, not a diagnosis."
                                        : "Research use only. Decision support for a qualified reader, not a diagnosis.",
                          &style, error);
}

static bool draw(sheet *s, const mt_heat_tile *top, int n_top, const mt_heat_tile *bottom, int n_bottom, GError **error)
{
    int widest = MAX(MAX(n_top, n_bottom), LEAST_COLUMNS), height = HEAD + FOOT;

    height += n_top > 0 ? BAND + mt_sheet_height(n_top) : 0;
    height += n_bottom > 0 ? BAND + mt_sheet_height(n_bottom) : 0;
    s->canvas = mt_canvas_new(mt_sheet_width(widest), height, white, error);
    if (s->canvas == NULL || !draw_head(s, error))
        return false;
    int y = draw_tiles(s, "Highest", top, n_top, HEAD, error);
    y = y >= 0 ? draw_tiles(s, "Lowest", bottom, n_bottom, y, error) : -1;
    return y >= 0 && draw_foot(s, error);
}

static bool check(const mt_heatmap *heatmap, const mt_heat_sheet_params *params, const char *path, GError **error)
{
    int wrong = params->top < 0 || params->top > MT_HEAT_SHEET_MOST ? params->top : params->bottom;

    if (wrong < 0 || wrong > MT_HEAT_SHEET_MOST || params->top + params->bottom < 1)
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "draw a sheet of tiles: %d and %d are not 0 to %d tiles, and one at least",
                    params->top, params->bottom, MT_HEAT_SHEET_MOST);
    else if (heatmap->n_valid < 1)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a sheet of tiles: %s",
                    heatmap->n_tiles > 0 ? "the case has no tile that was read"
                    : heatmap->is_map    ? "there are none: a map of pixels is drawn"
                                         : "there are none: nothing was found to look at");
    else if (!params->replace && g_file_test(path, G_FILE_TEST_EXISTS))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write %s: it exists already, and is not to be replaced", path);
    else
        return true;
    return false;
}

bool mt_heat_sheet_write(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide, const mt_heat_sheet_params *params,
                         const char *path, GError **error)
{
    sheet               s = {.heatmap = heatmap, .result = result};
    const mt_heat_style bare = {.slide_only = true};

    if (!check(heatmap, params, path, error) || (slide != NULL && !(s.picture = mt_heat_picture_new(heatmap, result, slide, &bare, error))))
        return false;
    g_autofree mt_heat_tile *top = g_new0(mt_heat_tile, params->top + 1), *bottom = g_new0(mt_heat_tile, params->bottom + 1);
    int                      n_top = (int)mt_heatmap_top_tiles(heatmap, params->top, top),
        n_bottom = (int)mt_heatmap_bottom_tiles(heatmap, params->bottom, bottom);
    g_autofree char *line = mt_result_headline(mt_result_path(result), error);

    s.headline = line != NULL ? mt_headline_parse(line, mt_result_path(result), error) : NULL;
    bool ok = s.headline != NULL && draw(&s, top, n_top, bottom, n_bottom, error) && mt_canvas_write_png(s.canvas, path, error);
    mt_headline_free(s.headline);
    mt_canvas_free(s.canvas);
    mt_heat_picture_free(s.picture);
    return ok;
}
