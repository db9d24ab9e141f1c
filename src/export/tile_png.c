#include "src/export/tile_png.h"

#include <vips/vips.h>

static void free_image(VipsImage *image)
{
    g_clear_object(&image);
}
/* A name of our own: libvips 8.16 defines the cleanup for its own, earlier ones do not. */
typedef VipsImage picture;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(picture, free_image)

bool mt_tile_png_write(const mt_tile_pixels *pixels, const char *path, GError **error)
{
    if (pixels->dtype != MT_U8) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "write %s: the case's samples are not 8-bit, and their range is not guessed", path);
        return false;
    }
    size_t bytes = (size_t)(pixels->width * pixels->height * pixels->channels);
    g_autoptr(picture) image =
        vips_image_new_from_memory(pixels->data, bytes, (int)pixels->width, (int)pixels->height, pixels->channels, VIPS_FORMAT_UCHAR);

    if (image != NULL && vips_pngsave(image, path, "compression", 1, NULL) == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "write %s: %s", path, vips_error_buffer());
    vips_error_clear();
    return false;
}
