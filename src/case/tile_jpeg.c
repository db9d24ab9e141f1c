/* JPEG tiles with shared tables ("abbreviated" streams of TIFF technical note 2).  DCT and chroma upsampling are libjpeg's
 * defaults, as OpenSlide's are, so the pixels are the same. */
#include "src/case/tile_decoder.h"

#include <setjmp.h>
#include <stdio.h>
#include <tiff.h>

#include <jerror.h>
#include <jpeglib.h>

#define MAX_ROWS 64 /* handed to libjpeg at once */

typedef struct jpeg_decoder {
    mt_tile_decoder               base;
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr         errors;
    jmp_buf                       failed;
    bool                          damaged;
    char                          problem[JMSG_LENGTH_MAX];
} jpeg_decoder;

static void on_error(j_common_ptr info)
{
    jpeg_decoder *d = (jpeg_decoder *)info->client_data;

    info->err->format_message(info, d->problem);
    longjmp(d->failed, 1);
}

/* libjpeg fills what is missing with grey and warns only.  A missing end marker alone harms no pixel. */
static bool harms_pixels(int code)
{
    return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC || code == JWRN_BOGUS_PROGRESSION;
}

static void on_message(j_common_ptr info, int level)
{
    jpeg_decoder *d = (jpeg_decoder *)info->client_data;

    if (level >= 0 || d->damaged || !harms_pixels(info->err->msg_code))
        return;
    d->damaged = true;
    info->err->format_message(info, d->problem);
}

static mt_tile_decoder *jpeg_open(const char *path, const mt_tiff_directory *directory, GError **error)
{
    jpeg_decoder *d = g_new0(jpeg_decoder, 1);

    (void)path, (void)directory, (void)error;
    d->info.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    return &d->base;
}

static void jpeg_close(mt_tile_decoder *decoder)
{
    g_free(decoder);
}

/* Stands at the first row; longjmp on errors. */
static void start(jpeg_decoder *d, const uint8_t *bytes, size_t n_bytes)
{
    const mt_tiff_directory *t = d->base.directory;

    jpeg_create_decompress(&d->info);
    if (t->jpeg_tables != NULL) {
        jpeg_mem_src(&d->info, t->jpeg_tables, t->jpeg_tables_bytes);
        jpeg_read_header(&d->info, FALSE);
    }
    jpeg_mem_src(&d->info, bytes, n_bytes);
    jpeg_read_header(&d->info, TRUE);
    if (d->info.image_width != t->tile_width || d->info.image_height != t->tile_height || d->info.num_components != 3) {
        g_snprintf(d->problem, sizeof d->problem, "its JPEG is %u x %u with %d colours, %u x %u with 3 are wanted", d->info.image_width,
                   d->info.image_height, d->info.num_components, t->tile_width, t->tile_height);
        longjmp(d->failed, 1);
    }
    d->info.jpeg_color_space = t->photometric == PHOTOMETRIC_YCBCR ? JCS_YCbCr : JCS_RGB;
    d->info.out_color_space = JCS_RGB;
    d->info.scale_num = 1;
    d->info.scale_denom = (unsigned)d->base.reduce;
    jpeg_start_decompress(&d->info);
}

static void read_rows(jpeg_decoder *d, uint8_t *rgb, size_t row_bytes)
{
    JSAMPROW rows[MAX_ROWS];

    while (d->info.output_scanline < d->info.output_height) {
        JDIMENSION n = MIN(d->info.output_height - d->info.output_scanline, MAX_ROWS);

        for (JDIMENSION i = 0; i < n; i++)
            rows[i] = rgb + (size_t)(d->info.output_scanline + i) * row_bytes;
        jpeg_read_scanlines(&d->info, rows, n);
    }
}

/* A decompressor for each tile: tables that one tile defines must not be seen by the next. */
static bool jpeg_run(mt_tile_decoder *decoder, uint32_t index, const uint8_t *bytes, size_t n_bytes, uint8_t *rgb, size_t row_bytes,
                     GError **error)
{
    jpeg_decoder *d = (jpeg_decoder *)decoder;

    d->damaged = false;
    d->info.client_data = d;
    bool threw = setjmp(d->failed) != 0;
    if (!threw) {
        start(d, bytes, n_bytes);
        read_rows(d, rgb, row_bytes);
    }
    jpeg_destroy_decompress(&d->info);
    if (!threw && !d->damaged)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "tile %u cannot be decoded: %s", index, d->problem);
    return false;
}

const mt_tile_decoder_class mt_tile_jpeg = {jpeg_open, jpeg_run, jpeg_close};
