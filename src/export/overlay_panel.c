#include "src/export/heat_legend.h"
#include "src/export/overlay_private.h"

#include <math.h>
#include <string.h>

static const mt_color ink = {24, 32, 46}, soft = {96, 106, 122}, rule = {214, 219, 227}, white = {255, 255, 255};
static const mt_color red = {190, 30, 45};

/* A cursor that goes down the panel; the first failure stops all that follows. */
typedef struct pen {
    const mt_overlay *overlay;
    int               y;
    GError          **error;
    bool              ok;
} pen;

static void write_at(pen *p, int x, int y, const char *text, mt_text_style style)
{
    p->ok = p->ok && mt_canvas_text(p->overlay->canvas, x, y, text, &style, p->error);
}

static void write_line(pen *p, const char *text, int size_px, bool bold, mt_color color)
{
    write_at(p, p->overlay->panel_x, p->y, text,
             (mt_text_style){.size_px = size_px, .bold = bold, .color = color, .width = MT_OVERLAY_PANEL});
    p->y += size_px * 3 / 2;
}

static void write_pair(pen *p, const char *name, const char *value)
{
    write_at(p, p->overlay->panel_x, p->y, name, (mt_text_style){.size_px = 14, .color = soft, .width = 100});
    write_at(p, p->overlay->panel_x + 108, p->y, value, (mt_text_style){.size_px = 14, .color = ink, .width = MT_OVERLAY_PANEL - 108});
    p->y += 23;
}

static void write_heading(pen *p, const char *text)
{
    p->y += 12;
    mt_canvas_fill(p->overlay->canvas, p->overlay->panel_x, p->y, MT_OVERLAY_PANEL, 1, rule);
    p->y += 12;
    write_line(p, text, 12, true, soft);
    p->y += 3;
}

/* The bar shows what the map shows: the colour at its opacity over light tissue. */
static void draw_color_bar(pen *p)
{
    const mt_overlay *overlay = p->overlay;
    const mt_color    tissue = {214, 208, 214};
    int               x = overlay->panel_x, width = MT_OVERLAY_PANEL - 10;

    for (int column = 0; column < width; column++) {
        float   value = ((float)column + 0.5f) / (float)width;
        uint8_t rgb[3];
        mt_colormap_color(overlay->map, value, rgb);
        for (int row = 0; row < 24; row++) {
            mt_canvas_blend(overlay->canvas, x + column, p->y + row, tissue, 1);
            mt_canvas_blend(overlay->canvas, x + column, p->y + row, (mt_color){rgb[0], rgb[1], rgb[2]},
                            mt_overlay_opacity(overlay->heatmap, value));
        }
    }
    mt_canvas_frame(overlay->canvas, x - 1, p->y - 1, width + 2, 26, 1, soft);
    for (int tick = 0; tick <= 4; tick++) {
        g_autofree char *number = mt_heat_legend_number(overlay->heatmap, tick / 4.0);
        int              at = x + tick * (width - 1) / 4;
        mt_canvas_fill(overlay->canvas, at, p->y + 25, 1, 6, soft);
        write_at(p,
                 at + (tick == 0   ? 0
                       : tick == 4 ? 4
                                   : 0),
                 p->y + 32, number,
                 (mt_text_style){.size_px = 12,
                                 .color = ink,
                                 .anchor = tick == 0   ? MT_ANCHOR_LEFT
                                           : tick == 4 ? MT_ANCHOR_RIGHT
                                                       : MT_ANCHOR_MIDDLE});
    }
    p->y += 54;
}

static void draw_legend(pen *p)
{
    const mt_heatmap *h = p->overlay->heatmap;
    g_autofree char  *title = mt_heat_legend_title(h);
    g_autofree char  *unread =
        g_strdup_printf("not readable: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles", h->n_tiles - h->n_valid, h->n_tiles);

    if (h->n_tiles == 0 && !h->is_map) {
        write_line(p, "No tissue found", 18, true, ink);
        write_line(p, "There is nothing to draw for this case.", 13, false, soft);
        return;
    }
    write_line(p, title, 18, true, ink);
    write_line(p, h->meaning, 13, false, soft);
    p->y += 6;
    draw_color_bar(p);
    write_line(p, mt_heat_legend_scale(h), 13, false, ink);
    if (mt_heat_legend_bare(h, false) != NULL)
        write_line(p, mt_heat_legend_bare(h, false), 13, false, ink);
    if (h->n_valid < h->n_tiles) {
        p->y += 4;
        mt_canvas_hatch(p->overlay->canvas, p->overlay->panel_x, p->y, 34, 18);
        mt_canvas_frame(p->overlay->canvas, p->overlay->panel_x, p->y, 34, 18, 1, soft);
        write_at(p, p->overlay->panel_x + 44, p->y, unread, (mt_text_style){.size_px = 13, .color = ink, .width = MT_OVERLAY_PANEL - 44});
        p->y += 26;
    }
}

/* One label with its score as number and bar. */
static void draw_score(pen *p, const char *label, double score, bool positive)
{
    int  x = p->overlay->panel_x + 208, width = 90;
    char number[16];

    g_snprintf(number, sizeof number, "%.3f", score);
    write_at(p, p->overlay->panel_x, p->y, label, (mt_text_style){.size_px = 14, .bold = positive, .color = ink, .width = 196});
    mt_canvas_fill(p->overlay->canvas, x, p->y + 4, width, 10, rule);
    mt_canvas_fill(p->overlay->canvas, x, p->y + 4, (int)lround(CLAMP(score, 0, 1) * width), 10, positive ? ink : soft);
    write_at(p, p->overlay->panel_x + MT_OVERLAY_PANEL, p->y, number,
             (mt_text_style){.size_px = 14, .bold = positive, .color = ink, .anchor = MT_ANCHOR_RIGHT});
    p->y += 24;
}

static void draw_scores(pen *p)
{
    const mt_headline *headline = p->overlay->headline;
    int                shown = MIN(headline->n_scores, 6);
    g_autofree char   *rest = g_strdup_printf("and %d more", headline->n_scores - shown);

    if (headline->n_scores == 0)
        return;
    write_heading(p, "SCORES OF THE CASE");
    for (int i = 0; i < shown; i++)
        if (isfinite(headline->scores[i]))
            draw_score(p, headline->labels[i], headline->scores[i], g_strcmp0(headline->labels[i], headline->positive) == 0);
    if (shown < headline->n_scores)
        write_line(p, rest, 13, false, soft);
    if (isfinite(headline->threshold)) {
        g_autofree char *threshold = g_strdup_printf("review from %.3g%s%s", headline->threshold, headline->positive != NULL ? " of " : "",
                                                     headline->positive != NULL ? headline->positive : "");
        write_line(p, threshold, 13, false, soft);
    }
}

/* Where to look, in level-0 px: what a viewer needs to go there. */
static void draw_places(pen *p)
{
    const mt_overlay *overlay = p->overlay;

    if (overlay->n_spots == 0)
        return;
    write_heading(p, "STRONGEST PLACES (centre of the tile, level-0 px)");
    for (int i = 0; i < overlay->n_spots; i++) {
        const mt_heat_tile *spot = &overlay->spots[i];
        g_autofree char    *rank = g_strdup_printf("%d", i + 1), *value = g_strdup_printf("%.3f", spot->value);
        g_autofree char    *place = g_strdup_printf("x %.0f, y %.0f", (double)spot->x + overlay->heatmap->tile_level0[0] / 2,
                                                    (double)spot->y + overlay->heatmap->tile_level0[1] / 2);
        mt_text_style       style = {.size_px = 14, .color = ink};
        write_at(p, overlay->panel_x, p->y, rank, (mt_text_style){.size_px = 14, .bold = true, .color = ink});
        write_at(p, overlay->panel_x + 24, p->y, place, style);
        style.anchor = MT_ANCHOR_RIGHT;
        write_at(p, overlay->panel_x + MT_OVERLAY_PANEL, p->y, value, style);
        p->y += 23;
    }
}

static void draw_case(pen *p)
{
    const mt_headline *headline = p->overlay->headline;
    g_autofree char   *tiles = g_strdup_printf("%" G_GINT64_FORMAT, headline->tiles);
    g_autofree char   *tissue = g_strdup_printf("%.1f mm\xc2\xb2", headline->tissue_mm2);
    g_autofree char   *mpp =
        g_strdup_printf("%.4g \xc2\xb5m/px (%s)", headline->mpp_x, headline->mpp_source != NULL ? headline->mpp_source : "?");

    write_heading(p, "CASE");
    write_pair(p, "tiles", tiles);
    if (isfinite(headline->tissue_mm2))
        write_pair(p, "tissue", tissue);
    write_pair(p, "resolution", isfinite(headline->mpp_x) ? mpp : "unknown");
    write_heading(p, "MADE WITH");
    write_pair(p, "encoder", headline->encoder != NULL ? headline->encoder : "unknown");
    write_pair(p, "head", headline->head != NULL ? headline->head : "none");
    write_pair(p, "precision", headline->precision != NULL ? headline->precision : "unknown");
}

bool mt_overlay_draw_panel(const mt_overlay *overlay, GError **error)
{
    pen p = {overlay, overlay->panel_y, error, true};

    draw_legend(&p);
    draw_scores(&p);
    draw_places(&p);
    draw_case(&p);
    return p.ok;
}

static mt_color decision_color(const mt_headline *headline)
{
    const char *decision = headline->decision != NULL ? headline->decision : "none";

    if (strcmp(decision, "review") == 0 || strcmp(decision, "urgent") == 0)
        return (mt_color){178, 84, 10};
    return strcmp(decision, "clear") == 0 ? (mt_color){26, 110, 84} : soft;
}

/* "review", or the status where there is no decision; the score in words beside it. */
static void draw_verdict(pen *p)
{
    const mt_headline *headline = p->overlay->headline;
    const mt_canvas   *canvas = p->overlay->canvas;
    bool               decided = headline->decision != NULL && strcmp(headline->decision, "none") != 0;
    g_autofree char   *word = g_ascii_strup(decided ? headline->decision : headline->status != NULL ? headline->status : "unknown", -1);
    g_autoptr(GString) line = g_string_new(NULL);
    mt_text_style style = {.size_px = 20, .bold = true, .color = white, .anchor = MT_ANCHOR_MIDDLE, .width = 240};
    int           width = mt_canvas_text_width(word, &style, p->error) + 40, x = canvas->width - MT_OVERLAY_MARGIN - width;

    p->ok = p->ok && width >= 40;
    mt_canvas_fill(p->overlay->canvas, x, 20, width, 36, decision_color(headline));
    write_at(p, x + width / 2, 25, word, style);
    g_string_append_printf(line, "status %s, decision %s", headline->status != NULL ? headline->status : "unknown",
                           headline->decision != NULL ? headline->decision : "none");
    if (isfinite(headline->score))
        g_string_append_printf(line, ", score %.3f", headline->score);
    write_at(p, canvas->width - MT_OVERLAY_MARGIN, 62, line->str, (mt_text_style){.size_px = 14, .color = soft, .anchor = MT_ANCHOR_RIGHT});
}

bool mt_overlay_draw_header(const mt_overlay *overlay, GError **error)
{
    const mt_headline *headline = overlay->headline;
    pen                p = {overlay, 0, error, true};
    mt_text_style      title = {.size_px = 26, .bold = true, .color = ink, .width = overlay->canvas->width - 420};
    int                x = MT_OVERLAY_MARGIN;
    g_autofree char   *made = g_strdup_printf(
          "%" G_GINT64_FORMAT " tile%s, read by %s, judged by %s", headline->tiles, headline->tiles == 1 ? "" : "s",
        headline->encoder != NULL ? headline->encoder : "an unknown encoder", headline->head != NULL ? headline->head : "no head");

    write_at(&p, x, 18, headline->id != NULL ? headline->id : "unnamed case", title);
    write_at(&p, x, 58, made, (mt_text_style){.size_px = 14, .color = soft, .width = overlay->canvas->width - 460});
    draw_verdict(&p);
    mt_canvas_fill(overlay->canvas, 0, MT_OVERLAY_HEADER - 1, overlay->canvas->width, 1, rule);
    return p.ok;
}

bool mt_overlay_draw_footer(const mt_overlay *overlay, GError **error)
{
    pen        p = {overlay, 0, error, true};
    mt_canvas *canvas = overlay->canvas;
    int        y = canvas->height - MT_OVERLAY_FOOTER;
    bool       demonstration = overlay->headline->demonstration;

    mt_canvas_fill(canvas, 0, y, canvas->width, demonstration ? MT_OVERLAY_FOOTER : 1, demonstration ? red : rule);
    write_at(&p, MT_OVERLAY_MARGIN, y + 17,
             demonstration
                 ? "DEMONSTRATION, not a trained model. Research use only: decision support for a qualified reader, not a diagnosis."
                 : "Research use only. Decision support for a qualified reader, not a diagnosis.",
             (mt_text_style){.size_px = 14, .bold = demonstration, .color = demonstration ? white : ink, .width = canvas->width - 260});
    write_at(&p, canvas->width - MT_OVERLAY_MARGIN, y + 17, "microtome " MT_VERSION,
             (mt_text_style){.size_px = 14, .color = demonstration ? white : soft, .anchor = MT_ANCHOR_RIGHT});
    return p.ok;
}
