/* Pyramids made here: levels of fractional downsample, holes, damaged tiles, tiles larger than their level, dying handles. */
#include "src/base/alloc.h"
#include "tests/unit/made_tiff.h"

#include <microtome/case.h>
#include <microtome/error.h>

static mt_case *open_path(const char *path)
{
    g_autoptr(GError) error = NULL;
    mt_case *c = mt_case_open(path, NULL, &error);

    g_assert_no_error(error);
    return c;
}

#define W0 700
#define H0 500
#define W1 233
#define H1 167

static char *write_pyramid(const char *name, int compression, int photometric, int samples, const uint8_t *level0, const uint8_t *level1)
{
    page pages[] = {
        {.width = W0,
         .height = H0,
         .samples = samples,
         .photometric = photometric,
         .compression = compression,
         .tile = 64,
         .pixels = level0},
        {.reduced = true,
         .width = W1,
         .height = H1,
         .samples = samples,
         .photometric = photometric,
         .compression = compression,
         .tile = 64,
         .pixels = level1},
    };

    return write_tiff(name, pages, 2);
}

/* Overwrite what is behind tile `index` of directory `directory`. */
static void damage_tile(const char *path, int directory, uint32_t index)
{
    TIFF *tiff = TIFFOpen(path, "r");

    g_assert_true(TIFFSetDirectory(tiff, (tdir_t)directory));
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

/* Level 1 goes through libtiff: its lossless pixels are exact, a damaged tile fails, its neighbours do not. */
static void test_odd_level(void)
{
    g_autofree uint8_t *level0 = waves(W0, H0, 3), *level1 = waves(W1, H1, 3);
    g_autofree char    *path = write_pyramid("odd.tif", COMPRESSION_ADOBE_DEFLATE, PHOTOMETRIC_RGB, 3, level0, level1);
    g_autofree uint8_t *pixels = g_malloc(W0 * H0 * 3);

    damage_tile(path, 1, 1);
    g_autoptr(mt_case) c = open_path(path);
    g_assert_cmpstr(mt_case_backend(c), ==, "direct");
    g_assert_cmpint(mt_case_levels(c), ==, 2);
    g_assert_true(mt_case_read(c, 0, 0, 0, 0, W0, H0, pixels, NULL));
    g_assert_cmpmem(pixels, W0 * H0 * 3, level0, W0 * H0 * 3);
    for (int attempt = 0; attempt < 2; attempt++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *start = g_strdup_printf("read %s: level 1, 10 x 10 pixels at (65, 1): tile 1 cannot be decoded: ", path);

        g_assert_false(mt_case_read(c, 0, 1, 65, 1, 10, 10, pixels, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
        g_assert_true(g_str_has_prefix(error->message, start));
        g_assert_true(mt_case_read(c, 0, 1, 3, 65, 229, 99, pixels, NULL));
        for (int row = 0; row < 99; row++)
            g_assert_cmpmem(pixels + row * 229 * 3, 229 * 3, level1 + ((65 + row) * W1 + 3) * 3, 229 * 3);
    }
}

/* A tile of zero bytes is empty, hence white; the level keeps its exact pixels. */
static void test_hole(void)
{
    g_autofree uint8_t *level0 = waves(W0, H0, 3);
    g_autofree char    *path = in_test_folder("hole.tif");
    TIFF               *tiff = TIFFOpen(path, "w");
    page                first = {.width = W0,
                                 .height = H0,
                                 .samples = 3,
                                 .photometric = PHOTOMETRIC_RGB,
                                 .compression = COMPRESSION_LZW,
                                 .tile = 64,
                                 .pixels = level0};
    uint8_t             pixels[10 * 10 * 3], white[10 * 10 * 3];

    write_page(tiff, &first);
    TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, W1);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, H1);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 3);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_LZW);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 64);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, 64);
    uint8_t tile[64 * 64 * 3];
    memset(tile, 9, sizeof tile);
    TIFFWriteEncodedTile(tiff, 0, tile, -1);
    TIFFClose(tiff);

    g_autoptr(mt_case) c = open_path(path);
    memset(white, 255, sizeof white);
    g_assert_cmpint(mt_case_levels(c), ==, 2);
    g_assert_true(mt_case_read(c, 0, 1, 65, 1, 10, 10, pixels, NULL));
    g_assert_cmpmem(pixels, sizeof pixels, white, sizeof white);
    g_assert_true(mt_case_read(c, 0, 1, 1, 1, 10, 10, pixels, NULL));
    g_assert_cmpint(pixels[0], ==, 9);
}

/* Tiles larger than a grey level: OpenSlide would return memory that was never written, so the level is left out; a lone
 * picture of this kind is read as an image. */
static void test_overhang(void)
{
    g_autofree uint8_t *level0 = waves(320, 320, 1), *level1 = waves(40, 40, 1);
    page                pages[] = {
                       {.width = 320, .height = 320, .compression = COMPRESSION_LZW, .tile = 64, .pixels = level0},
                       {.reduced = true, .width = 40, .height = 40, .compression = COMPRESSION_LZW, .tile = 64, .pixels = level1},
    };
    g_autofree char *path = write_tiff("overhang.tif", pages, 2);
    g_autoptr(mt_case) c = open_path(path);
    g_autofree char *lone_path = write_tiff("lone.tif", pages + 1, 1);
    g_autoptr(mt_case) lone = open_path(lone_path);
    g_autofree uint8_t *pixels = g_malloc(40 * 40);

    g_assert_cmpstr(mt_case_backend(c), ==, "openslide");
    g_assert_cmpint(mt_case_levels(c), ==, 1);
    g_assert_cmpstr(mt_case_backend(lone), ==, "vips");
    g_assert_true(mt_case_read(lone, 0, 0, 0, 0, 40, 40, pixels, NULL));
    g_assert_cmpmem(pixels, 1600, level1, 1600);
}

static void test_memory(void)
{
    g_autofree uint8_t *level0 = waves(W0, H0, 3), *level1 = waves(W1, H1, 3);
    g_autofree char    *path = write_pyramid("memory.tif", COMPRESSION_LZW, PHOTOMETRIC_RGB, 3, level0, level1);
    g_autofree uint8_t *pixels = g_malloc(W0 * H0 * 3);
    g_autoptr(mt_case) c = open_path(path);

    for (int level = 0; level < 2; level++) {
        g_autoptr(GError) error = NULL;

        mt_alloc_fail_at(1);
        g_assert_false(mt_case_read(c, 0, level, 5, 5, 20, 20, pixels, &error));
        mt_alloc_fail_at(0);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        g_assert_true(mt_case_read(c, 0, level, 5, 5, 20, 20, pixels, NULL));
    }
}

typedef struct visitor {
    mt_case       *c;
    const uint8_t *level0;
    uint32_t       seed;
    bool           provoke; /* read the damaged tile, so that the shared handle dies again and again */
    int            wrong, missed;
} visitor;

static bool is_right(const visitor *v, const uint8_t *pixels, int64_t x, int64_t y)
{
    for (int row = 0; row < 30; row++)
        if (memcmp(pixels + row * 30 * 3, v->level0 + ((y + row) * W0 + x) * 3, 30 * 3) != 0)
            return false;
    return true;
}

static void *visit(void *data)
{
    visitor *v = data;
    GRand   *random = g_rand_new_with_seed(v->seed);
    uint8_t  pixels[30 * 30 * 3];

    for (int i = 0; i < 60; i++) {
        int64_t x = g_rand_int_range(random, 128, W0 - 30), y = g_rand_int_range(random, 64, H0 - 30);

        if (v->provoke)
            v->missed += mt_case_read(v->c, 0, 0, 70, 5, 30, 30, pixels, NULL) ? 0 : 1;
        else if (!mt_case_read(v->c, 0, 0, x, y, 30, 30, pixels, NULL) || !is_right(v, pixels, x, y))
            v->wrong++;
    }
    g_rand_free(random);
    return NULL;
}

/* A reader that meets a damaged tile kills the handle it shares: nobody else may notice. */
static void test_dying_handle(void)
{
    g_autofree uint8_t *level0 = waves(W0, H0, 3), *level1 = waves(W1, H1, 3);
    g_autofree char    *path = write_pyramid("dying.tif", COMPRESSION_ADOBE_DEFLATE, PHOTOMETRIC_RGB, 3, level0, level1);
    GThread            *threads[4];
    visitor             visitors[4];

    damage_tile(path, 0, 1);
    mt_case_options options = {.backend = "openslide"};
    g_autoptr(mt_case) c = mt_case_open(path, &options, NULL);
    g_assert_nonnull(c);
    for (int i = 0; i < 4; i++) {
        visitors[i] = (visitor){.c = c, .level0 = level0, .seed = (uint32_t)i, .provoke = i == 0};
        threads[i] = g_thread_new("visitor", visit, &visitors[i]);
    }
    for (int i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(visitors[0].missed, ==, 60);
    for (int i = 1; i < 4; i++)
        g_assert_cmpint(visitors[i].wrong, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_test_folder("mt-case-pyramid-XXXXXX");
    g_test_add_func("/case/pyramid/odd-level", test_odd_level);
    g_test_add_func("/case/pyramid/hole", test_hole);
    g_test_add_func("/case/pyramid/overhang", test_overhang);
    g_test_add_func("/case/pyramid/memory", test_memory);
    g_test_add_func("/case/pyramid/dying-handle", test_dying_handle);
    int result = g_test_run();

    remove_test_folder();
    return result;
}
