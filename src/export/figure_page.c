/* One page as PNG, SVG or PDF, by cairo and pango. */
#include "src/export/figure_page.h"

#include "src/base/publish.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <pango/pangocairo.h>
#include <string.h>

#define PX_PER_PT 3.0 /* of a PNG: 216 px an inch */

struct mt_figure_page {
    mt_figure_format format;
    cairo_surface_t *surface;
    cairo_t         *cairo;
    GByteArray      *bytes;
    cairo_status_t   status;  /* the first failure */
    int              unknown; /* letters without a font */
};

static cairo_status_t take(void *closure, const unsigned char *data, unsigned int length)
{
    g_byte_array_append(closure, data, length);
    return CAIRO_STATUS_SUCCESS;
}

static cairo_surface_t *new_surface(const mt_figure_page *page, double width, double height)
{
    if (page->format == MT_FIGURE_PNG)
        return cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(width * PX_PER_PT + 0.5), (int)(height * PX_PER_PT + 0.5));
    if (page->format == MT_FIGURE_SVG)
        return cairo_svg_surface_create_for_stream(take, page->bytes, width, height);
    cairo_surface_t *pdf = cairo_pdf_surface_create_for_stream(take, page->bytes, width, height);
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATE_DATE, ""); /* the same bytes tomorrow */
    return pdf;
}

mt_figure_page *mt_figure_page_new(mt_figure_format format, double width, double height, GError **error)
{
    mt_figure_page *page = g_new0(mt_figure_page, 1);

    page->format = format;
    page->bytes = g_byte_array_new();
    page->surface = new_surface(page, width, height);
    page->cairo = cairo_create(page->surface);
    if (cairo_status(page->cairo) != CAIRO_STATUS_SUCCESS) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "draw a figure of %.0f x %.0f pt: %s", width, height,
                    cairo_status_to_string(cairo_status(page->cairo)));
        mt_figure_page_free(page);
        return NULL;
    }
    if (format == MT_FIGURE_PNG)
        cairo_scale(page->cairo, PX_PER_PT, PX_PER_PT);
    mt_figure_box(page, 0, 0, width, height, (mt_color){255, 255, 255}, 1);
    return page;
}

void mt_figure_page_free(mt_figure_page *page)
{
    if (page == NULL)
        return;
    cairo_destroy(page->cairo);
    cairo_surface_destroy(page->surface);
    g_byte_array_unref(page->bytes);
    g_free(page);
}

static void set_color(mt_figure_page *page, mt_color color, double opacity)
{
    cairo_set_source_rgba(page->cairo, color.r / 255.0, color.g / 255.0, color.b / 255.0, opacity);
}

void mt_figure_box(mt_figure_page *page, double x, double y, double width, double height, mt_color color, double opacity)
{
    set_color(page, color, opacity);
    cairo_rectangle(page->cairo, x, y, width, height);
    cairo_fill(page->cairo);
}

static PangoLayout *lay_text(mt_figure_page *page, const char *text, double size, bool bold)
{
    PangoLayout          *layout = pango_cairo_create_layout(page->cairo);
    PangoFontDescription *font = pango_font_description_from_string("Sans");

    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    pango_font_description_set_weight(font, bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_text(layout, text, -1);
    page->unknown += pango_layout_get_unknown_glyphs_count(layout);
    pango_font_description_free(font);
    return layout;
}

static double width_of(PangoLayout *layout)
{
    int width;

    pango_layout_get_size(layout, &width, NULL);
    return (double)width / PANGO_SCALE;
}

double mt_figure_text_width(mt_figure_page *page, const char *text, double size)
{
    g_autoptr(PangoLayout) layout = lay_text(page, text, size, false);

    return width_of(layout);
}

void mt_figure_text(mt_figure_page *page, double x, double y, const char *text, const mt_figure_font *font)
{
    g_autoptr(PangoLayout) layout = lay_text(page, text, font->size, font->bold);
    double left = font->anchor == MT_ANCHOR_RIGHT ? width_of(layout) : font->anchor == MT_ANCHOR_MIDDLE ? width_of(layout) / 2 : 0;

    set_color(page, font->color, 1);
    cairo_move_to(page->cairo, x - left, y);
    pango_cairo_show_layout(page->cairo, layout);
}

double mt_figure_paragraph(mt_figure_page *page, double x, double y, double width, const char *text, const mt_figure_font *font)
{
    g_autoptr(PangoLayout) layout = lay_text(page, text, font->size, font->bold);
    int height;

    pango_layout_set_width(layout, (int)(width * PANGO_SCALE));
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    set_color(page, font->color, 1);
    cairo_move_to(page->cairo, x, y);
    pango_cairo_show_layout(page->cairo, layout);
    pango_layout_get_size(layout, NULL, &height);
    return (double)height / PANGO_SCALE;
}

int mt_figure_page_unknown(const mt_figure_page *page)
{
    return page->unknown;
}

void mt_figure_page_next(mt_figure_page *page)
{
    cairo_show_page(page->cairo);
}

void mt_figure_picture(mt_figure_page *page, const mt_canvas *canvas, double x, double y, double width, double height)
{
    cairo_surface_t *picture = cairo_image_surface_create(CAIRO_FORMAT_RGB24, canvas->width, canvas->height);
    uint8_t         *data = cairo_image_surface_get_data(picture);

    page->status = page->status != CAIRO_STATUS_SUCCESS ? page->status : cairo_surface_status(picture);
    for (int row = 0; data != NULL && row < canvas->height; row++) {
        uint32_t      *to = (uint32_t *)(void *)(data + (size_t)row * (size_t)cairo_image_surface_get_stride(picture));
        const uint8_t *from = canvas->rgb + (size_t)row * (size_t)canvas->width * 3;
        for (int i = 0; i < canvas->width; i++, from += 3)
            to[i] = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
    }
    cairo_surface_mark_dirty(picture);
    cairo_save(page->cairo);
    cairo_translate(page->cairo, x, y);
    cairo_scale(page->cairo, width / canvas->width, height / canvas->height);
    cairo_set_source_surface(page->cairo, picture, 0, 0);
    cairo_pattern_set_extend(cairo_get_source(page->cairo), CAIRO_EXTEND_PAD);
    cairo_rectangle(page->cairo, 0, 0, canvas->width, canvas->height);
    cairo_fill(page->cairo);
    cairo_restore(page->cairo);
    set_color(page, MT_FIGURE_SOFT, 1);
    cairo_set_line_width(page->cairo, 0.5);
    cairo_rectangle(page->cairo, x, y, width, height);
    cairo_stroke(page->cairo);
    cairo_surface_destroy(picture);
}

static cairo_status_t finish(mt_figure_page *page)
{
    if (page->status == CAIRO_STATUS_SUCCESS)
        page->status = cairo_status(page->cairo);
    if (page->status == CAIRO_STATUS_SUCCESS && page->format == MT_FIGURE_PNG)
        page->status = cairo_surface_write_to_png_stream(page->surface, take, page->bytes);
    cairo_surface_finish(page->surface);
    return page->status != CAIRO_STATUS_SUCCESS ? page->status : cairo_surface_status(page->surface);
}

static bool check_finished(mt_figure_page *page, const char *path, GError **error)
{
    cairo_status_t status = finish(page);

    if (status == CAIRO_STATUS_SUCCESS)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "draw %s: %s", path, cairo_status_to_string(status));
    return false;
}

GBytes *mt_figure_page_bytes(mt_figure_page *page, GError **error)
{
    return check_finished(page, "a page", error) ? g_bytes_new(page->bytes->data, page->bytes->len) : NULL;
}

bool mt_figure_page_write(mt_figure_page *page, const char *path, bool replace, GError **error)
{
    int fd = -1;

    if (!check_finished(page, path, error))
        return false;
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);
    if (temporary == NULL)
        return false;
    if (!mt_publish_write(fd, page->bytes->data, page->bytes->len, path, error)) {
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_commit(temporary, fd, path, replace, error);
}
