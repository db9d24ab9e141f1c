#include "src/case/dicom_frame.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/dicom_codec.h"

#include <math.h>
#include <string.h>

typedef enum codec { CODEC_NATIVE, CODEC_JPEG8, CODEC_DCMTK_JPEG, CODEC_JPEG_LS, CODEC_RLE, CODEC_JP2K, CODEC_NONE } codec;

static const struct {
    const char *uid;
    codec       codec;
} syntaxes[] = {
    {"1.2.840.10008.1.2", CODEC_NATIVE},          {"1.2.840.10008.1.2.1", CODEC_NATIVE},
    {"1.2.840.10008.1.2.1.99", CODEC_NATIVE},     {"1.2.840.10008.1.2.2", CODEC_NATIVE},
    {"1.2.840.10008.1.2.5", CODEC_RLE},           {"1.2.840.10008.1.2.4.50", CODEC_JPEG8},
    {"1.2.840.10008.1.2.4.51", CODEC_DCMTK_JPEG}, {"1.2.840.10008.1.2.4.53", CODEC_DCMTK_JPEG},
    {"1.2.840.10008.1.2.4.55", CODEC_DCMTK_JPEG}, {"1.2.840.10008.1.2.4.57", CODEC_DCMTK_JPEG},
    {"1.2.840.10008.1.2.4.70", CODEC_DCMTK_JPEG}, {"1.2.840.10008.1.2.4.80", CODEC_JPEG_LS},
    {"1.2.840.10008.1.2.4.81", CODEC_JPEG_LS},    {"1.2.840.10008.1.2.4.90", CODEC_JP2K},
    {"1.2.840.10008.1.2.4.91", CODEC_JP2K},       {"1.2.840.10008.1.2.4.201", CODEC_JP2K},
    {"1.2.840.10008.1.2.4.202", CODEC_JP2K},      {"1.2.840.10008.1.2.4.203", CODEC_JP2K},
};

static codec find_codec(const mt_dicom_file *f)
{
    for (size_t i = 0; i < G_N_ELEMENTS(syntaxes); i++)
        if (strcmp(f->layout->syntax, syntaxes[i].uid) == 0)
            return syntaxes[i].codec;
    return CODEC_NONE;
}

static int64_t sample_count(const mt_dicom_file *f)
{
    return f->rows * f->columns * f->samples;
}

/* Bits of native pixel data that one frame takes. */
static uint64_t native_bits(const mt_dicom_file *f)
{
    int per_pixel = f->colour == MT_DICOM_YBR_FULL_422 ? 2 : f->samples;

    return (uint64_t)(f->rows * f->columns) * (uint64_t)(per_pixel * f->allocated);
}

/* Samples from which on a stream's own header is looked at before anything is made for the frame. */
#define LARGE_SAMPLES (INT64_C(1) << 24)
#define RLE_RATIO 64 /* 128 bytes from two */

static mt_dicom_picture expected_picture(const mt_dicom_file *f);
static bool             check_jpeg(const uint8_t *bytes, size_t n, mt_dicom_picture *p, GError **error);

/* The size that a codestream claims, in the bytes after its first two markers. */
static bool check_jp2k(const mt_dicom_file *f, const uint8_t *bytes, size_t n, GError **error)
{
    static const uint8_t start[] = {0xff, 0x4f, 0xff, 0x51};
    const uint8_t       *at = memmem(bytes, n, start, sizeof start);
    int64_t              size[4] = {0};

    for (int i = 0; at != NULL && (size_t)(at - bytes) + 24 <= n && i < 4; i++)
        size[i] = (int64_t)at[8 + 4 * i] << 24 | at[9 + 4 * i] << 16 | at[10 + 4 * i] << 8 | at[11 + 4 * i];
    if (size[0] - size[2] == f->columns && size[1] - size[3] == f->rows)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "its JPEG 2000 picture is %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT ", the DICOM header says %" G_GINT64_FORMAT
                " x %" G_GINT64_FORMAT,
                size[0] - size[2], size[1] - size[3], f->columns, f->rows);
    return false;
}

/* A damaged header asks for much memory: the first frame has to want it too. */
static bool check_first_frame(const mt_dicom_file *f, codec c, GError **error)
{
    mt_dicom_picture p = expected_picture(f);
    size_t           n = 0;
    uint8_t         *bytes = mt_dicom_layout_frame(f->layout, 0, f->frames, &n, error);
    bool             ok = bytes != NULL;

    if (ok && c == CODEC_JP2K)
        ok = check_jp2k(f, bytes, n, error);
    else if (ok && c != CODEC_RLE)
        ok = check_jpeg(bytes, n, &p, error);
    else if (ok && (int64_t)n * RLE_RATIO < sample_count(f) * f->allocated / 8) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its RLE has %zu bytes, too few for %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels", n, f->columns, f->rows);
        ok = false;
    }
    mt_free(bytes);
    return ok;
}

bool mt_dicom_frame_check(const mt_dicom_file *f, GError **error)
{
    codec    c = find_codec(f);
    uint64_t wanted = (native_bits(f) * (uint64_t)f->frames + 7) / 8;

    if (c == CODEC_NONE) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its transfer syntax %s is not decoded: convert it, with dcmdjpeg or gdcmconv for example", f->layout->syntax);
        return false;
    }
    if (f->layout->pixels != MT_DICOM_INTEGERS && c != CODEC_NATIVE) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its floating-point pixel data are compressed, which is not read");
        return false;
    }
    if (c == CODEC_NATIVE && f->layout->pixel_bytes < wanted) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its pixel data have %" G_GUINT64_FORMAT " bytes, %" G_GUINT64_FORMAT " are wanted: the file is cut short",
                    f->layout->pixel_bytes, wanted);
        return false;
    }
    if (f->colour >= MT_DICOM_PALETTE && f->allocated != 8 && !(f->colour == MT_DICOM_PALETTE && f->allocated == 16)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its colour of %d bits a sample is not read", f->allocated);
        return false;
    }
    if (f->colour == MT_DICOM_YBR_FULL_422 && c == CODEC_NATIVE && f->columns % 2 != 0) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its chroma is halved and its rows have an odd number of pixels");
        return false;
    }
    return c == CODEC_NATIVE || sample_count(f) <= LARGE_SAMPLES || check_first_frame(f, c, error);
}

/* Bits `stored` below `high` of a word, with their sign. */
static inline int32_t mask_sample(uint32_t word, const mt_dicom_file *f)
{
    int shift = f->high - f->stored + 1;

    if (f->stored == 32)
        return (int32_t)word;
    word = (word >> shift) & ((UINT32_C(1) << f->stored) - 1);
    if (f->is_signed && (word >> (f->stored - 1)) != 0)
        word |= ~((UINT32_C(1) << f->stored) - 1);
    return (int32_t)word;
}

/* A writer that extends its negative values through the whole word wrote whole words: then what is over the bits stored is no foreign bit. */
static bool extends_sign(const mt_dicom_file *f, const uint8_t *bytes);

static uint32_t native_word(const mt_dicom_file *f, const uint8_t *bytes, int64_t i)
{
    bool big = f->layout->big_endian;

    switch (f->allocated) {
    case 8:
        /* bytes of big-endian words stand the other way round */
        return bytes[big && f->layout->words ? i ^ 1 : i];
    case 16:
        bytes += 2 * i;
        return big ? (uint32_t)bytes[0] << 8 | bytes[1] : (uint32_t)bytes[1] << 8 | bytes[0];
    default:
        bytes += 4 * i;
        return big ? (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]
                   : (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
    }
}

static bool extends_sign(const mt_dicom_file *f, const uint8_t *bytes)
{
    uint32_t ones = f->allocated < 32 ? (UINT32_C(1) << f->allocated) - 1 : UINT32_MAX;

    if (!f->is_signed || f->samples != 1 || f->allocated < 16 || f->stored == f->allocated || f->high != f->stored - 1)
        return false;
    for (int64_t i = 0; i < f->rows * f->columns; i++)
        if (native_word(f, bytes, i) >> (f->stored - 1) == ones >> (f->stored - 1))
            return true;
    return false;
}

/* Two pixels share their chroma: Y1 Y2 Cb Cr. */
static void unpack_halved_chroma(const mt_dicom_file *f, const uint8_t *bytes, int32_t *out)
{
    for (int64_t pair = 0; pair < f->rows * f->columns / 2; pair++)
        for (int k = 0; k < 2; k++) {
            int32_t *pixel = out + (2 * pair + k) * 3;

            pixel[0] = (int32_t)native_word(f, bytes, 4 * pair + k);
            pixel[1] = (int32_t)native_word(f, bytes, 4 * pair + 2);
            pixel[2] = (int32_t)native_word(f, bytes, 4 * pair + 3);
        }
}

static void unpack_native(const mt_dicom_file *f, const uint8_t *bytes, unsigned bit, int32_t *out)
{
    int64_t n = sample_count(f), pixels = f->rows * f->columns;

    if (f->allocated == 1) {
        for (int64_t i = 0; i < n; i++)
            out[i] = bytes[(i + bit) / 8] >> ((i + bit) % 8) & 1;
    } else if (f->colour == MT_DICOM_YBR_FULL_422) {
        unpack_halved_chroma(f, bytes, out);
    } else if (f->planar && f->samples > 1) {
        for (int64_t i = 0; i < n; i++)
            out[i] = mask_sample(native_word(f, bytes, i % f->samples * pixels + i / f->samples), f);
    } else if (extends_sign(f, bytes)) {
        for (int64_t i = 0; i < n; i++)
            out[i] = f->allocated == 16 ? (int16_t)native_word(f, bytes, i) : (int32_t)native_word(f, bytes, i);
    } else {
        for (int64_t i = 0; i < n; i++)
            out[i] = mask_sample(native_word(f, bytes, i), f);
    }
}

static bool read_native(const mt_dicom_file *f, int64_t frame, int32_t *out, GError **error)
{
    uint64_t bits = native_bits(f), first = bits * (uint64_t)frame, start = first / 8, end = (first + bits + 7) / 8;
    bool     swapped = f->layout->big_endian && f->layout->words && f->allocated == 8;
    uint8_t *bytes = mt_alloc((int64_t)(end - start) + 1, 1, error);

    /* a swapped pair may straddle two frames: such a file has none of our words */
    if (bytes != NULL && swapped && (start % 2 != 0 || (end - start) % 2 != 0)) {
        mt_free(bytes);
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its frames of big-endian words have an odd number of bytes");
        return false;
    }
    bool ok = bytes != NULL && mt_dicom_layout_native(f->layout, start, end - start, bytes, error);
    if (ok)
        unpack_native(f, bytes, (unsigned)(first % 8), out);
    mt_free(bytes);
    return ok;
}

static bool is_ybr(const mt_dicom_file *f)
{
    return f->colour == MT_DICOM_YBR_FULL || f->colour == MT_DICOM_YBR_FULL_422;
}

static mt_dicom_picture expected_picture(const mt_dicom_file *f)
{
    return (mt_dicom_picture){.rows = f->rows, .columns = f->columns, .samples = f->samples, .ybr = is_ybr(f), .precision = f->stored};
}

/* The stream's own header says what the decoder will write. */
static bool check_jpeg(const uint8_t *bytes, size_t n, mt_dicom_picture *p, GError **error)
{
    mt_dicom_picture claimed = *p;

    if (!mt_dicom_jpeg_header(bytes, n, &claimed)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "it cannot be decoded: it has no JPEG frame header");
        return false;
    }
    if (claimed.rows != p->rows || claimed.columns != p->columns || claimed.samples != p->samples || claimed.precision < 2 ||
        claimed.precision > 16) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its JPEG is %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " with %d samples of %d bits, the DICOM header says %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " with %d",
                    claimed.columns, claimed.rows, claimed.samples, claimed.precision, p->columns, p->rows, p->samples);
        return false;
    }
    p->precision = claimed.precision;
    return true;
}

/* Unsigned words of the codec, as the file's bits. */
static void widen(const void *words, int64_t n, int precision, int32_t *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = precision <= 8 ? ((const uint8_t *)words)[i] : ((const uint16_t *)words)[i];
}

/* Samples whose sign the codec did not know take it from the file: of the bits that the codec has. */
static void sign_samples(const mt_dicom_file *f, int precision, int32_t *out)
{
    uint32_t mask = precision < 32 ? (UINT32_C(1) << precision) - 1 : UINT32_MAX, sign = UINT32_C(1) << (precision - 1);

    for (int64_t i = 0; i < sample_count(f); i++) {
        uint32_t v = (uint32_t)out[i] & mask;
        out[i] = (int32_t)(f->is_signed && (v & sign) != 0 ? v | ~mask : v);
    }
}

static bool run_words(const mt_dicom_file *f, const uint8_t *bytes, size_t n, mt_dicom_picture *p, int32_t *out, GError **error)
{
    void *words = mt_alloc(sample_count(f), 2, error);
    bool  ok = words != NULL && mt_dicom_dcmtk(f->layout->syntax, bytes, n, p, words, error);

    if (ok)
        widen(words, sample_count(f), p->precision, out);
    mt_free(words);
    return ok;
}

/* An 8-bit frame: colour comes out as RGB. */
static bool run_jpeg8(const mt_dicom_file *f, const uint8_t *bytes, size_t n, const mt_dicom_picture *p, int32_t *out, GError **error)
{
    uint8_t *pixels = mt_alloc(sample_count(f), 1, error);
    bool     ok = pixels != NULL && mt_dicom_jpeg8(bytes, n, p, pixels, error);

    if (ok)
        widen(pixels, sample_count(f), 8, out);
    mt_free(pixels);
    return ok;
}

static bool run_rle(const mt_dicom_file *f, const uint8_t *bytes, size_t n, const mt_dicom_picture *p, int32_t *out, GError **error)
{
    int      sample_bytes = MAX(f->allocated, 8) / 8;
    uint8_t *words = mt_alloc(sample_count(f), (size_t)sample_bytes, error);
    bool     ok = words != NULL && f->allocated >= 8 && mt_dicom_rle(bytes, n, p, sample_bytes, words, error);

    for (int64_t i = 0; ok && i < sample_count(f); i++) {
        uint32_t word = 0;

        for (int k = sample_bytes - 1; k >= 0; k--)
            word = word << 8 | words[i * sample_bytes + k];
        out[i] = mask_sample(word, f);
    }
    if (words != NULL && f->allocated < 8)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its RLE of single bits is not decoded");
    mt_free(words);
    return ok;
}

static bool decode(const mt_dicom_file *f, const uint8_t *bytes, size_t n, int32_t *out, bool *rgb, GError **error)
{
    mt_dicom_picture p = expected_picture(f);
    codec            c = find_codec(f);

    if (c == CODEC_RLE)
        return run_rle(f, bytes, n, &p, out, error);
    if (c == CODEC_JP2K) {
        bool ok = mt_dicom_jp2k(bytes, n, &p, out, error);
        if (ok && p.is_signed != f->is_signed)
            sign_samples(f, p.precision, out);
        return ok;
    }
    if (!check_jpeg(bytes, n, &p, error))
        return false;
    *rgb = p.precision == 8 && c == CODEC_JPEG8;
    if (*rgb)
        return run_jpeg8(f, bytes, n, &p, out, error);
    if (!run_words(f, bytes, n, &p, out, error))
        return false;
    sign_samples(f, p.precision, out);
    return true;
}

static bool read_compressed(const mt_dicom_file *f, int64_t frame, int32_t *out, bool *rgb, GError **error)
{
    size_t   n = 0;
    uint8_t *bytes = mt_dicom_layout_frame(f->layout, frame, f->frames, &n, error);
    bool     ok = bytes != NULL && decode(f, bytes, n, out, rgb, error);

    mt_free(bytes);
    return ok;
}

static inline uint8_t clamp8(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5);
}

/* PS3.3 C.7.6.3.1.2, as JFIF has it. */
static void put_ybr(uint8_t *rgb, const int32_t *s)
{
    double y = s[0], cb = s[1] - 128, cr = s[2] - 128;

    rgb[0] = clamp8(y + 1.402 * cr);
    rgb[1] = clamp8(y - 0.344136286201022 * cb - 0.714136286201022 * cr);
    rgb[2] = clamp8(y + 1.772 * cb);
}

static void put_colour(const mt_dicom_file *f, const int32_t *s, bool rgb, uint8_t *out)
{
    for (int64_t i = 0; i < f->rows * f->columns; i++, out += 3) {
        if (f->colour == MT_DICOM_PALETTE) {
            int64_t entry = CLAMP((int64_t)s[i] - f->palette_first, 0, f->palette_entries - 1);

            memcpy(out, f->palette + 3 * entry, 3);
        } else if (is_ybr(f) && !rgb) {
            put_ybr(out, s + 3 * i);
        } else {
            for (int k = 0; k < 3; k++)
                out[k] = (uint8_t)CLAMP(s[3 * i + k], 0, 255);
        }
    }
}

void mt_dicom_frame_range(const mt_dicom_file *f, double *low, double *high)
{
    if (f->lut != NULL) {
        *low = 0;
        *high = ldexp(1, f->lut_bits) - 1;
        return;
    }
    *low = f->is_signed ? -ldexp(1, f->stored - 1) : 0;
    *high = ldexp(1, f->is_signed ? f->stored - 1 : f->stored) - 1;
}

static void put_grey(const mt_dicom_file *f, int64_t frame, const int32_t *s, mt_dtype dtype, void *out)
{
    const mt_dicom_place *p = &f->places[frame];
    bool                  turned = f->colour == MT_DICOM_MONOCHROME1, wide = f->stored == 32 && !f->is_signed;
    double                low, high, slope = f->lut != NULL ? 1 : p->slope, intercept = f->lut != NULL ? 0 : p->intercept;

    mt_dicom_frame_range(f, &low, &high);
    for (int64_t i = 0; i < f->rows * f->columns; i++) {
        double v = wide ? (double)(uint32_t)s[i] : s[i];

        if (f->lut != NULL)
            v = f->lut[CLAMP((int64_t)v - f->lut_first, 0, f->lut_entries - 1)];
        if (turned)
            v = low + high - v;
        v = slope * v + intercept;
        if (dtype == MT_U8)
            ((uint8_t *)out)[i] = (uint8_t)CLAMP(v, 0, UINT8_MAX);
        else if (dtype == MT_U16)
            ((uint16_t *)out)[i] = (uint16_t)CLAMP(v, 0, UINT16_MAX);
        else if (dtype == MT_I16)
            ((int16_t *)out)[i] = (int16_t)CLAMP(v, INT16_MIN, INT16_MAX);
        else
            ((float *)out)[i] = (float)v;
    }
}

/* The tile of a slide, straight into place. */
static bool read_jpeg_colour(const mt_dicom_file *f, int64_t frame, uint8_t *out, GError **error)
{
    mt_dicom_picture p = expected_picture(f);
    size_t           n = 0;
    uint8_t         *bytes = mt_dicom_layout_frame(f->layout, frame, f->frames, &n, error);
    bool             ok = bytes != NULL && mt_dicom_jpeg8(bytes, n, &p, out, error);

    mt_free(bytes);
    return ok;
}

/* Floating-point pixel data, 32 or 64 bits, rescaled like others. */
static bool read_floats(const mt_dicom_file *f, int64_t frame, float *out, GError **error)
{
    const mt_dicom_place *p = &f->places[frame];
    int64_t               n = sample_count(f), width = f->allocated / 8;
    uint8_t              *bytes = mt_alloc(n, (size_t)width, error);
    bool ok = bytes != NULL && mt_dicom_layout_native(f->layout, (uint64_t)(n * width * frame), (uint64_t)(n * width), bytes, error);

    for (int64_t i = 0; ok && i < n; i++) {
        union {
            uint8_t bytes[8];
            float   narrow;
            double  wide;
        } u;

        for (int64_t k = 0; k < width; k++)
            u.bytes[k] = bytes[width * i + (f->layout->big_endian ? width - 1 - k : k)];
        out[i] = (float)(p->slope * (width == 4 ? (double)u.narrow : u.wide) + p->intercept);
    }
    mt_free(bytes);
    return ok;
}

static bool read_samples(const mt_dicom_file *f, int64_t frame, mt_dicom_samples samples, void *out, GError **error)
{
    bool     rgb = false, native = find_codec(f) == CODEC_NATIVE;
    int32_t *stored = mt_alloc(sample_count(f), sizeof *stored, error);
    bool     ok = stored != NULL && (native ? read_native(f, frame, stored, error) : read_compressed(f, frame, stored, &rgb, error));

    if (ok && samples.channels == 3)
        put_colour(f, stored, rgb, out);
    else if (ok)
        put_grey(f, frame, stored, samples.dtype, out);
    mt_free(stored);
    return ok;
}

bool mt_dicom_frame_read(const mt_dicom_file *f, int64_t frame, mt_dicom_samples samples, void *out, GError **error)
{
    bool direct = samples.channels == 3 && f->samples == 3 && find_codec(f) == CODEC_JPEG8;
    bool ok = f->layout->pixels != MT_DICOM_INTEGERS ? read_floats(f, frame, out, error)
              : direct                               ? read_jpeg_colour(f, frame, out, error)
                                                     : read_samples(f, frame, samples, out, error);

    if (!ok)
        g_prefix_error(error, "frame %" G_GINT64_FORMAT ": ", frame + 1);
    return ok;
}

static bool is_whole_shift(const mt_dicom_place *p, const mt_dicom_place *first)
{
    return p->slope == 1 && p->intercept == first->intercept && p->intercept == floor(p->intercept) && fabs(p->intercept) < 1e6;
}

mt_dicom_samples mt_dicom_samples_choose(const mt_dicom_file *const *files, int64_t n)
{
    mt_dicom_samples s = {.dtype = MT_U8, .channels = 3};
    double           low = 0, high = 0;
    bool             whole = true;

    if (files[0]->colour >= MT_DICOM_PALETTE)
        return s;
    s.channels = 1;
    for (int64_t i = 0; i < n; i++) {
        double l, h;

        whole = whole && files[i]->layout->pixels == MT_DICOM_INTEGERS;
        mt_dicom_frame_range(files[i], &l, &h);
        low = i == 0 ? l : MIN(low, l);
        high = i == 0 ? h : MAX(high, h);
        for (int64_t k = 0; whole && files[i]->lut == NULL && k < files[i]->frames; k++)
            whole = is_whole_shift(&files[i]->places[k], &files[0]->places[0]);
    }
    if (files[0]->lut == NULL) {
        low += files[0]->places[0].intercept;
        high += files[0]->places[0].intercept;
    }
    s.dtype = !whole                                  ? MT_F32
              : low >= 0 && high <= UINT8_MAX         ? MT_U8
              : low >= 0 && high <= UINT16_MAX        ? MT_U16
              : low >= INT16_MIN && high <= INT16_MAX ? MT_I16
                                                      : MT_F32;
    return s;
}
