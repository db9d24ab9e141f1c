#include "src/export/picture_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct coder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr       errors;
    jmp_buf                     failed;
    char                        message[JMSG_LENGTH_MAX];
    unsigned char              *data;
    unsigned long               size;
} coder;

/* libjpeg exits the process by default. */
static void on_error(j_common_ptr jpeg)
{
    coder *c = jpeg->client_data;

    jpeg->err->format_message(jpeg, c->message);
    longjmp(c->failed, 1);
}

static void on_message(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void set_up(coder *c, const mt_tile_pixels *pixels, int quality)
{
    jpeg_create_compress(&c->jpeg);
    c->jpeg.client_data = c;
    jpeg_mem_dest(&c->jpeg, &c->data, &c->size);
    c->jpeg.image_width = (JDIMENSION)pixels->width;
    c->jpeg.image_height = (JDIMENSION)pixels->height;
    c->jpeg.input_components = pixels->channels;
    c->jpeg.in_color_space = pixels->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&c->jpeg);
    jpeg_set_quality(&c->jpeg, quality, TRUE);
    if (pixels->channels == 3)
        c->jpeg.comp_info[0].h_samp_factor = c->jpeg.comp_info[0].v_samp_factor = quality >= MT_PICTURE_JPEG_FULL_COLOUR ? 1 : 2;
}

GBytes *mt_picture_jpeg(const mt_tile_pixels *pixels, int quality, GError **error)
{
    coder  c = {0};
    size_t stride = (size_t)pixels->width * (size_t)pixels->channels;

    c.jpeg.err = jpeg_std_error(&c.errors);
    c.errors.error_exit = on_error;
    c.errors.output_message = on_message;
    c.jpeg.client_data = &c;
    if (setjmp(c.failed) != 0) {
        jpeg_destroy_compress(&c.jpeg);
        free(c.data);
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "encode a tile as JPEG: %s", c.message);
        return NULL;
    }
    set_up(&c, pixels, quality);
    jpeg_start_compress(&c.jpeg, TRUE);
    while (c.jpeg.next_scanline < c.jpeg.image_height) {
        JSAMPROW row = (uint8_t *)pixels->data + c.jpeg.next_scanline * stride;
        jpeg_write_scanlines(&c.jpeg, &row, 1);
    }
    jpeg_finish_compress(&c.jpeg);
    jpeg_destroy_compress(&c.jpeg);
    return g_bytes_new_with_free_func(c.data, c.size, free, c.data);
}
