/* JPEG 2000 frames, bare codestreams and JP2 files, HTJ2K where OpenJPEG decodes it. */
#include "src/case/dicom_codec.h"

#include <openjpeg.h>
#include <string.h>

typedef struct stream_bytes {
    const uint8_t *bytes;
    OPJ_SIZE_T     n, at;
} stream_bytes;

typedef struct problem {
    char text[256];
} problem;

static OPJ_SIZE_T read_bytes(void *out, OPJ_SIZE_T n, void *user)
{
    stream_bytes *m = user;

    if (m->at >= m->n)
        return (OPJ_SIZE_T)-1;
    n = MIN(n, m->n - m->at);
    memcpy(out, m->bytes + m->at, n);
    m->at += n;
    return n;
}

static OPJ_OFF_T skip_bytes(OPJ_OFF_T n, void *user)
{
    stream_bytes *m = user;

    if (n < 0)
        return -1;
    n = (OPJ_OFF_T)MIN((OPJ_SIZE_T)n, m->n - m->at);
    m->at += (OPJ_SIZE_T)n;
    return n;
}

static OPJ_BOOL seek_bytes(OPJ_OFF_T at, void *user)
{
    stream_bytes *m = user;

    if (at < 0 || (OPJ_SIZE_T)at > m->n)
        return OPJ_FALSE;
    m->at = (OPJ_SIZE_T)at;
    return OPJ_TRUE;
}

static void keep_text(const char *text, void *user)
{
    problem *p = user;

    if (p->text[0] == '\0')
        g_strchomp(memcpy(p->text, text, MIN(strlen(text), sizeof p->text - 1)));
}

static void drop_text(const char *text, void *user)
{
    (void)text, (void)user;
}

static opj_codec_t *make_codec(const uint8_t *bytes, size_t n, problem *p)
{
    static const uint8_t jp2[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
    opj_dparameters_t    parameters;
    opj_codec_t         *codec = opj_create_decompress(n > 12 && memcmp(bytes, jp2, sizeof jp2) == 0 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);

    opj_set_default_decoder_parameters(&parameters);
    opj_set_error_handler(codec, keep_text, p);
    opj_set_warning_handler(codec, drop_text, NULL);
    opj_set_info_handler(codec, drop_text, NULL);
    if (opj_setup_decoder(codec, &parameters) && opj_decoder_set_strict_mode(codec, OPJ_TRUE))
        return codec;
    opj_destroy_codec(codec);
    return NULL;
}

/* Sizes before memory: a damaged header may ask for anything. */
static bool fits(const opj_image_t *image, const mt_dicom_picture *p, problem *what)
{
    bool ok = (int64_t)(image->x1 - image->x0) == p->columns && (int64_t)(image->y1 - image->y0) == p->rows &&
              image->numcomps == (OPJ_UINT32)p->samples;

    for (OPJ_UINT32 k = 0; ok && k < image->numcomps; k++) {
        const opj_image_comp_t *c = &image->comps[k];
        ok = c->prec >= 1 && c->prec <= 31 && c->dx >= 1 && c->dy >= 1 && c->dx <= 4 && c->dy <= 4;
    }
    if (!ok)
        g_snprintf(what->text, sizeof what->text, "its JPEG 2000 picture is %u x %u with %u components", image->x1 - image->x0,
                   image->y1 - image->y0, image->numcomps);
    return ok;
}

static bool put_samples(const opj_image_t *image, mt_dicom_picture *p, int32_t *out)
{
    for (OPJ_UINT32 k = 0; k < image->numcomps; k++) {
        const opj_image_comp_t *c = &image->comps[k];

        if (c->data == NULL || (int64_t)c->w * c->dx < p->columns || (int64_t)c->h * c->dy < p->rows)
            return false;
        for (int64_t y = 0; y < p->rows; y++)
            for (int64_t x = 0; x < p->columns; x++)
                out[(y * p->columns + x) * p->samples + k] = c->data[(y / c->dy) * c->w + x / c->dx];
    }
    p->precision = (int)image->comps[0].prec;
    p->is_signed = image->comps[0].sgnd != 0;
    return true;
}

bool mt_dicom_jp2k(const uint8_t *bytes, size_t n, mt_dicom_picture *p, int32_t *out, GError **error)
{
    problem       what = {{0}};
    stream_bytes  m = {bytes, n, 0};
    opj_image_t  *image = NULL;
    opj_codec_t  *codec = make_codec(bytes, n, &what);
    opj_stream_t *stream = opj_stream_create(CLAMP(n, 1024, 1 << 20), OPJ_TRUE);

    opj_stream_set_user_data(stream, &m, NULL);
    opj_stream_set_user_data_length(stream, n);
    opj_stream_set_read_function(stream, read_bytes);
    opj_stream_set_skip_function(stream, skip_bytes);
    opj_stream_set_seek_function(stream, seek_bytes);
    bool ok = codec != NULL && opj_read_header(stream, codec, &image) && fits(image, p, &what) && opj_decode(codec, stream, image) &&
              put_samples(image, p, out);
    opj_stream_destroy(stream);
    if (codec != NULL)
        opj_destroy_codec(codec);
    if (image != NULL)
        opj_image_destroy(image);
    if (!ok)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it cannot be decoded: %s", what.text[0] != '\0' ? what.text : "OpenJPEG gives up");
    return ok;
}
