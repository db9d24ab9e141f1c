/* The direct path against OpenSlide: the same facts, the same pixels. */
#include "tests/unit/made_tiff.h"

#include <microtome/case.h>
#include <microtome/error.h>
#include <microtome/tile_reader.h>

#include <string.h>

static mt_case *open_with(const char *path, const char *backend)
{
    mt_case_options options = {.backend = backend};
    g_autoptr(GError) error = NULL;
    mt_case *c = mt_case_open(path, &options, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(mt_case_backend(c), ==, backend);
    return c;
}

static int largest_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    int largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = MAX(largest, ABS(a[i] - b[i]));
    return largest;
}

/* Rectangles all over a level, across its edges too. */
static int compare_level(mt_case *a, mt_case *b, int level, uint32_t seed)
{
    const mt_level     *l = mt_case_level(a, level);
    g_autofree uint8_t *one = g_malloc(600 * 600 * 3), *two = g_malloc(600 * 600 * 3);
    GRand              *random = g_rand_new_with_seed(seed);
    int                 largest = 0;

    for (int i = 0; i < 40; i++) {
        int64_t width = g_rand_int_range(random, 1, 600), height = g_rand_int_range(random, 1, 600);
        int64_t x = g_rand_int_range(random, -50, (gint32)l->width), y = g_rand_int_range(random, -50, (gint32)l->height);
        g_autoptr(GError) error = NULL;
        bool once = i % 2 == 0;

        g_assert_true((once ? mt_case_read_once : mt_case_read)(a, 0, level, x, y, width, height, one, &error));
        g_assert_no_error(error);
        g_assert_true(mt_case_read(b, 0, level, x, y, width, height, two, &error));
        largest = MAX(largest, largest_difference(one, two, (size_t)(width * height * 3)));
    }
    g_rand_free(random);
    return largest;
}

static bool is_whole(double value)
{
    return value == (double)(int64_t)value;
}

/* OpenSlide is exact at whole downsamples only. */
static void compare_case(const char *path, int bound)
{
    g_autoptr(mt_case) direct = open_with(path, "direct");
    g_autoptr(mt_case) openslide = open_with(path, "openslide");
    double x1, y1, x2, y2;

    g_assert_cmpint(mt_case_levels(direct), >=, mt_case_levels(openslide));
    g_assert_cmpint(mt_case_mpp(direct, &x1, &y1), ==, mt_case_mpp(openslide, &x2, &y2));
    g_assert_cmpfloat(x1, ==, x2);
    g_assert_cmpstr(mt_case_mpp_source(direct), ==, mt_case_mpp_source(openslide));
    g_assert_cmpstr(mt_case_format(direct), ==, mt_case_format(openslide));
    g_assert_cmpstr(mt_case_quickhash(direct), ==, mt_case_quickhash(openslide));
    for (int level = 0; level < mt_case_levels(openslide); level++) {
        const mt_level *l = mt_case_level(direct, level);

        g_assert_cmpint(l->width, ==, mt_case_level(openslide, level)->width);
        if (is_whole(l->downsample_x) && is_whole(l->downsample_y))
            g_assert_cmpint(compare_level(direct, openslide, level, (uint32_t)level), <=, bound);
    }
}

static void test_samples(void)
{
    static const char *const names[] = {"wsi/aperio-cmu-1-small-region.svs", "wsi/aperio-tiny-16px.svs",
                                        "wsi/derived/cmu-crop-bigtiff-deflate.tif", "wsi/derived/cmu-pyramid-jpeg.tif",
                                        "wsi/derived/composed-open.tif"};
    const char              *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(dir, names[i], NULL);
        compare_case(path, 0);
    }
}

typedef struct packing {
    int compression, photometric, subsampling, bound;
} packing;

/* Shared JPEG tables, chroma whole, halved across, halved both ways; lossless ones with their predictors. */
static void test_packings(void)
{
    static const packing packings[] = {
        {COMPRESSION_JPEG, PHOTOMETRIC_YCBCR, 22, 0}, {COMPRESSION_JPEG, PHOTOMETRIC_YCBCR, 21, 0},
        {COMPRESSION_JPEG, PHOTOMETRIC_YCBCR, 11, 0}, {COMPRESSION_JPEG, PHOTOMETRIC_RGB, 0, 0},
        {COMPRESSION_LZW, PHOTOMETRIC_RGB, 0, 0},     {COMPRESSION_ADOBE_DEFLATE, PHOTOMETRIC_RGB, 0, 0},
        {COMPRESSION_NONE, PHOTOMETRIC_RGB, 0, 0},
    };
    g_autofree uint8_t *level0 = waves(700, 500, 3), *level1 = waves(350, 250, 3);

    for (size_t i = 0; i < G_N_ELEMENTS(packings); i++) {
        g_autofree char *name = g_strdup_printf("packing-%zu.tif", i);
        page             pages[] = {
                        {.width = 700,
                         .height = 500,
                         .samples = 3,
                         .photometric = packings[i].photometric,
                         .compression = packings[i].compression,
                         .subsampling = packings[i].subsampling,
                         .tile = 64,
                         .pixels = level0},
                        {.reduced = true,
                         .width = 350,
                         .height = 250,
                         .samples = 3,
                         .photometric = packings[i].photometric,
                         .compression = packings[i].compression,
                         .subsampling = packings[i].subsampling,
                         .tile = 64,
                         .pixels = level1},
        };
        g_autofree char *path = write_tiff(name, pages, 2);
        compare_case(path, packings[i].bound);
    }
}

/* Each stored tile is decoded once for reads in row-major order, whatever their offset; none stays in a cache of nothing. */
static void test_counts(void)
{
    g_autofree uint8_t *level0 = waves(640, 640, 3), *pixels = g_malloc(56 * 56 * 3);
    page                pages[] = {{.width = 640,
                                    .height = 640,
                                    .samples = 3,
                                    .photometric = PHOTOMETRIC_RGB,
                                    .compression = COMPRESSION_LZW,
                                    .tile = 64,
                                    .pixels = level0}};
    g_autofree char    *path = write_tiff("counts.tif", pages, 1);
    mt_case_counts      counts;

    for (int round = 0; round < 2; round++) {
        mt_case_options options = {.backend = "direct", .cache_bytes = round == 0 ? 2 * 10 * 64 * 64 * 3 : -1};
        g_autoptr(mt_case) c = mt_case_open(path, &options, NULL);
        for (int64_t y = 0; y < 616; y += 56)
            for (int64_t x = 0; x < 616; x += 56) {
                g_assert_true(mt_case_read_ahead(c, 0, 0, x, y, 56, 56));
                g_assert_true(mt_case_read(c, 0, 0, x, y, 56, 56, pixels, NULL));
                for (int64_t row = 0; row < 56; row++)
                    g_assert_cmpmem(pixels + row * 56 * 3, 56 * 3, level0 + ((y + row) * 640 + x) * 3, 56 * 3);
            }
        mt_case_get_counts(c, &counts);
        if (round == 0)
            g_assert_cmpint(counts.tiles_decoded, ==, 100);
        else
            g_assert_cmpint(counts.tiles_reused, ==, 0);
        g_assert_cmpint(counts.decoded_bytes, ==, counts.tiles_decoded * 64 * 64 * 3);
    }
}

/* Tiles of 64 px read whole leave nothing behind; the same pixels come out. */
static void test_once(void)
{
    g_autofree uint8_t *level0 = waves(256, 256, 3), *pixels = g_malloc(128 * 128 * 3);
    page                pages[] = {{.width = 256,
                                    .height = 256,
                                    .samples = 3,
                                    .photometric = PHOTOMETRIC_RGB,
                                    .compression = COMPRESSION_ADOBE_DEFLATE,
                                    .tile = 64,
                                    .pixels = level0}};
    g_autofree char    *path = write_tiff("once.tif", pages, 1);
    g_autoptr(mt_case) c = open_with(path, "direct");
    mt_case_counts counts;

    for (int round = 1; round <= 2; round++) {
        g_assert_true(mt_case_read_once(c, 0, 0, 64, 64, 128, 128, pixels, NULL));
        for (int64_t row = 0; row < 128; row++)
            g_assert_cmpmem(pixels + row * 128 * 3, 128 * 3, level0 + ((64 + row) * 256 + 64) * 3, 128 * 3);
        mt_case_get_counts(c, &counts);
        g_assert_cmpint(counts.tiles_decoded, ==, 4 * round);
        g_assert_cmpint(counts.tiles_reused, ==, 0);
    }
}

/* Mean difference of all tiles at `mpp` with and without the levels that are cut in the DCT domain. */
static double approximate_difference(const char *path, double mpp, int *largest)
{
    mt_case_options options[] = {{0}, {.approximate = true}};
    mt_grid_params  params = {.tile_px = 128, .mpp = mpp};
    mt_case        *c[2];
    mt_grid        *grid[2];
    mt_tile_reader *reader[2];
    double          sum = 0;
    int64_t         n = 0;

    for (int i = 0; i < 2; i++) {
        c[i] = mt_case_open(path, &options[i], NULL);
        grid[i] = mt_grid_new(c[i], NULL, &params, NULL);
        reader[i] = mt_tile_reader_new(c[i], grid[i], MT_FILTER_BILINEAR, NULL);
    }
    g_assert_cmpint(mt_case_levels(c[1]), >, mt_case_levels(c[0]));
    g_assert_cmpint(mt_grid_count(grid[0]), ==, mt_grid_count(grid[1]));
    for (int64_t i = 0; i < mt_grid_count(grid[0]); i++) {
        mt_tile_pixels exact, fast;

        g_assert_true(mt_tile_reader_read(reader[0], i, &exact, NULL));
        g_assert_true(mt_tile_reader_read(reader[1], i, &fast, NULL));
        for (int64_t k = 0; k < 128 * 128 * 3; k++, n++) {
            int difference = ABS(((uint8_t *)exact.data)[k] - ((uint8_t *)fast.data)[k]);
            sum += difference;
            *largest = MAX(*largest, difference);
        }
    }
    for (int i = 0; i < 2; i++) {
        mt_tile_reader_free(reader[i]);
        mt_grid_free(grid[i]);
        mt_case_free(c[i]);
    }
    return sum / (double)n;
}

static void test_approximate(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(dir, "wsi/aperio-cmu-1-small-region.svs", NULL);
    for (double mpp = 1; mpp <= 4.01; mpp += 0.5) {
        int    largest = 0;
        double mean = approximate_difference(path, mpp, &largest);

        g_test_message("%g um/px: mean %.3f, largest %d", mpp, mean, largest);
        g_assert_cmpfloat(mean, <, 3);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_test_folder("mt-case-direct-XXXXXX");
    g_test_add_func("/case/direct/samples", test_samples);
    g_test_add_func("/case/direct/packings", test_packings);
    g_test_add_func("/case/direct/counts", test_counts);
    g_test_add_func("/case/direct/once", test_once);
    g_test_add_func("/case/direct/approximate", test_approximate);
    int result = g_test_run();

    remove_test_folder();
    return result;
}
