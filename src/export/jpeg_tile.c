#include "src/export/jpeg_tile.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct coder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr       errors;
    jmp_buf                     failed;
    char                        message[JMSG_LENGTH_MAX];
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

static void coder_start(coder *c)
{
    c->jpeg.err = jpeg_std_error(&c->errors);
    c->errors.error_exit = on_error;
    c->errors.output_message = on_message;
    c->jpeg.client_data = c;
}

/* No JFIF and no Adobe marker: the TIFF's photometric tag says what the components are. */
static void set_up(coder *c, const mt_jpeg_params *params, mt_jpeg_bytes *out)
{
    jpeg_create_compress(&c->jpeg);
    c->jpeg.client_data = c;
    jpeg_mem_dest(&c->jpeg, &out->data, &out->size);
    c->jpeg.in_color_space = JCS_RGB;
    c->jpeg.input_components = 3;
    jpeg_set_defaults(&c->jpeg);
    jpeg_set_colorspace(&c->jpeg, JCS_YCbCr);
    jpeg_set_quality(&c->jpeg, params->quality, TRUE);
    c->jpeg.comp_info[0].h_samp_factor = c->jpeg.comp_info[0].v_samp_factor = params->full_colour ? 1 : 2;
    c->jpeg.write_JFIF_header = FALSE;
    c->jpeg.write_Adobe_marker = FALSE;
}

static bool fail(coder *c, mt_jpeg_bytes *out, GError **error)
{
    jpeg_destroy_compress(&c->jpeg);
    free(out->data);
    *out = (mt_jpeg_bytes){0};
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "code a JPEG tile: %s", c->message);
    return false;
}

bool mt_jpeg_write_tables(const mt_jpeg_params *params, mt_jpeg_bytes *out, GError **error)
{
    coder c = {0};

    *out = (mt_jpeg_bytes){0};
    coder_start(&c);
    if (setjmp(c.failed) != 0)
        return fail(&c, out, error);
    set_up(&c, params, out);
    jpeg_write_tables(&c.jpeg);
    jpeg_destroy_compress(&c.jpeg);
    return true;
}

bool mt_jpeg_write_tile(const mt_jpeg_params *params, const uint8_t *rgb, size_t stride, int edge, mt_jpeg_bytes *out, GError **error)
{
    coder c = {0};

    *out = (mt_jpeg_bytes){0};
    coder_start(&c);
    if (setjmp(c.failed) != 0)
        return fail(&c, out, error);
    set_up(&c, params, out);
    c.jpeg.image_width = c.jpeg.image_height = (JDIMENSION)edge;
    jpeg_suppress_tables(&c.jpeg, TRUE);
    jpeg_start_compress(&c.jpeg, FALSE);
    while (c.jpeg.next_scanline < c.jpeg.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + c.jpeg.next_scanline * stride);
        jpeg_write_scanlines(&c.jpeg, &row, 1);
    }
    jpeg_finish_compress(&c.jpeg);
    jpeg_destroy_compress(&c.jpeg);
    return true;
}
