/* Tests: pictures and encoders made on the spot for threads to share, in the folder of made_tiff.h. */
#ifndef MT_TESTS_SHARED_SCENE_H
#define MT_TESTS_SHARED_SCENE_H

#include "tests/unit/made_tiff.h"

#include <microtome/encoder.h>
#include <microtome/error.h>

static inline void fill_noise(uint8_t *out, size_t n, uint32_t state)
{
    for (size_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        out[i] = (uint8_t)(state >> 24);
    }
}

/* An uncompressed TIFF in strips: a plain image, held in memory. */
static inline char *write_picture(const char *name, int width, int height, const uint8_t *rgb)
{
    page whole = {.width = (uint32_t)width, .height = (uint32_t)height, .samples = 3, .photometric = PHOTOMETRIC_RGB, .pixels = rgb};

    return write_tiff(name, &whole, 1);
}

#define PYRAMID_W0 700
#define PYRAMID_H0 500
#define PYRAMID_W1 233
#define PYRAMID_H1 167

/* Two lossless levels in tiles of 64; level 1 has a fractional downsample, so it goes through our own cache of tiles. */
static inline char *write_pyramid(const char *name, const uint8_t *level0, const uint8_t *level1)
{
    page level = {.samples = 3, .photometric = PHOTOMETRIC_RGB, .compression = COMPRESSION_ADOBE_DEFLATE, .tile = 64};
    page pages[] = {level, level};

    pages[0].width = PYRAMID_W0;
    pages[0].height = PYRAMID_H0;
    pages[0].pixels = level0;
    pages[1].reduced = true;
    pages[1].width = PYRAMID_W1;
    pages[1].height = PYRAMID_H1;
    pages[1].pixels = level1;
    return write_tiff(name, pages, 2);
}

/* Overwrite what is behind tile `index` of the first directory. */
static inline void damage_tile(const char *path, uint32_t index)
{
    TIFF  *tiff = TIFFOpen(path, "r");
    long   offset = (long)TIFFGetStrileOffset(tiff, index);
    size_t bytes = (size_t)TIFFGetStrileByteCount(tiff, index);

    TIFFClose(tiff);
    FILE               *file = g_fopen(path, "r+b");
    g_autofree uint8_t *rubbish = g_malloc(bytes);
    memset(rubbish, 0xff, bytes);
    fseek(file, offset, SEEK_SET);
    g_assert_cmpint(fwrite(rubbish, 1, bytes, file), ==, bytes);
    fclose(file);
}

static inline mt_case *open_shared(const char *path)
{
    g_autoptr(GError) error = NULL;
    mt_case *c = mt_case_open(path, NULL, &error);

    g_assert_no_error(error);
    return c;
}

/* A model of tests/<folder> with a card of its own, loaded. */
static inline mt_encoder *load_encoder(const char *folder, const char *model, const char *card)
{
    g_autofree char *onnx = g_strconcat(model, ".onnx", NULL), *card_name = g_strconcat(model, ".card", NULL);
    g_autofree char *from = g_build_filename(g_getenv("G_TEST_SRCDIR"), folder, onnx, NULL);
    g_autofree char *to = in_test_folder(onnx), *card_path = in_test_folder(card_name), *bytes = NULL;
    gsize            n;
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_get_contents(from, &bytes, &n, NULL));
    g_assert_true(g_file_set_contents(to, bytes, (gssize)n, NULL));
    g_assert_true(g_file_set_contents(card_path, card, -1, NULL));
    mt_encoder *encoder = mt_encoder_load(to, &error);
    g_assert_no_error(error);
    return encoder;
}

#endif
