#include "src/export/picture_png.h"

#include "src/base/alloc.h"
#include "src/case/vips_start.h"

#include <math.h>
#include <vips/vips.h>

/* Level 1 behind the filter "sub": on tissue 12 % smaller than no filter at the same time; level 2 takes twice the time for 1 %. */
#define COMPRESSION 1

static GBytes *encode(const void *data, size_t bytes, const mt_tile_pixels *pixels, VipsBandFormat format, GError **error)
{
    void      *png = NULL;
    size_t     png_bytes = 0;
    VipsImage *image = vips_image_new_from_memory(data, bytes, (int)pixels->width, (int)pixels->height, pixels->channels, format);
    if (image != NULL && format == VIPS_FORMAT_USHORT)
        image->Type = VIPS_INTERPRETATION_GREY16; /* or it is written with 8 bits */
    bool ok = image != NULL && vips_pngsave_buffer(image, &png, &png_bytes, "compression", COMPRESSION, "filter",
                                                   VIPS_FOREIGN_PNG_FILTER_SUB, NULL) == 0;

    g_clear_object(&image);
    if (ok)
        return g_bytes_new_take(png, png_bytes);
    g_autofree char *reason = mt_vips_take_error();
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "encode a tile as PNG: %s", reason);
    return NULL;
}

static GBytes *encode_deep(const mt_tile_pixels *pixels, int offset, GError **error)
{
    int64_t      n = pixels->width * pixels->height * pixels->channels;
    const float *samples = pixels->data;
    uint16_t    *deep = mt_alloc(n, sizeof *deep, error);

    if (deep == NULL)
        return NULL;
    for (int64_t i = 0; i < n; i++) {
        float value = rintf(samples[i] + (float)offset);
        deep[i] = value > 0 ? (uint16_t)MIN(value, 65535.0F) : 0;
    }
    GBytes *png = encode(deep, (size_t)n * sizeof *deep, pixels, VIPS_FORMAT_USHORT, error);
    mt_free(deep);
    return png;
}

GBytes *mt_picture_png(const mt_tile_pixels *pixels, int offset, GError **error)
{
    if (!mt_vips_start(error))
        return NULL;
    if (pixels->dtype == MT_U8)
        return encode(pixels->data, (size_t)(pixels->width * pixels->height * pixels->channels), pixels, VIPS_FORMAT_UCHAR, error);
    return encode_deep(pixels, offset, error);
}
