/* PNG, JPEG and WebP of tiles, read back by Pillow; what each format refuses, in exact words. */
#include "src/export/picture_jpeg.h"

#include <microtome/error.h>
#include <microtome/picture.h>

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folder;

static uint8_t *draw(const char *kind, int width, int height, int channels)
{
    uint8_t *out = g_malloc((gsize)(width * height * channels)), *p = out;

    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            if (strcmp(kind, "gray") == 0)
                *p++ = (uint8_t)(x * 5 + y * 3);
            else {
                bool smooth = strcmp(kind, "smooth") == 0;
                *p++ = (uint8_t)(smooth ? 128 + x / 2 : x * 3 + y);
                *p++ = (uint8_t)(smooth ? 128 + y / 2 : x + y * 2);
                *p++ = (uint8_t)(smooth ? 200 - (x + y) / 4 : x * y / 7);
            }
    return out;
}

static GBytes *encode(mt_picture_format format, int quality, const mt_tile_pixels *pixels, mt_dtype stored)
{
    const mt_picture_params params = {format, quality};
    g_autoptr(GError) error = NULL;
    GBytes *picture = mt_picture_encode(&params, pixels, stored, &error);
    GBytes *again = mt_picture_encode(&params, pixels, stored, NULL);

    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(picture, again));
    g_bytes_unref(again);
    return picture;
}

/* What Pillow says of the picture. */
static char *read_back(GBytes *picture, mt_picture_format format, const char *kind)
{
    g_autofree char *name = g_strdup_printf("p.%s", mt_picture_extension(format)), *path = g_build_filename(folder, name, NULL);
    g_autofree char *script = g_test_build_filename(G_TEST_DIST, "unit", "check_picture.py", NULL);
    char            *command[] = {"/usr/bin/python3", script, path, (char *)(uintptr_t)kind, NULL}, *out = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    g_assert_true(g_file_set_contents(path, g_bytes_get_data(picture, NULL), (gssize)g_bytes_get_size(picture), NULL));
    g_assert_true(g_spawn_sync(NULL, command, NULL, 0, NULL, NULL, &out, NULL, &status, &error));
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    g_unlink(path);
    return g_strchomp(out);
}

static void check(mt_picture_format format, int quality, const char *kind, int width, int height, const char *wanted)
{
    int                  channels = strcmp(kind, "gray") == 0 ? 1 : 3;
    g_autofree uint8_t  *drawn = draw(kind, width, height, channels);
    const mt_tile_pixels pixels = {MT_U8, channels, width, height, drawn};
    g_autoptr(GBytes) picture = encode(format, quality, &pixels, MT_U8);
    g_autofree char *out = read_back(picture, format, kind);

    g_assert_cmpstr(out, ==, wanted);
}

static void test_lossless(void)
{
    check(MT_PICTURE_PNG, 90, "rgb", 256, 256, "PNG 256x256 difference=0");
    check(MT_PICTURE_PNG, 1, "gray", 16, 17, "PNG 16x17 difference=0");
    check(MT_PICTURE_WEBP, 100, "rgb", 224, 225, "WEBP 224x225 difference=0");
}

/* A smooth picture stays within a few steps, and colour is at full resolution from 90 on. */
static void test_lossy(void)
{
    static const struct {
        int         quality, difference;
        const char *begin;
    } table[] = {{95, 4, "JPEG 128x130 sampling=0 "}, {90, 5, "JPEG 128x130 sampling=0 "}, {89, 9, "JPEG 128x130 sampling=2 "}};

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree uint8_t  *drawn = draw("smooth", 128, 130, 3);
        const mt_tile_pixels pixels = {MT_U8, 3, 128, 130, drawn};
        g_autoptr(GBytes) picture = encode(MT_PICTURE_JPEG, table[i].quality, &pixels, MT_U8);
        g_autofree char *out = read_back(picture, MT_PICTURE_JPEG, "smooth");
        g_assert_true(g_str_has_prefix(out, table[i].begin));
        g_assert_cmpint(atoi(strstr(out, "difference=") + strlen("difference=")), <=, table[i].difference);
    }
}

static void test_gray_and_webp(void)
{
    g_autofree uint8_t  *drawn = draw("smooth", 128, 130, 3), *gray = draw("gray", 40, 30, 1);
    const mt_tile_pixels pixels = {MT_U8, 3, 128, 130, drawn}, gray_pixels = {MT_U8, 1, 40, 30, gray};
    g_autoptr(GBytes) webp = encode(MT_PICTURE_WEBP, 90, &pixels, MT_U8);
    g_autoptr(GBytes) gray_jpeg = encode(MT_PICTURE_JPEG, 95, &gray_pixels, MT_U8);
    g_autofree char *webp_out = read_back(webp, MT_PICTURE_WEBP, "smooth"), *gray_out = read_back(gray_jpeg, MT_PICTURE_JPEG, "gray");

    g_assert_true(g_str_has_prefix(webp_out, "WEBP 128x130 difference="));
    g_assert_cmpint(atoi(strstr(webp_out, "difference=") + strlen("difference=")), <=, 12);
    g_assert_true(g_str_has_prefix(gray_out, "JPEG 40x30 sampling="));
}

static void check_deep(const char *kind, mt_dtype stored, int shift)
{
    g_autofree float *samples = g_new(float, 100 * 90);
    mt_tile_pixels    pixels = {MT_F32, 1, 100, 90, samples};

    for (int y = 0; y < 90; y++)
        for (int x = 0; x < 100; x++) /* whole numbers and a little, which rounds away */
            samples[y * 100 + x] = (float)(x * 700 + y * 37 - shift) + 0.25F;
    g_autoptr(GBytes) picture = encode(MT_PICTURE_PNG, 90, &pixels, stored);
    g_autofree char *out = read_back(picture, MT_PICTURE_PNG, kind);
    g_assert_cmpstr(out, ==, "PNG 100x90 difference=0");
}

static void test_deep(void)
{
    check_deep("u16", MT_U16, 20000); /* below 0 and above 65535 it is held there */
    check_deep("i16", MT_I16, 32768);
    g_assert_cmpint(mt_picture_offset(MT_I16), ==, 32768);
    g_assert_cmpint(mt_picture_offset(MT_U16), ==, 0);
}

static void refuse(mt_picture_format format, mt_dtype stored, gint code, const char *wanted)
{
    const mt_picture_params params = {format, 90};
    float                   sample = 0;
    const mt_tile_pixels    pixels = {MT_F32, 1, 1, 1, &sample};
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_picture_encode(&params, &pixels, stored, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void test_refused(void)
{
    refuse(MT_PICTURE_JPEG, MT_U16, MT_ERROR_USAGE, "the case has 16 bits a sample, and jpeg holds 8: take --format png");
    refuse(MT_PICTURE_WEBP, MT_I16, MT_ERROR_USAGE, "the case has 16 bits a sample, and webp holds 8: take --format png");
    refuse(MT_PICTURE_PNG, MT_F32, MT_ERROR_INPUT,
           "the case's samples are float32, and their range in a picture is not guessed: convert it to 8 or 16 bits first");
    mt_picture_format format;
    g_assert_true(mt_picture_format_parse("jpg", &format) && format == MT_PICTURE_JPEG);
    g_assert_true(mt_picture_format_parse("webp", &format) && format == MT_PICTURE_WEBP);
    g_assert_false(mt_picture_format_parse("gif", &format));
    g_assert_cmpstr(mt_picture_format_name(MT_PICTURE_JPEG), ==, "jpeg");
}

/* libjpeg's own errors come back as ours. */
static void test_jpeg_error(void)
{
    const mt_tile_pixels pixels = {MT_U8, 3, 70000, 1, &folder};
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_picture_jpeg(&pixels, 90, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INTERNAL);
    g_assert_cmpstr(error->message, ==, "encode a tile as JPEG: Maximum supported image dimension is 65500 pixels");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("tile-picture-XXXXXX", NULL);
    g_test_add_func("/tile-picture/lossless", test_lossless);
    g_test_add_func("/tile-picture/lossy", test_lossy);
    g_test_add_func("/tile-picture/gray-and-webp", test_gray_and_webp);
    g_test_add_func("/tile-picture/deep", test_deep);
    g_test_add_func("/tile-picture/refused", test_refused);
    g_test_add_func("/tile-picture/jpeg-error", test_jpeg_error);
    int result = g_test_run();

    g_rmdir(folder);
    g_free(folder);
    return result;
}
