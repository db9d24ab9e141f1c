#include "src/export/canvas.h"

#include "src/base/alloc.h"
#include "src/base/publish.h"
#include "src/case/vips_start.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <vips/vips.h>

/* A name of our own: libvips 8.16 defines the cleanup for its own, earlier ones do not. */
typedef VipsImage picture;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(picture, g_object_unref)

static bool vips_failed(GError **error, const char *doing)
{
    g_autofree char *reason = mt_vips_take_error();

    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "%s: %s", doing, reason);
    return false;
}

mt_canvas *mt_canvas_new(int width, int height, mt_color color, GError **error)
{
    g_autoptr(mt_canvas) canvas = g_new0(mt_canvas, 1);

    canvas->width = width;
    canvas->height = height;
    canvas->rgb = mt_alloc((int64_t)width * height, 3, error);
    if (canvas->rgb == NULL)
        return NULL;
    mt_canvas_fill(canvas, 0, 0, width, height, color);
    return g_steal_pointer(&canvas);
}

void mt_canvas_free(mt_canvas *canvas)
{
    if (canvas == NULL)
        return;
    mt_free(canvas->rgb);
    g_free(canvas);
}

void mt_canvas_blend(mt_canvas *canvas, int x, int y, mt_color color, double opacity)
{
    uint8_t *px = canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
    double   keep = 1 - opacity;

    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height)
        return;
    px[0] = (uint8_t)(px[0] * keep + color.r * opacity + 0.5);
    px[1] = (uint8_t)(px[1] * keep + color.g * opacity + 0.5);
    px[2] = (uint8_t)(px[2] * keep + color.b * opacity + 0.5);
}

void mt_canvas_fill(mt_canvas *canvas, int x, int y, int width, int height, mt_color color)
{
    for (int row = y; row < y + height; row++)
        for (int column = x; column < x + width; column++)
            mt_canvas_blend(canvas, column, row, color, 1);
}

void mt_canvas_frame(mt_canvas *canvas, int x, int y, int width, int height, int thickness, mt_color color)
{
    mt_canvas_fill(canvas, x, y, width, thickness, color);
    mt_canvas_fill(canvas, x, y + height - thickness, width, thickness, color);
    mt_canvas_fill(canvas, x, y, thickness, height, color);
    mt_canvas_fill(canvas, x + width - thickness, y, thickness, height, color);
}

void mt_canvas_hatch_px(mt_canvas *canvas, int x, int y)
{
    bool stripe = (x + y) % 10 < 4;

    mt_canvas_blend(canvas, x, y, stripe ? (mt_color){60, 72, 92} : (mt_color){226, 230, 236}, stripe ? 0.9 : 0.75);
}

void mt_canvas_hatch(mt_canvas *canvas, int x, int y, int width, int height)
{
    for (int row = y; row < y + height; row++)
        for (int column = x; column < x + width; column++)
            mt_canvas_hatch_px(canvas, column, row);
}

/* The ink of a line of text as a mask of one band; its offsets place it in the line. */
static VipsImage *render_text(const char *text, const mt_text_style *style, GError **error)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *markup = g_markup_escape_text(valid, -1);
    g_autofree char *font = g_strdup_printf("DejaVu Sans, Sans %s %d", style->bold ? "Bold" : "", style->size_px);
    VipsImage       *mask = NULL;

    if (!mt_vips_start(error))
        return NULL;
    if (vips_text(&mask, markup, "font", font, "dpi", 72, NULL) != 0) {
        vips_failed(error, "draw text (is a font installed? fonts-dejavu-core has one)");
        return NULL;
    }
    return mask;
}

/* Text that is too wide loses its end. */
static VipsImage *render_fitting(const char *text, const mt_text_style *style, GError **error)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    glong            n = g_utf8_strlen(valid, -1);
    VipsImage       *mask = render_text(valid, style, error);

    while (mask != NULL && style->width > 0 && mask->Xsize > style->width && n > 1) {
        n = MIN(n - 1, MAX(1, n * style->width / mask->Xsize));
        g_autofree char *start = g_utf8_substring(valid, 0, n);
        g_autofree char *cut = g_strconcat(g_strchomp(start), "\xe2\x80\xa6", NULL);
        g_clear_object(&mask);
        mask = render_text(cut, style, error);
    }
    return mask;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

int mt_canvas_text_width(const char *text, const mt_text_style *style, GError **error)
{
    g_autoptr(picture) mask = NULL;

    if (is_blank(text))
        return 0;
    mask = render_fitting(text, style, error);
    return mask != NULL ? mask->Xsize + MAX(mask->Xoffset, 0) : -1;
}

bool mt_canvas_text(mt_canvas *canvas, int x, int y, const char *text, const mt_text_style *style, GError **error)
{
    g_autoptr(picture) mask = NULL;
    size_t   bytes = 0;
    uint8_t *ink;
    double   opacity = style->opacity > 0 ? style->opacity : 1;

    if (is_blank(text))
        return true;
    mask = render_fitting(text, style, error);
    if (mask == NULL)
        return false;
    ink = vips_image_write_to_memory(mask, &bytes);
    if (ink == NULL || mask->Bands != 1 || bytes != (size_t)mask->Xsize * (size_t)mask->Ysize) {
        g_free(ink);
        return vips_failed(error, "draw text");
    }
    x += style->anchor == MT_ANCHOR_LEFT ? mask->Xoffset : style->anchor == MT_ANCHOR_MIDDLE ? -mask->Xsize / 2 : -mask->Xsize;
    y += mask->Yoffset;
    for (int row = 0; row < mask->Ysize; row++)
        for (int column = 0; column < mask->Xsize; column++)
            if (ink[row * mask->Xsize + column] != 0)
                mt_canvas_blend(canvas, x + column, y + row, style->color, opacity * ink[row * mask->Xsize + column] / 255);
    g_free(ink);
    return true;
}

static bool publish_bytes(const char *path, const uint8_t *data, size_t bytes, GError **error)
{
    int              fd;
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);

    if (temporary == NULL)
        return false;
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            mt_publish_io_error(error, "write", path, errno);
            mt_publish_abandon(temporary, fd);
            return false;
        }
        data += n;
        bytes -= (size_t)n;
    }
    return mt_publish_commit(temporary, fd, path, true, error);
}

bool mt_canvas_write_png(const mt_canvas *canvas, const char *path, GError **error)
{
    g_autoptr(picture) image = NULL, tagged = NULL;
    size_t bytes = (size_t)canvas->width * (size_t)canvas->height * 3;
    void  *png = NULL;
    bool   ok;

    if (!mt_vips_start(error))
        return false;
    image = vips_image_new_from_memory(canvas->rgb, bytes, canvas->width, canvas->height, 3, VIPS_FORMAT_UCHAR);
    if (image == NULL || vips_copy(image, &tagged, "interpretation", VIPS_INTERPRETATION_sRGB, NULL) != 0 ||
        vips_pngsave_buffer(tagged, &png, &bytes, "compression", 6, "strip", TRUE, NULL) != 0)
        return vips_failed(error, "encode a PNG");
    ok = publish_bytes(path, png, bytes, error);
    g_free(png);
    return ok;
}
