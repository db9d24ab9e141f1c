/* Tiles against their definition in OpenSlide and Pillow (tests/golden/tile_reference.py made tiles.csv): bit for bit.
 * Volumes, deep samples and whole planes are built here. */
#include <microtome/tile_reader.h>

#include <string.h>

#include "kernels/pixel/resample.h"
#include "src/base/alloc.h"
#include "src/base/csv.h"
#include "src/base/hash.h"
#include "tests/unit/tiling_samples.h"

static const char *cell(const mt_csv *csv, guint row, const char *column)
{
    return mt_csv_cell(csv, row, mt_csv_column(csv, column));
}

static int64_t integer(const mt_csv *csv, guint row, const char *column)
{
    return g_ascii_strtoll(cell(csv, row, column), NULL, 10);
}

static mt_filter filter_of(const char *name)
{
    return g_str_equal(name, "bilinear") ? MT_FILTER_BILINEAR : g_str_equal(name, "bicubic") ? MT_FILTER_BICUBIC : MT_FILTER_LANCZOS;
}

static mt_case *open_row(const mt_csv *csv, guint row, const char *data)
{
    g_autofree char *path = g_build_filename(data, cell(csv, row, "input"), NULL);
    g_auto(GStrv) mpp = g_strsplit(cell(csv, row, "slide_mpp"), ",", 2);
    mt_case_options options = {0};
    g_autoptr(GError) error = NULL;

    if (mpp[0]) {
        options.mpp_x = g_ascii_strtod(mpp[0], NULL);
        options.mpp_y = g_ascii_strtod(mpp[mpp[1] ? 1 : 0], NULL);
        options.mpp_source = "option";
    }
    mt_case *c = mt_case_open(path, &options, &error);
    g_assert_no_error(error);
    return c;
}

static void expect_row(const mt_csv *csv, guint row, const char *data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = open_row(csv, row, data);
    mt_grid_params params = {.tile_px = (int)integer(csv, row, "tile_px"),
                             .mpp = g_ascii_strtod(cell(csv, row, "mpp"), NULL),
                             .overlap = g_ascii_strtod(cell(csv, row, "overlap"), NULL)};
    g_autoptr(mt_grid) grid = mt_grid_new(c, NULL, &params, &error);
    g_assert_no_error(error);
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(c, grid, filter_of(cell(csv, row, "filter")), &error);
    int64_t        index = integer(csv, row, "index");
    mt_tile_pixels pixels;

    g_assert_no_error(error);
    g_assert_cmpint(mt_grid_level(grid), ==, integer(csv, row, "level"));
    g_assert_cmpint(mt_grid_count(grid), ==, integer(csv, row, "tiles"));
    g_assert_cmpint(mt_grid_tile(grid, index).x, ==, integer(csv, row, "x"));
    g_assert_cmpint(mt_grid_tile(grid, index).y, ==, integer(csv, row, "y"));
    g_assert_true(mt_tile_reader_read(reader, index, &pixels, &error));
    g_assert_true(pixels.dtype == MT_U8 && pixels.channels == 3 && pixels.width == params.tile_px && pixels.height == params.tile_px);
    g_autofree char *hash = mt_hash_bytes(pixels.data, (size_t)(3 * pixels.width * pixels.height));
    g_test_message("row %u", row + 2);
    g_assert_cmpstr(hash, ==, cell(csv, row, "sha256"));
}

static void test_as_pillow(void)
{
    g_autofree char *table = g_test_build_filename(G_TEST_DIST, "golden", "tissue", "tiles.csv", NULL);
    g_autoptr(mt_csv) csv = mt_csv_read(table, NULL);
    const char *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    for (guint row = 0; row < csv->rows->len; row++)
        expect_row(csv, row, data);
}

/* One reader over a whole grid gives what a new one gives for each tile, twice; the clocks run. */
static void test_one_reader(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(300, 200);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5);
    mt_grid_params params = {.tile_px = 32, .mpp = 0.77, .overlap = 0.1};
    g_autoptr(mt_grid) grid = mt_grid_new(c, NULL, &params, &error);
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(c, grid, MT_FILTER_BILINEAR, &error);
    double decode_s, resample_s;

    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < mt_grid_count(grid); i++) {
            g_autoptr(mt_tile_reader) fresh = mt_tile_reader_new(c, grid, MT_FILTER_BILINEAR, &error);
            mt_tile_pixels a, b;
            g_assert_true(mt_tile_reader_read(reader, i, &a, &error) && mt_tile_reader_read(fresh, i, &b, &error));
            g_assert_cmpmem(a.data, 32 * 32 * 3, b.data, 32 * 32 * 3);
        }
    mt_tile_reader_seconds(reader, &decode_s, &resample_s);
    g_assert_true(decode_s > 0 && resample_s > 0);
    mt_tiling_sample_clear(&sample);
}

/* At level 0 a tile is the pixels themselves, white outside. */
static void test_level0(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(100, 70);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    mt_grid_params params = {.tile_px = 64};
    g_autoptr(mt_grid) grid = mt_grid_new(c, NULL, &params, &error);
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(c, grid, MT_FILTER_BICUBIC, &error);
    mt_tile_pixels pixels;

    g_assert_cmpint(mt_grid_count(grid), ==, 4);
    for (int64_t i = 0; i < 4; i++) {
        mt_tile tile = mt_grid_tile(grid, i);
        g_assert_true(mt_tile_reader_read(reader, i, &pixels, &error));
        for (int64_t y = 0; y < 64; y++)
            for (int64_t x = 0; x < 64; x++)
                for (int k = 0; k < 3; k++) {
                    bool inside = tile.x + x < 100 && tile.y + y < 70;
                    int  expected = inside ? sample.pixels[((tile.y + y) * 100 + tile.x + x) * 3 + k] : 255;
                    g_assert_cmpint(((uint8_t *)pixels.data)[(y * 64 + x) * 3 + k], ==, expected);
                }
    }
    mt_tiling_sample_clear(&sample);
}

static void test_whole_plane(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(50, 41);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    mt_grid_params params = {.whole_plane = true};
    g_autoptr(mt_grid) grid = mt_grid_new(c, NULL, &params, &error);
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(c, grid, MT_FILTER_BILINEAR, &error);
    mt_tile_pixels pixels;

    g_assert_cmpint(mt_grid_count(grid), ==, 1);
    g_assert_true(mt_tile_reader_read(reader, 0, &pixels, &error));
    g_assert_true(pixels.width == 50 && pixels.height == 41);
    g_assert_cmpmem(pixels.data, 50 * 41 * 3, sample.pixels, 50 * 41 * 3);
    mt_tiling_sample_clear(&sample);
}

/* 16-bit samples become float and are resampled as float. */
static void test_deep(void)
{
    mt_tiling_sample sample = mt_tiling_sample_u16(90, 64);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 1);
    mt_grid_params params = {.tile_px = 32, .mpp = 2};
    g_autoptr(mt_grid) grid = mt_grid_new(c, NULL, &params, &error);
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(c, grid, MT_FILTER_BILINEAR, &error);
    g_autofree float *expected = g_new(float, 32 * 32), *source = g_new(float, 64 * 64);
    mt_tile_pixels    pixels;

    g_assert_no_error(error);
    g_assert_true(mt_tile_reader_read(reader, 0, &pixels, &error));
    g_assert_true(pixels.dtype == MT_F32 && pixels.channels == 1);
    for (int i = 0; i < 64 * 64; i++)
        source[i] = ((const uint16_t *)sample.pixels)[i / 64 * 90 + i % 64];
    g_autoptr(mt_resample) resample = mt_resample_new(64, 64, NULL, 32, 32, MT_FILTER_BILINEAR, &error);
    g_assert_true(mt_resample_f32(resample, source, expected, &error));
    g_assert_cmpmem(pixels.data, 32 * 32 * 4, expected, 32 * 32 * 4);
    mt_tiling_sample_clear(&sample);
}

static void test_too_large(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(60, 40);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5);
    mt_grid_params params = {.tile_px = 4096, .mpp = 10};
    g_autoptr(mt_grid) grid = mt_grid_new(c, NULL, &params, &error);
    g_autofree char *expected =
        g_strdup_printf("read tiles of %s: one covers 81921 x 81921 pixels of level 0 (20.1 GB, at most 1.1): use a file with a finer "
                        "pyramid, smaller tiles or a smaller --mpp",
                        sample.path);

    g_assert_no_error(error);
    g_assert_null(mt_tile_reader_new(c, grid, MT_FILTER_BILINEAR, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_LIMIT);
    g_assert_cmpstr(error->message, ==, expected);
    mt_tiling_sample_clear(&sample);
}

/* A tile that cannot be decoded is an error; the reader goes on. */
static void test_undecodable(void)
{
    const char *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(data, "malformed/wsi/unreadable.svs", NULL);
    g_autofree char *expected = g_strdup_printf(
        "read tile 0 at (0, 0) of plane 0: read %s: level 0, 16 x 16 pixels at (0, 0): tile 0 cannot be decoded: Bogus marker "
        "length",
        path);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    mt_grid_params params = {.tile_px = 16};
    g_autoptr(mt_grid) grid = mt_grid_new(c, NULL, &params, NULL);
    g_autoptr(mt_tile_reader) reader = mt_tile_reader_new(c, grid, MT_FILTER_BILINEAR, NULL);
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        mt_tile_pixels pixels;
        g_assert_false(mt_tile_reader_read(reader, 0, &pixels, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
        g_assert_cmpstr(error->message, ==, expected);
    }
}

static void test_refused_memory(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(60, 40);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5);
    mt_grid_params params = {.tile_px = 16, .mpp = 0.8};
    bool           done = false;

    for (int k = 1; k < 50 && !done; k++) {
        g_autoptr(GError) error = NULL;
        mt_tile_pixels pixels;
        mt_alloc_fail_at(k);
        g_autoptr(mt_grid) grid = mt_grid_new(c, NULL, &params, &error);
        g_autoptr(mt_tile_reader) reader = grid ? mt_tile_reader_new(c, grid, MT_FILTER_BILINEAR, &error) : NULL;
        done = reader && mt_tile_reader_read(reader, 0, &pixels, &error);
        mt_alloc_fail_at(0);
        if (!done)
            g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
    g_assert_true(done);
    mt_tiling_sample_clear(&sample);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!mt_tiling_sample_start(argv[0]))
        return 1;
    g_test_add_func("/tile-reader/as-pillow", test_as_pillow);
    g_test_add_func("/tile-reader/one-reader", test_one_reader);
    g_test_add_func("/tile-reader/level0", test_level0);
    g_test_add_func("/tile-reader/whole-plane", test_whole_plane);
    g_test_add_func("/tile-reader/deep", test_deep);
    g_test_add_func("/tile-reader/too-large", test_too_large);
    g_test_add_func("/tile-reader/undecodable", test_undecodable);
    g_test_add_func("/tile-reader/refused-memory", test_refused_memory);
    return g_test_run();
}
