#include "src/export/plane_png.h"

#include "src/base/alloc.h"
#include "src/case/vips_start.h"

#include <math.h>
#include <string.h>
#include <vips/vips.h>

#define SQUARE_TOLERANCE 1e-3 /* relative: pixels closer to square than this are left as they are */
#define COMPRESSION 6

/* Later releases of libvips define this for its own type; 8.14 does not. */
typedef VipsImage picture_ref;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(picture_ref, g_object_unref)

static bool take_own_window(const mt_plane_feed *f, mt_plane_look *look, GError **error)
{
    if (!mt_case_own_window(f->c, &look->window)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "the file names no window: state one, as --window 40/400");
        return false;
    }
    if (look->window.function == MT_WINDOW_SIGMOID) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "the file's window (%g/%g) is a sigmoid, which is not drawn: state one, as --window %g/%g", look->window.centre,
                    look->window.width, look->window.centre, look->window.width);
        return false;
    }
    return true;
}

static bool choose_window(const mt_plane_feed *f, const mt_convert_params *p, mt_plane_look *look, GError **error)
{
    look->windowed = p->window != MT_CONVERT_NO_WINDOW;
    if (look->windowed && f->channels != 1) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE, "a window is for one channel, and it has colours: leave --window out");
        return false;
    }
    if (p->window == MT_CONVERT_OWN_WINDOW && f->dtype == MT_U8 && !mt_case_own_window(f->c, &look->window))
        look->windowed = false; /* 8 bits are drawn as they are */
    else if (p->window == MT_CONVERT_OWN_WINDOW)
        return take_own_window(f, look, error);
    look->window = (mt_case_window){.centre = p->centre, .width = p->width, .function = MT_WINDOW_LINEAR_EXACT};
    if (look->windowed && !(isfinite(p->centre) && isfinite(p->width) && p->width > 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "window %g/%g: a centre and a width above 0 are wanted", p->centre, p->width);
        return false;
    }
    if (!look->windowed && f->dtype != MT_U8) {
        g_set_error(
            error, MT_ERROR, MT_ERROR_INPUT,
            "its samples are %s, and a picture of 8 bits needs a window: --window CENTRE/WIDTH, --window dicom, or --bits 16 for the "
            "values themselves",
            mt_dtype_name(f->dtype));
        return false;
    }
    return true;
}

bool mt_plane_look_choose(const mt_plane_feed *f, const mt_convert_params *p, mt_plane_look *look, GError **error)
{
    *look = (mt_plane_look){.bits = p->bits == 0 ? 8 : p->bits, .offset = p->offset, .square = p->square};
    if (look->bits != 8 && look->bits != 16) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "pictures of %d bits: 8 or 16 are wanted", look->bits);
        return false;
    }
    if (look->bits == 8 && p->offset != 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE, "an offset is for the values of 16 bits: give --bits 16 too");
        return false;
    }
    if (look->bits == 16 && p->window != MT_CONVERT_NO_WINDOW) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_USAGE, "16 bits hold the values themselves: leave --window out");
        return false;
    }
    if (look->bits == 16 && f->dtype == MT_I16 && p->offset == 0) {
        g_set_error_literal(
            error, MT_ERROR, MT_ERROR_INPUT,
            "its samples are signed, and a PNG holds 0 to 65535: give --offset 1024 for Hounsfield units, or 32768 for all");
        return false;
    }
    if (look->square && !(f->spacing_mm[0] > 0 && f->spacing_mm[1] > 0)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_SPACING, "square pixels are wanted, and the size of its own is unknown");
        return false;
    }
    return look->bits == 16 || choose_window(f, p, look, error);
}

static double sample_at(mt_dtype dtype, const void *plane, int64_t i)
{
    return dtype == MT_U8    ? ((const uint8_t *)plane)[i]
           : dtype == MT_U16 ? ((const uint16_t *)plane)[i]
           : dtype == MT_I16 ? ((const int16_t *)plane)[i]
                             : (double)((const float *)plane)[i];
}

/* DICOM PS3.3 C.11.2.1.2 */
static double through_window(const mt_case_window *w, double v)
{
    bool   exact = w->function == MT_WINDOW_LINEAR_EXACT;
    double low = exact ? w->centre - w->width / 2 : w->centre - 0.5 - (w->width - 1) / 2, range = exact ? w->width : w->width - 1;

    if (v <= low)
        return 0;
    return v > low + range || range <= 0 ? 255 : floor((v - low) / range * 255 + 0.5);
}

static bool refuse_sample(const mt_plane_feed *f, int64_t k, int64_t i, double v, const mt_plane_look *look, GError **error)
{
    int64_t pixel = i / f->channels, x = pixel % f->size[0], y = pixel / f->size[0];

    if (!isfinite(v))
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "plane %" G_GINT64_FORMAT ": the sample at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                    ") is %s: NIfTI and npy can hold it",
                    k, x, y, isnan(v) ? "not a number" : "infinite");
    else if (v != rint(v))
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "plane %" G_GINT64_FORMAT ": the sample at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                    ") is %g, no whole number: --window, or NIfTI and npy",
                    k, x, y, v);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "plane %" G_GINT64_FORMAT ": the sample at (%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                    ") is %g, with offset %d outside 0 to 65535: another --offset, or --window",
                    k, x, y, v, look->offset);
    return false;
}

static bool draw8(const mt_plane_feed *f, const void *plane, int64_t k, const mt_plane_look *look, uint8_t *out, GError **error)
{
    int64_t n = f->size[0] * f->size[1] * f->channels;

    if (!look->windowed) {
        memcpy(out, plane, (size_t)n);
        return true;
    }
    for (int64_t i = 0; i < n; i++) {
        double v = sample_at(f->dtype, plane, i);

        if (!isfinite(v))
            return refuse_sample(f, k, i, v, look, error);
        out[i] = (uint8_t)through_window(&look->window, v);
    }
    return true;
}

static bool draw16(const mt_plane_feed *f, const void *plane, int64_t k, const mt_plane_look *look, uint16_t *out, GError **error)
{
    int64_t n = f->size[0] * f->size[1] * f->channels;

    for (int64_t i = 0; i < n; i++) {
        double v = sample_at(f->dtype, plane, i), moved = v + look->offset;

        if (!isfinite(v) || v != rint(v) || moved < 0 || moved > UINT16_MAX)
            return refuse_sample(f, k, i, v, look, error);
        out[i] = (uint16_t)moved;
    }
    return true;
}

/* libvips always writes a size of pixels, 1 mm where it knows none. */
static GBytes *without_size(const uint8_t *png, size_t n)
{
    GByteArray *kept = g_byte_array_new();
    size_t      at = MIN(n, 8);

    g_byte_array_append(kept, png, (guint)at);
    for (size_t bytes; at + 12 <= n; at += bytes) {
        bytes = 12 + ((size_t)png[at] << 24 | (size_t)png[at + 1] << 16 | (size_t)png[at + 2] << 8 | png[at + 3]);
        bytes = MIN(bytes, n - at);
        if (memcmp(png + at + 4, "pHYs", 4) != 0)
            g_byte_array_append(kept, png + at, (guint)bytes);
    }
    return g_byte_array_free_to_bytes(kept);
}

static VipsImage *as_image(const mt_plane_feed *f, const void *samples, const mt_plane_look *look)
{
    int64_t    n = f->size[0] * f->size[1] * f->channels;
    bool       deep = look->bits == 16;
    VipsImage *image = vips_image_new_from_memory(samples, (size_t)n * (deep ? 2 : 1), (int)f->size[0], (int)f->size[1], f->channels,
                                                  deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);

    if (image == NULL)
        return NULL;
    image->Type = f->channels == 1 ? (deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
                                   : (deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
    if (f->spacing_mm[0] > 0 && f->spacing_mm[1] > 0) {
        image->Xres = 1 / f->spacing_mm[0];
        image->Yres = 1 / f->spacing_mm[1];
    }
    return image;
}

/* The coarser axis is drawn at the finer one's spacing; the field's ends stay where they are, which vips_resize does not hold to. */
static bool make_square(const mt_plane_feed *f, VipsImage **image)
{
    double     x = f->spacing_mm[0], y = f->spacing_mm[1], fine = MIN(x, y), sx = x / fine, sy = y / fine;
    VipsImage *out = NULL;

    if (fabs(x / y - 1) < SQUARE_TOLERANCE)
        return true;
    VipsArrayInt *area =
        vips_array_int_newv(4, 0, 0, (int)MAX(floor((*image)->Xsize * sx + 0.5), 1), (int)MAX(floor((*image)->Ysize * sy + 0.5), 1));
    VipsInterpolate *linear = vips_interpolate_new("bilinear");
    bool             ok = vips_affine(*image, &out, sx, 0.0, 0.0, sy, "odx", (sx - 1) / 2, "ody", (sy - 1) / 2, "oarea", area, "extend",
                                      VIPS_EXTEND_COPY, "interpolate", linear, NULL) == 0;

    g_object_unref(linear);
    vips_area_unref(VIPS_AREA(area));
    if (!ok)
        return false;
    g_object_unref(*image);
    *image = out;
    out->Xres = out->Yres = 1 / fine;
    return true;
}

static GBytes *encode(const mt_plane_feed *f, const void *samples, const mt_plane_look *look, int64_t size[2], GError **error)
{
    g_autoptr(picture_ref) image = as_image(f, samples, look);
    void  *png = NULL;
    size_t bytes = 0;

    if (image == NULL || (look->square && !make_square(f, &image)) ||
        vips_pngsave_buffer(image, &png, &bytes, "compression", COMPRESSION, "bitdepth", look->bits, NULL) != 0) {
        g_autofree char *reason = mt_vips_take_error();
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "encode a plane of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " as PNG: %s",
                    f->size[0], f->size[1], reason);
        return NULL;
    }
    size[0] = image->Xsize;
    size[1] = image->Ysize;
    if (f->unit_mm && f->spacing_mm[0] > 0 && f->spacing_mm[1] > 0)
        return g_bytes_new_take(png, bytes);
    GBytes *plain = without_size(png, bytes);
    g_free(png);
    return plain;
}

GBytes *mt_plane_png(const mt_plane_feed *f, const void *plane, int64_t k, const mt_plane_look *look, int64_t size[2], GError **error)
{
    if (!mt_vips_start(error))
        return NULL;
    void *samples = mt_alloc(f->size[0] * f->size[1] * f->channels, (size_t)look->bits / 8, error);
    bool  ok = samples != NULL && (look->bits == 16 ? draw16(f, plane, k, look, samples, error) : draw8(f, plane, k, look, samples, error));
    GBytes *png = ok ? encode(f, samples, look, size, error) : NULL;

    mt_free(samples);
    return png;
}
