/* Tests: TIFFs and pixels made on the spot, in a folder that is removed at the end. */
#ifndef MT_TESTS_MADE_TIFF_H
#define MT_TESTS_MADE_TIFF_H

#include <glib/gstdio.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <tiffio.h>

static char *test_folder;

static inline void make_test_folder(const char *pattern)
{
    test_folder = g_dir_make_tmp(pattern, NULL);
    g_assert_nonnull(test_folder);
}

static inline char *in_test_folder(const char *name)
{
    return g_build_filename(test_folder, name, NULL);
}

static inline void remove_test_folder(void)
{
    g_autoptr(GDir) dir = g_dir_open(test_folder, 0, NULL);

    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = in_test_folder(name);
        g_unlink(path);
    }
    g_rmdir(test_folder);
    g_clear_pointer(&test_folder, g_free);
}

#define WHITE_AT_0 (-1)

typedef struct page {
    uint32_t    width, height;
    bool        reduced; /* a level of the first page's picture */
    int         samples, bits, format, photometric, compression, tile, orientation, unit, extra;
    int         subsampling; /* of chroma, JPEG in YCbCr: 11, 21 or 22 */
    float       resolution;
    const void *pixels; /* contiguous */
} page;

/* 0 stands for the usual: one sample of 8 bits, unsigned, black at 0, not compressed, top left first. */
static inline page with_defaults(const page *given)
{
    page p = *given;

    p.samples = p.samples != 0 ? p.samples : 1;
    p.bits = p.bits != 0 ? p.bits : 8;
    p.format = p.format != 0 ? p.format : SAMPLEFORMAT_UINT;
    p.photometric = p.photometric == WHITE_AT_0 ? PHOTOMETRIC_MINISWHITE : p.photometric != 0 ? p.photometric : PHOTOMETRIC_MINISBLACK;
    p.compression = p.compression != 0 ? p.compression : COMPRESSION_NONE;
    p.orientation = p.orientation != 0 ? p.orientation : ORIENTATION_TOPLEFT;
    return p;
}

static inline void write_tiles(TIFF *tiff, const page *p)
{
    size_t              pixel = (size_t)(p->samples * p->bits / 8), edge = (size_t)p->tile;
    g_autofree uint8_t *tile = g_malloc(edge * edge * pixel);

    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, (uint32_t)p->tile);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, (uint32_t)p->tile);
    for (uint32_t y = 0; y < p->height; y += (uint32_t)edge) {
        for (uint32_t x = 0; x < p->width; x += (uint32_t)edge) {
            memset(tile, 77, edge * edge * pixel);
            for (size_t row = 0; row < edge && y + row < p->height; row++)
                memcpy(tile + row * edge * pixel, (const uint8_t *)p->pixels + ((y + row) * p->width + x) * pixel,
                       MIN(edge, p->width - x) * pixel);
            g_assert_cmpint(TIFFWriteEncodedTile(tiff, TIFFComputeTile(tiff, x, y, 0, 0), tile, -1), >, 0);
        }
    }
}

static inline void write_rows(TIFF *tiff, const page *p)
{
    size_t row_bytes = (size_t)p->width * (size_t)(p->samples * p->bits) / 8;

    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 8);
    for (uint32_t y = 0; y < p->height; y++)
        g_assert_cmpint(TIFFWriteScanline(tiff, (uint8_t *)p->pixels + y * row_bytes, y, 0), ==, 1);
}

static inline void write_page(TIFF *tiff, const page *given)
{
    const page  usual = with_defaults(given);
    const page *p = &usual;
    uint16_t    extra = EXTRASAMPLE_UNASSALPHA;

    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, p->width);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, p->height);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, p->samples);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, p->bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, p->format);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, p->photometric);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, p->compression);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_ORIENTATION, p->orientation);
    if (p->photometric == PHOTOMETRIC_YCBCR)
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    if (p->subsampling > 0)
        TIFFSetField(tiff, TIFFTAG_YCBCRSUBSAMPLING, p->subsampling / 10, p->subsampling % 10);
    if (p->reduced)
        TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
    if (p->extra > 0)
        TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &extra);
    if (p->resolution > 0) {
        TIFFSetField(tiff, TIFFTAG_XRESOLUTION, (double)p->resolution);
        TIFFSetField(tiff, TIFFTAG_YRESOLUTION, (double)p->resolution);
        TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, p->unit);
    }
    if (p->tile > 0)
        write_tiles(tiff, p);
    else
        write_rows(tiff, p);
    TIFFWriteDirectory(tiff);
}

static inline char *write_tiff(const char *name, const page *pages, int n)
{
    char *path = in_test_folder(name);
    TIFF *tiff = TIFFOpen(path, "w");

    for (int i = 0; i < n; i++)
        write_page(tiff, &pages[i]);
    TIFFClose(tiff);
    return path;
}

/* Pixels of a made picture: coarse waves, so that JPEG keeps them apart. */
static inline uint8_t *waves(uint32_t width, uint32_t height, int samples)
{
    uint8_t *pixels = g_malloc((gsize)width * height * (gsize)samples);

    for (gsize i = 0; i < (gsize)width * height * (gsize)samples; i++) {
        gsize at = i / (gsize)samples;
        pixels[i] = (uint8_t)(128 + 100 * sin((double)(at % width) / 9 + (double)(at / width) / (7 + (double)(i % (gsize)samples))));
    }
    return pixels;
}

#endif
