/* JPEG 2000 codestreams of Aperio slides: 33003 holds YCbCr (its chroma may be halved), 33005 RGB. */
#include "src/case/tile_decoder.h"

#include <openjpeg.h>
#include <string.h>

typedef struct jp2k_decoder {
    mt_tile_decoder base;
    char            problem[256];
} jp2k_decoder;

typedef struct memory {
    const uint8_t *bytes;
    OPJ_SIZE_T     n, at;
} memory;

static OPJ_SIZE_T memory_read(void *out, OPJ_SIZE_T n, void *user)
{
    memory *m = user;

    if (m->at >= m->n)
        return (OPJ_SIZE_T)-1;
    n = MIN(n, m->n - m->at);
    memcpy(out, m->bytes + m->at, n);
    m->at += n;
    return n;
}

static OPJ_OFF_T memory_skip(OPJ_OFF_T n, void *user)
{
    memory *m = user;

    if (n < 0)
        return -1;
    n = (OPJ_OFF_T)MIN((OPJ_SIZE_T)n, m->n - m->at);
    m->at += (OPJ_SIZE_T)n;
    return n;
}

static OPJ_BOOL memory_seek(OPJ_OFF_T at, void *user)
{
    memory *m = user;

    if (at < 0 || (OPJ_SIZE_T)at > m->n)
        return OPJ_FALSE;
    m->at = (OPJ_SIZE_T)at;
    return OPJ_TRUE;
}

static void keep_problem(const char *text, void *user)
{
    jp2k_decoder *d = user;

    if (d->problem[0] == '\0')
        g_strchomp(memcpy(d->problem, text, MIN(strlen(text), sizeof d->problem - 1)));
}

static void drop_message(const char *text, void *user)
{
    (void)text, (void)user;
}

static mt_tile_decoder *jp2k_open(const char *path, const mt_tiff_directory *directory, GError **error)
{
    jp2k_decoder *d = g_new0(jp2k_decoder, 1);

    (void)path, (void)directory, (void)error;
    return &d->base;
}

static void jp2k_close(mt_tile_decoder *decoder)
{
    g_free(decoder);
}

/* Three 8-bit components that cover the tile. */
static bool is_fitting(const opj_image_t *image, const mt_tiff_directory *t)
{
    if (image->numcomps != 3 || image->comps[0].dx != 1 || image->comps[0].dy != 1)
        return false;
    for (int k = 0; k < 3; k++) {
        const opj_image_comp_t *c = &image->comps[k];

        if (c->prec != 8 || c->sgnd != 0 || c->data == NULL || c->dx < 1 || c->dy < 1 || c->dx > 4 || c->dy > 4 ||
            (uint64_t)c->w * c->dx < t->tile_width || (uint64_t)c->h * c->dy < t->tile_height)
            return false;
    }
    return image->comps[0].w == t->tile_width && image->comps[0].h == t->tile_height;
}

static opj_image_t *unpack(jp2k_decoder *d, const uint8_t *bytes, size_t n_bytes)
{
    memory            m = {bytes, n_bytes, 0};
    opj_image_t      *image = NULL;
    opj_dparameters_t parameters;
    opj_stream_t     *stream = opj_stream_create(MIN(MAX(n_bytes, 1024), 1 << 20), OPJ_TRUE);
    opj_codec_t      *codec = opj_create_decompress(OPJ_CODEC_J2K);

    opj_set_default_decoder_parameters(&parameters);
    opj_set_error_handler(codec, keep_problem, d);
    opj_set_warning_handler(codec, drop_message, NULL);
    opj_set_info_handler(codec, drop_message, NULL);
    opj_stream_set_user_data(stream, &m, NULL);
    opj_stream_set_user_data_length(stream, n_bytes);
    opj_stream_set_read_function(stream, memory_read);
    opj_stream_set_skip_function(stream, memory_skip);
    opj_stream_set_seek_function(stream, memory_seek);
    bool ok =
        opj_setup_decoder(codec, &parameters) && opj_decoder_set_strict_mode(codec, OPJ_TRUE) && opj_read_header(stream, codec, &image);
    /* sizes before memory: a damaged header may ask for anything */
    if (ok && (image->x1 - image->x0 != d->base.directory->tile_width || image->y1 - image->y0 != d->base.directory->tile_height)) {
        g_snprintf(d->problem, sizeof d->problem, "its picture is %u x %u", image->x1 - image->x0, image->y1 - image->y0);
        ok = false;
    }
    ok = ok && opj_decode(codec, stream, image);
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    if (!ok && image != NULL) {
        opj_image_destroy(image);
        image = NULL;
    }
    return image;
}

static inline uint8_t clamp8(float value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5f);
}

/* ITU-R BT.601 at full range, as JFIF has it. */
static void put_ycbcr(uint8_t *rgb, int y, int cb, int cr)
{
    rgb[0] = clamp8((float)y + 1.402f * (float)(cr - 128));
    rgb[1] = clamp8((float)y - 0.344136f * (float)(cb - 128) - 0.714136f * (float)(cr - 128));
    rgb[2] = clamp8((float)y + 1.772f * (float)(cb - 128));
}

static int sample(const opj_image_comp_t *c, uint32_t x, uint32_t y)
{
    return c->data[(size_t)(y / c->dy) * c->w + x / c->dx];
}

static void convert(const opj_image_t *image, const mt_tiff_directory *t, uint8_t *rgb, size_t row_bytes)
{
    bool ycbcr = t->compression == MT_TIFF_JP2K_YCBCR;

    for (uint32_t y = 0; y < t->tile_height; y++) {
        uint8_t *row = rgb + y * row_bytes;

        for (uint32_t x = 0; x < t->tile_width; x++) {
            int a = sample(&image->comps[0], x, y), b = sample(&image->comps[1], x, y), c = sample(&image->comps[2], x, y);

            if (ycbcr) {
                put_ycbcr(row + 3 * (size_t)x, a, b, c);
                continue;
            }
            row[3 * (size_t)x + 0] = (uint8_t)CLAMP(a, 0, 255);
            row[3 * (size_t)x + 1] = (uint8_t)CLAMP(b, 0, 255);
            row[3 * (size_t)x + 2] = (uint8_t)CLAMP(c, 0, 255);
        }
    }
}

static bool jp2k_run(mt_tile_decoder *decoder, uint32_t index, const uint8_t *bytes, size_t n_bytes, uint8_t *rgb, size_t row_bytes,
                     GError **error)
{
    jp2k_decoder *d = (jp2k_decoder *)decoder;

    memset(d->problem, 0, sizeof d->problem);
    opj_image_t *image = unpack(d, bytes, n_bytes);
    bool         ok = image != NULL && is_fitting(image, decoder->directory);

    if (ok)
        convert(image, decoder->directory, rgb, row_bytes);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "tile %u cannot be decoded: %s", index,
                    d->problem[0] != '\0' ? d->problem : "its JPEG 2000 picture is not 8-bit colour of the tile's size");
    if (image != NULL)
        opj_image_destroy(image);
    return ok;
}

const mt_tile_decoder_class mt_tile_jp2k = {jp2k_open, jp2k_run, jp2k_close};
