#include "src/export/svg_png.h"

#include "src/base/publish.h"
#include "src/case/vips_start.h"

#include <pthread.h>
#include <string.h>
#include <vips/vips.h>

static void allow_svg(void)
{
    vips_operation_block_set("VipsForeignLoadSvgBuffer", FALSE);
}

GBytes *mt_svg_png(const char *svg, double scale, GError **error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    VipsImage            *picture = NULL, *flat = NULL;
    void                 *png = NULL;
    size_t                png_bytes = 0;

    if (!mt_vips_start(error))
        return NULL;
    pthread_once(&once, allow_svg);
    bool ok = vips_svgload_buffer((void *)(uintptr_t)svg, strlen(svg), &picture, "scale", scale, NULL) == 0 &&
              vips_flatten(picture, &flat, NULL) == 0;
    ok = ok && vips_pngsave_buffer(flat, &png, &png_bytes, "strip", TRUE, NULL) == 0;
    g_clear_object(&flat);
    g_clear_object(&picture);
    if (ok)
        return g_bytes_new_take(png, png_bytes);
    g_autofree char *reason = mt_vips_take_error();
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "draw a plot as PNG: %s (libvips needs librsvg for it)", reason);
    return NULL;
}

bool mt_svg_png_write(const char *path, const char *svg, double scale, GError **error)
{
    g_autoptr(GBytes) png = mt_svg_png(svg, scale, error);
    int              fd = -1;
    g_autofree char *temporary = png != NULL ? mt_publish_begin(path, &fd, error) : NULL;

    if (temporary == NULL)
        return false;
    if (!mt_publish_write(fd, g_bytes_get_data(png, NULL), g_bytes_get_size(png), path, error)) {
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_commit(temporary, fd, path, true, error);
}
