#include "src/export/small_picture.h"

#include "src/case/vips_start.h"
#include "src/export/evaluation_parts.h"

#include <microtome/picture.h>

#include <string.h>
#include <vips/vips.h>

static mt_canvas *picture_of(const mt_tensor *thumbnail, int side, VipsSize size, GError **error)
{
    VipsImage *whole = NULL, *small = NULL;
    mt_canvas *canvas = NULL;
    bool       ok = thumbnail->rank == 3 && thumbnail->dtype == MT_U8 && thumbnail->shape[2] == 3 && mt_vips_start(error);

    if (ok)
        whole = vips_image_new_from_memory(thumbnail->data, mt_tensor_bytes(thumbnail), (int)thumbnail->shape[1], (int)thumbnail->shape[0],
                                           3, VIPS_FORMAT_UCHAR);
    if (whole != NULL && vips_thumbnail_image(whole, &small, side, "height", side, "size", size, NULL) == 0) {
        size_t bytes = 0;
        void  *pixels = vips_image_write_to_memory(small, &bytes);
        canvas = mt_canvas_new(vips_image_get_width(small), vips_image_get_height(small), (mt_color){255, 255, 255}, error);
        if (canvas != NULL && bytes == (size_t)canvas->width * (size_t)canvas->height * 3)
            memcpy(canvas->rgb, pixels, bytes);
        g_free(pixels);
    }
    if (canvas == NULL && (error == NULL || *error == NULL)) {
        g_autofree char *reason = mt_vips_take_error();
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its thumbnail cannot be drawn%s%s", *reason != '\0' ? ": " : "", reason);
    }
    g_clear_object(&small);
    g_clear_object(&whole);
    return canvas;
}

mt_canvas *mt_small_picture(const mt_tensor *thumbnail, int side, GError **error)
{
    return picture_of(thumbnail, side, VIPS_SIZE_DOWN, error);
}

mt_canvas *mt_fitted_picture(const mt_tensor *thumbnail, int side, GError **error)
{
    return picture_of(thumbnail, side, VIPS_SIZE_BOTH, error);
}

bool mt_html_picture(GString *html, const mt_canvas *canvas, const char *name, int quality, GError **error)
{
    const mt_picture_params params = {.format = MT_PICTURE_JPEG, .quality = quality};
    const mt_tile_pixels    pixels = {.dtype = MT_U8, .channels = 3, .width = canvas->width, .height = canvas->height, .data = canvas->rgb};
    g_autoptr(GBytes) jpeg = mt_picture_encode(&params, &pixels, MT_U8, error);

    if (jpeg == NULL)
        return false;
    g_autofree char *text = g_base64_encode(g_bytes_get_data(jpeg, NULL), g_bytes_get_size(jpeg));
    g_string_append_printf(html, "<img width=\"%d\" height=\"%d\" alt=\"", canvas->width, canvas->height);
    mt_html_text(html, name);
    g_string_append_printf(html, "\" src=\"data:image/jpeg;base64,%s\">\n", text);
    return true;
}
