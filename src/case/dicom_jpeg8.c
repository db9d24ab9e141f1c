/* Baseline JPEG frames through libjpeg-turbo: the tiles of slides, photographs, ultrasound. */
#include "src/case/dicom_codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

typedef struct jpeg8 {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr         errors;
    jmp_buf                       failed;
    bool                          damaged;
    char                          problem[JMSG_LENGTH_MAX];
} jpeg8;

bool mt_dicom_jpeg_header(const uint8_t *b, size_t n, mt_dicom_picture *claimed)
{
    size_t at = 2;

    if (n < 4 || b[0] != 0xff || b[1] != 0xd8)
        return false;
    while (at + 10 <= n && b[at] == 0xff) {
        int    marker = b[at + 1];
        size_t length = (size_t)(b[at + 2] << 8 | b[at + 3]);

        if (marker == 0xff) {
            at++;
            continue;
        }
        bool frame = (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) || marker == 0xf7;
        if (frame) {
            claimed->precision = b[at + 4];
            claimed->rows = b[at + 5] << 8 | b[at + 6];
            claimed->columns = b[at + 7] << 8 | b[at + 8];
            claimed->samples = b[at + 9];
            return true;
        }
        if (length < 2)
            return false;
        at += 2 + length;
    }
    return false;
}

static void on_error(j_common_ptr info)
{
    jpeg8 *d = info->client_data;

    info->err->format_message(info, d->problem);
    longjmp(d->failed, 1);
}

/* libjpeg fills what is missing with grey and warns only. */
static void on_message(j_common_ptr info, int level)
{
    jpeg8 *d = info->client_data;
    int    code = info->err->msg_code;

    if (level >= 0 || d->damaged ||
        !(code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC || code == JWRN_BOGUS_PROGRESSION))
        return;
    d->damaged = true;
    info->err->format_message(info, d->problem);
}

/* Adobe's marker knows better than the DICOM header; JFIF's does not, writers put it everywhere. */
static J_COLOR_SPACE stored_colour(const jpeg8 *d, const mt_dicom_picture *p)
{
    if (p->samples == 1)
        return JCS_GRAYSCALE;
    if (d->info.saw_Adobe_marker)
        return d->info.Adobe_transform == 1 ? JCS_YCbCr : JCS_RGB;
    return p->ybr ? JCS_YCbCr : JCS_RGB;
}

static void decode(jpeg8 *d, const uint8_t *bytes, size_t n, const mt_dicom_picture *p, uint8_t *out)
{
    size_t row_bytes = (size_t)(p->columns * p->samples);

    jpeg_create_decompress(&d->info);
    jpeg_mem_src(&d->info, bytes, n);
    jpeg_read_header(&d->info, TRUE);
    if (d->info.image_width != p->columns || d->info.image_height != p->rows || d->info.num_components != p->samples) {
        g_snprintf(d->problem, sizeof d->problem, "its JPEG is %u x %u with %d samples", d->info.image_width, d->info.image_height,
                   d->info.num_components);
        longjmp(d->failed, 1);
    }
    d->info.jpeg_color_space = stored_colour(d, p);
    d->info.out_color_space = p->samples == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&d->info);
    while (d->info.output_scanline < d->info.output_height) {
        JSAMPROW row = out + d->info.output_scanline * row_bytes;
        jpeg_read_scanlines(&d->info, &row, 1);
    }
}

bool mt_dicom_jpeg8(const uint8_t *bytes, size_t n, const mt_dicom_picture *p, uint8_t *out, GError **error)
{
    g_autofree jpeg8 *d = g_new0(jpeg8, 1);

    d->info.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    d->info.client_data = d;
    bool threw = setjmp(d->failed) != 0;
    if (!threw)
        decode(d, bytes, n, p, out);
    jpeg_destroy_decompress(&d->info);
    if (!threw && !d->damaged)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it cannot be decoded: %s", d->problem);
    return false;
}
