/* Plain images through libvips: PNG, JPEG, TIFF, WebP, PNM.  One plane, one level.
 *
 * EXIF orientation is applied: (0, 0) is the top left of the picture as it is looked at.  Samples stay as stored (u8, u16,
 * i16, float); alpha is flattened over white; palette, CMYK, Lab and the like become sRGB.  Embedded ICC profiles of RGB
 * pictures are not applied, as OpenSlide does not apply a slide's. */
#include "src/base/limits.h"
#include "src/case/source.h"
#include "src/case/vips_start.h"

#include <stdio.h>
#include <string.h>
#include <tiffio.h>
#include <vips/vips.h>

/* Up to this size an image is decoded when it is opened, so a truncated file fails there and not in the middle of a run. */
#define IN_MEMORY_BYTES (INT64_C(256) << 20)

/* Later releases of libvips define these for its own types; 8.14 does not. */
typedef VipsImage       image_ref;
typedef VipsRegion      region_ref;
typedef VipsArrayDouble array_ref;

static void unref_array(array_ref *array)
{
    vips_area_unref(VIPS_AREA(array));
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(image_ref, g_object_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(region_ref, g_object_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(array_ref, unref_array)

typedef struct raster {
    mt_source  source;
    VipsImage *image;
    bool       in_memory;
} raster;

typedef int (*loader)(const char *path, VipsImage **out, ...);

static const struct {
    const char *operation, *format, *title;
    loader      load;
} loaders[] = {
    {"pngload", "png", "PNG", vips_pngload},     {"jpegload", "jpeg", "JPEG", vips_jpegload}, {"tiffload", "tiff", "TIFF", vips_tiffload},
    {"webpload", "webp", "WebP", vips_webpload}, {"ppmload", "pnm", "PNM", vips_ppmload},
};

static void set_vips_error(GError **error, const char *doing)
{
    g_autofree char *text = mt_vips_take_error();

    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s%s", doing, text[0] != '\0' ? text : "libvips gives no reason");
}

/* A TIFF by its first bytes that libtiff does not open is damaged, and not of another kind. */
static void set_unknown(const char *path, GError **error)
{
    static const char marks[][5] = {"II*\0", "II+\0", "MM\0*", "MM\0+"};
    char              first[4] = {0};
    FILE             *file = fopen(path, "rb");
    bool              tiff = false;

    if (file != NULL && fread(first, 1, sizeof first, file) == sizeof first)
        for (size_t i = 0; i < G_N_ELEMENTS(marks); i++)
            tiff |= memcmp(first, marks[i], sizeof first) == 0;
    g_clear_pointer(&file, fclose);
    if (tiff)
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "a TIFF whose first directory is damaged");
    else
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "not a readable PNG, JPEG, TIFF, WebP or PNM image");
}

/* Which row of `loaders`; -1 with a reason.  Only these are asked: vips_foreign_find_load would ask every loader of libvips, and
 * that of FITS unpacks any gzip file whole, into as much memory as its last four bytes claim. */
static int find_loader(const char *path, GError **error)
{
    int kind = -1;

    for (int i = 0; kind < 0 && i < (int)G_N_ELEMENTS(loaders); i++)
        if (vips_foreign_is_a(loaders[i].operation, path))
            kind = i;
    vips_error_clear();
    if (kind < 0)
        set_unknown(path, error);
    return kind;
}

/* A TIFF whose second page is as large as the first is a stack; its first page alone would not be the case. */
static bool check_pages(const char *path, VipsImage *first, GError **error)
{
    int pages = vips_image_get_n_pages(first);

    for (int page = 1; page < MIN(pages, 2); page++) {
        g_autoptr(image_ref) next = NULL;

        if (vips_tiffload(path, &next, "page", page, NULL) != 0) {
            vips_error_clear();
            return true;
        }
        if (next->Xsize == first->Xsize && next->Ysize == first->Ysize) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it is a stack of %d pages; save the one to analyse as a file of its own", pages);
            return false;
        }
    }
    return true;
}

/* Samples that are packed across bytes: libvips calls that "samples_per_pixel not a whole number of bytes". */
static bool check_depth(const char *path, GError **error)
{
    TIFF    *tiff = TIFFOpen(path, "rmO");
    uint16_t bits = 8;

    if (tiff != NULL) {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
        TIFFClose(tiff);
    }
    if (bits < 8 || bits % 8 == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%d bits a sample are not read; 8, 16 and 32 are: save it with one of these", bits);
    return false;
}

static VipsImage *load(const char *path, int kind, GError **error)
{
    g_autoptr(image_ref) image = NULL;

    if (loaders[kind].load == (loader)vips_tiffload && !check_depth(path, error))
        return NULL;

    if (loaders[kind].load(path, &image, "access", VIPS_ACCESS_RANDOM, "fail_on", VIPS_FAIL_ON_ERROR, NULL) != 0) {
        set_vips_error(error, "");
        return NULL;
    }
    if (loaders[kind].load == (loader)vips_tiffload && !check_pages(path, image, error))
        return NULL;
    return g_steal_pointer(&image);
}

static bool has_plain_colours(VipsImage *image)
{
    switch (image->Type) {
    case VIPS_INTERPRETATION_MULTIBAND:
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_GREY16:
    case VIPS_INTERPRETATION_RGB:
    case VIPS_INTERPRETATION_sRGB:
    case VIPS_INTERPRETATION_RGB16:
    case VIPS_INTERPRETATION_scRGB:
        return image->Coding == VIPS_CODING_NONE;
    default:
        return false;
    }
}

static int flatten(VipsImage *image, VipsImage **out)
{
    double maximum = image->BandFmt == VIPS_FORMAT_UCHAR ? 255 : image->BandFmt == VIPS_FORMAT_USHORT ? 65535 : 1;
    g_autoptr(array_ref) white = vips_array_double_newv(1, maximum);

    return vips_flatten(image, out, "background", white, "max_alpha", maximum, NULL);
}

/* Turned upright, in grey or RGB, without alpha.  Nothing is decoded yet. */
static VipsImage *normalise(VipsImage *stored, GError **error)
{
    g_autoptr(image_ref) upright = NULL, coloured = NULL, flat = NULL;

    if (vips_autorot(stored, &upright, NULL) != 0 ||
        (has_plain_colours(upright) ? vips_copy(upright, &coloured, NULL)
                                    : vips_colourspace(upright, &coloured, VIPS_INTERPRETATION_sRGB, NULL)) != 0 ||
        (vips_image_hasalpha(coloured) ? flatten(coloured, &flat) : vips_copy(coloured, &flat, NULL)) != 0) {
        set_vips_error(error, "");
        return NULL;
    }
    if (flat->Bands != 1 && flat->Bands != 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%d channels; 1 (grey) or 3 (RGB) are read", stored->Bands);
        return NULL;
    }
    return g_steal_pointer(&flat);
}

static const struct {
    VipsBandFormat stored, kept;
    mt_dtype       dtype;
} formats[] = {
    {VIPS_FORMAT_UCHAR, VIPS_FORMAT_UCHAR, MT_U8},    {VIPS_FORMAT_CHAR, VIPS_FORMAT_SHORT, MT_I16},
    {VIPS_FORMAT_USHORT, VIPS_FORMAT_USHORT, MT_U16}, {VIPS_FORMAT_SHORT, VIPS_FORMAT_SHORT, MT_I16},
    {VIPS_FORMAT_FLOAT, VIPS_FORMAT_FLOAT, MT_F32},
};

static VipsImage *cast(VipsImage *image, mt_dtype *dtype, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        VipsImage *out = NULL;

        if (image->BandFmt != formats[i].stored)
            continue;
        *dtype = formats[i].dtype;
        if (vips_cast(image, &out, formats[i].kept, NULL) != 0)
            set_vips_error(error, "");
        return out;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "samples of type %s; 8 and 16 bits and 32-bit float are read",
                vips_enum_nick(VIPS_TYPE_BAND_FORMAT, image->BandFmt));
    return NULL;
}

static int64_t decoded_bytes(VipsImage *image)
{
    return (int64_t)VIPS_IMAGE_SIZEOF_LINE(image) * image->Ysize;
}

/* A picture that is not stored in tiles is decoded whole at its first read. */
static bool is_tiled(const char *path)
{
    TIFF *tiff = TIFFOpen(path, "rmO");
    bool  tiled = tiff != NULL && TIFFIsTiled(tiff);

    if (tiff != NULL)
        TIFFClose(tiff);
    return tiled;
}

static bool check_size(VipsImage *image, const char *path, GError **error)
{
    if (decoded_bytes(image) <= MT_LIMIT_RASTER_BYTES || is_tiled(path))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_LIMIT,
                "%d x %d pixels without tiles decode to %" G_GINT64_FORMAT " MiB, over the limit of %" G_GINT64_FORMAT
                " MiB; convert it to a tiled TIFF",
                image->Xsize, image->Ysize, decoded_bytes(image) >> 20, MT_LIMIT_RASTER_BYTES >> 20);
    return false;
}

static VipsImage *prepare(const char *path, VipsImage *stored, mt_dtype *dtype, bool *in_memory, GError **error)
{
    g_autoptr(image_ref) plain = normalise(stored, error);
    g_autoptr(image_ref) image = plain != NULL ? cast(plain, dtype, error) : NULL;

    if (image == NULL || !check_size(image, path, error))
        return NULL;
    *in_memory = decoded_bytes(image) <= IN_MEMORY_BYTES;
    if (!*in_memory)
        return g_steal_pointer(&image);
    VipsImage *pixels = vips_image_copy_memory(image);
    if (pixels == NULL)
        set_vips_error(error, "");
    return pixels;
}

/* libvips holds pixels per mm, 1 when the file has none.  A TIFF's own unit is kept by name unless it is "none". */
static void read_spacing(VipsImage *stored, int kind, mt_spacing *spacing)
{
    bool tiff = strcmp(loaders[kind].format, "tiff") == 0;
    bool has_unit = !tiff || vips_image_get_typeof(stored, VIPS_META_RESOLUTION_UNIT) != 0;

    if (stored->Xres == 1.0 && stored->Yres == 1.0)
        return;
    mt_spacing_set_resolution(spacing, loaders[kind].title, stored->Xres * 10, stored->Yres * 10, has_unit ? "centimeter" : "none",
                              tiff ? "tiff-resolution" : "header");
}

static void raster_close(mt_source *source)
{
    raster *r = (raster *)source;

    g_clear_object(&r->image);
    mt_source_clear(source);
    g_free(r);
}

static mt_source *raster_open(const char *path, const mt_case_options *options, GError **error)
{
    int kind = find_loader(path, error);
    g_autoptr(image_ref) stored = kind >= 0 ? load(path, kind, error) : NULL;
    mt_dtype   dtype = MT_DTYPE_NONE;
    bool       in_memory = false;
    VipsImage *image = stored != NULL ? prepare(path, stored, &dtype, &in_memory, error) : NULL;

    (void)options;
    if (image == NULL)
        return NULL;
    raster *r = g_new0(raster, 1);
    mt_source_init(&r->source, &mt_source_vips);
    r->image = image;
    r->in_memory = in_memory;
    r->source.kind = MT_CASE_IMAGE;
    r->source.format = g_strdup(loaders[kind].format);
    r->source.dtype = dtype;
    r->source.channels = image->Bands;
    mt_source_add_level(&r->source, image->Xsize, image->Ysize);
    read_spacing(stored, kind, &r->source.spacing);
    return &r->source;
}

static bool read_region(raster *r, const mt_rect *rect, uint8_t *out, size_t row_bytes, GError **error)
{
    g_autoptr(region_ref) region = vips_region_new(r->image);
    VipsRect area = {(int)rect->x, (int)rect->y, (int)rect->width, (int)rect->height};
    size_t   bytes = VIPS_IMAGE_SIZEOF_PEL(r->image) * (size_t)rect->width;

    if (vips_region_prepare(region, &area) != 0) {
        set_vips_error(error, "");
        return false;
    }
    for (int row = 0; row < area.height; row++)
        memcpy(out + (size_t)row * row_bytes, VIPS_REGION_ADDR(region, area.left, area.top + row), bytes);
    return true;
}

static bool raster_read(mt_source *source, int64_t plane, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes,
                        GError **error)
{
    raster *r = (raster *)source;
    size_t  bytes = VIPS_IMAGE_SIZEOF_PEL(r->image) * (size_t)rect->width;

    (void)plane, (void)level, (void)once;
    if (!r->in_memory)
        return read_region(r, rect, out, row_bytes, error);
    for (int64_t row = 0; row < rect->height; row++)
        memcpy(out + (size_t)row * row_bytes, VIPS_IMAGE_ADDR(r->image, (int)rect->x, (int)(rect->y + row)), bytes);
    return true;
}

const mt_source_class mt_source_vips = {.name = "vips", .open = raster_open, .read = raster_read, .close = raster_close};
