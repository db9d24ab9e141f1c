#include "src/export/picture_webp.h"

#include "src/case/vips_start.h"

#include <vips/vips.h>

/* libwebp's effort of 0..6.  Lossy tissue: 1 takes half the time of the usual 4 for 7 % more bytes. */
#define EFFORT 1

bool mt_picture_webp_available(void)
{
    return mt_vips_start(NULL) && vips_type_find("VipsOperation", "webpsave_buffer") != 0;
}

GBytes *mt_picture_webp(const mt_tile_pixels *pixels, int quality, GError **error)
{
    void  *webp = NULL;
    size_t webp_bytes = 0;

    if (!mt_vips_start(error))
        return NULL;
    size_t     bytes = (size_t)(pixels->width * pixels->height * pixels->channels);
    VipsImage *image =
        vips_image_new_from_memory(pixels->data, bytes, (int)pixels->width, (int)pixels->height, pixels->channels, VIPS_FORMAT_UCHAR);
    bool ok = image != NULL && vips_webpsave_buffer(image, &webp, &webp_bytes, "Q", quality, "lossless", (gboolean)(quality == 100),
                                                    "effort", EFFORT, NULL) == 0;

    g_clear_object(&image);
    if (ok)
        return g_bytes_new_take(webp, webp_bytes);
    g_autofree char *reason = mt_vips_take_error();
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "encode a tile as WebP: %s", reason);
    return NULL;
}
