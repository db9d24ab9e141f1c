#include <microtome/mask_png.h>

#include <errno.h>
#include <unistd.h>
#include <vips/vips.h>

#include "src/base/publish.h"
#include "src/case/vips_start.h"

static bool encode(const mt_mask *mask, const uint8_t *pixels, void **png, size_t *bytes, GError **error)
{
    int64_t width, height;

    mt_mask_size(mask, &width, &height);
    VipsImage *image = vips_image_new_from_memory(pixels, (size_t)(width * height), (int)width, (int)height, 1, VIPS_FORMAT_UCHAR);
    bool       ok = image && vips_pngsave_buffer(image, png, bytes, NULL) == 0;

    g_clear_object(&image);
    if (!ok) {
        g_autofree char *reason = mt_vips_take_error();
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "encode a mask of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " as PNG: %s", width,
                    height, reason);
    }
    return ok;
}

static bool write_all(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            bytes -= (size_t)n;
        }
    }
    return true;
}

static bool write_raster(const mt_mask *mask, const uint8_t *pixels, const char *path, bool replace, GError **error)
{
    void  *png = NULL;
    size_t bytes = 0;
    int    fd;

    if (!mt_vips_start(error) || !encode(mask, pixels, &png, &bytes, error)) {
        g_prefix_error(error, "write %s: ", path);
        return false;
    }
    g_autofree void *owned = png;
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);
    if (temporary == NULL)
        return false;
    if (!write_all(fd, owned, bytes)) {
        mt_publish_io_error(error, "write", path, errno);
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_commit(temporary, fd, path, replace, error);
}

bool mt_mask_png_write(const mt_mask *mask, const char *path, bool replace, GError **error)
{
    return write_raster(mask, mt_mask_pixels(mask), path, replace, error);
}

bool mt_mask_png_write_artefact(const mt_mask *mask, mt_artefact kind, const char *path, bool replace, GError **error)
{
    const uint8_t *pixels = mt_mask_artefact_pixels(mask, kind);

    if (pixels == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "write %s: the mask was made without looking for %s", path, mt_artefact_name(kind));
        return false;
    }
    return write_raster(mask, pixels, path, replace, error);
}
