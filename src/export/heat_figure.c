#include <microtome/heat_figure.h>

#include "src/export/figure_page.h"
#include "src/export/heat_legend.h"
#include "src/result/headline.h"

#include <math.h>

/* pt */
#define MARGIN 24.0
#define PANEL_WIDTH 344.0
#define PANEL_HEIGHT 460.0
#define HEAD 64.0
#define LEGEND 84.0
#define BAR_WIDTH 240.0
#define PAGE_LEAST 520.0

typedef struct figure {
    const mt_heatmap *heatmap;
    mt_headline      *headline;
    mt_heat_picture  *slide, *heat;
    bool              has_slide;
    mt_figure_page   *page;
    double            panel[2], width, height; /* pt */
    int64_t           px[2];                   /* of a panel */
} figure;

static void lay_out(figure *f, int side_px)
{
    const double *size = f->heatmap->level0_size;
    double        scale = MIN(PANEL_WIDTH / size[0], PANEL_HEIGHT / size[1]), most = MIN(1, side_px / MAX(size[0], size[1]));

    for (int a = 0; a < 2; a++) {
        f->panel[a] = MAX(1, size[a] * scale);
        f->px[a] = MAX(1, llround(size[a] * most));
    }
    f->width = MAX(3 * MARGIN + 2 * f->panel[0], PAGE_LEAST);
    f->height = HEAD + f->panel[1] + LEGEND + 2 * MARGIN;
}

/* 1, 2 or 5 times a power of ten, at most a quarter of the panel. */
static double bar_um(const figure *f)
{
    double most = f->heatmap->level0_size[0] * f->heatmap->mpp[0] / 4, ten = pow(10, floor(log10(most)));

    return most >= 5 * ten ? 5 * ten : most >= 2 * ten ? 2 * ten : ten;
}

static void draw_scale_bar(figure *f, double x, double y)
{
    if (!(f->heatmap->mpp[0] > 0))
        return;
    double           um = bar_um(f), length = um / f->heatmap->mpp[0] / f->heatmap->level0_size[0] * f->panel[0];
    g_autofree char *text = um >= 1000 ? g_strdup_printf("%g mm", um / 1000) : g_strdup_printf("%g \xc2\xb5m", um);
    double wide = MAX(length, mt_figure_text_width(f->page, text, 8)) + 12, left = x + f->panel[0] - wide - 6, top = y + f->panel[1] - 28;

    mt_figure_box(f->page, left, top, wide, 22, (mt_color){255, 255, 255}, 0.85);
    mt_figure_box(f->page, left + (wide - length) / 2, top + 15, length, 2.5, MT_FIGURE_INK, 1);
    mt_figure_text(f->page, left + wide / 2, top + 2, text, &(mt_figure_font){8, false, MT_ANCHOR_MIDDLE, MT_FIGURE_INK});
}

static bool draw_panel(figure *f, const mt_heat_picture *picture, const char *letter, const char *title, double x, GError **error)
{
    double       y = HEAD;
    mt_heat_view view = {.scale_x = (double)f->px[0] / f->heatmap->level0_size[0],
                         .scale_y = (double)f->px[1] / f->heatmap->level0_size[1],
                         .width = f->px[0],
                         .height = f->px[1]};
    g_autoptr(mt_canvas) canvas = mt_canvas_new((int)view.width, (int)view.height, (mt_color){255, 255, 255}, error);

    if (canvas == NULL || !mt_heat_picture_render(picture, &view, canvas->rgb, error))
        return false;
    mt_figure_text(f->page, x, y - 18, letter, &(mt_figure_font){11, true, MT_ANCHOR_LEFT, MT_FIGURE_INK});
    mt_figure_text(f->page, x + 16, y - 17, title, &(mt_figure_font){9.5, false, MT_ANCHOR_LEFT, MT_FIGURE_INK});
    mt_figure_picture(f->page, canvas, x, y, f->panel[0], f->panel[1]);
    draw_scale_bar(f, x, y);
    return true;
}

/* The colours as they stand over light tissue. */
static void draw_colors(figure *f, double x, double y)
{
    const int steps = 120;

    for (int i = 0; i < steps; i++) {
        uint8_t rgb[3] = {226, 220, 226};
        mt_heat_picture_shade(f->heat, (float)((i + 0.5) / steps), rgb);
        mt_figure_box(f->page, x + BAR_WIDTH * i / steps, y, BAR_WIDTH / steps + (i + 1 < steps ? 0.3 : 0), 11,
                      (mt_color){rgb[0], rgb[1], rgb[2]}, 1);
    }
    for (int tick = 0; tick <= 4; tick++) {
        g_autofree char *number = mt_heat_legend_number(f->heatmap, tick / 4.0);
        mt_figure_box(f->page, x + BAR_WIDTH * tick / 4 - 0.25, y + 11, 0.5, 3, MT_FIGURE_INK, 1);
        mt_figure_text(f->page, x + BAR_WIDTH * tick / 4, y + 15, number,
                       &(mt_figure_font){7.5, false,
                                         tick == 0   ? MT_ANCHOR_LEFT
                                         : tick == 4 ? MT_ANCHOR_RIGHT
                                                     : MT_ANCHOR_MIDDLE,
                                         MT_FIGURE_INK});
    }
}

static void draw_words(figure *f, double x, double y)
{
    const mt_heatmap *h = f->heatmap;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(lines, g_strdup(h->meaning));
    g_ptr_array_add(lines, g_strdup(mt_heat_legend_scale(h)));
    if (h->n_tiles > h->n_valid)
        g_ptr_array_add(lines, g_strdup_printf("hatched: not readable, %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles",
                                               h->n_tiles - h->n_valid, h->n_tiles));
    g_ptr_array_add(lines, g_strdup("clear: no tissue or no tile; cold tissue stays nearly clear"));
    if (mt_heat_legend_bare(h, f->has_slide) != NULL)
        g_ptr_array_add(lines, g_strdup(mt_heat_legend_bare(h, f->has_slide)));
    if (!(h->mpp[0] > 0))
        g_ptr_array_add(lines, g_strdup("no scale bar: the \xc2\xb5m/px are unknown"));
    for (guint i = 0; i < lines->len; i++)
        mt_figure_text(f->page, x, y + 12 * i, lines->pdata[i], &(mt_figure_font){8, false, MT_ANCHOR_LEFT, MT_FIGURE_SOFT});
}

static void draw_head(figure *f)
{
    const mt_headline *line = f->headline;
    g_autoptr(GString) second = g_string_new(NULL);

    mt_figure_text(f->page, MARGIN, 14, line->id != NULL ? line->id : "unnamed case",
                   &(mt_figure_font){13, true, MT_ANCHOR_LEFT, MT_FIGURE_INK});
    if (isfinite(line->score))
        g_string_append_printf(second, "score %.3f%s%s", line->score, line->positive != NULL ? " of " : "",
                               line->positive != NULL ? line->positive : "");
    mt_figure_text(f->page, f->width - MARGIN, 16, second->str, &(mt_figure_font){10, false, MT_ANCHOR_RIGHT, MT_FIGURE_INK});
}

static void draw_foot(figure *f)
{
    bool     demonstration = f->headline->demonstration;
    mt_color color = demonstration ? (mt_color){190, 30, 45} : MT_FIGURE_SOFT;

    mt_figure_text(f->page, MARGIN, f->height - 20,
                   demonstration ? "DEMONSTRATION, not a trained model. Research use only, not a diagnosis."
                                 : "Research use only. Decision support for a qualified reader, not a diagnosis.",
                   &(mt_figure_font){8, demonstration, MT_ANCHOR_LEFT, color});
}

static bool draw(figure *f, GError **error)
{
    g_autofree char *title = mt_heat_legend_title(f->heatmap);
    double           second = 2 * MARGIN + f->panel[0], below = HEAD + f->panel[1] + 18;

    draw_head(f);
    if (!draw_panel(f, f->slide, "A", "Case", MARGIN, error) || !draw_panel(f, f->heat, "B", title, second, error))
        return false;
    draw_colors(f, MARGIN, below);
    draw_words(f, MARGIN + BAR_WIDTH + 24, below - 2);
    draw_foot(f);
    return true;
}

static bool check(const mt_heat_figure_params *params, const char *path, GError **error)
{
    if (params->side_px != 0 && (params->side_px < 100 || params->side_px > 8192))
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "draw a figure: pictures of %d px are not of 100 to 8192", params->side_px);
    else if (!params->replace && g_file_test(path, G_FILE_TEST_EXISTS))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write %s: it exists already, and is not to be replaced", path);
    else
        return true;
    return false;
}

bool mt_heat_figure_write(const mt_heatmap *heatmap, const mt_result *result, mt_case *slide, const mt_heat_style *style,
                          const mt_heat_figure_params *params, const char *path, GError **error)
{
    figure              f = {.heatmap = heatmap, .has_slide = slide != NULL};
    const mt_heat_style bare = {.slide_only = true};
    g_autofree char    *line = check(params, path, error) ? mt_result_headline(mt_result_path(result), error) : NULL;
    bool                ok = line != NULL && (f.headline = mt_headline_parse(line, mt_result_path(result), error)) != NULL &&
              (f.slide = mt_heat_picture_new(heatmap, result, slide, &bare, error)) != NULL &&
              (f.heat = mt_heat_picture_new(heatmap, result, slide, style, error)) != NULL;

    if (ok) {
        lay_out(&f, params->side_px > 0 ? params->side_px : 1200);
        f.page = mt_figure_page_new(params->format, f.width, f.height, error);
        ok = f.page != NULL && draw(&f, error) && mt_figure_page_write(f.page, path, params->replace, error);
    }
    mt_figure_page_free(f.page);
    mt_heat_picture_free(f.slide);
    mt_heat_picture_free(f.heat);
    mt_headline_free(f.headline);
    return ok;
}
