/* The grid: its definition, coverage, thresholds, levels and refusals. */
#include <microtome/grid.h>

#include <math.h>
#include <string.h>

#include "src/base/alloc.h"
#include "tests/unit/tiling_samples.h"

static mt_grid *lay(const mt_case *c, const mt_mask *mask, mt_grid_params params)
{
    g_autoptr(GError) error = NULL;
    mt_grid *grid = mt_grid_new(c, mask, &params, &error);

    g_assert_no_error(error);
    return grid;
}

/* At overlap 0 every pixel of the plane lies in exactly one tile, for ratios that are whole and that are not. */
static void test_covers_once(void)
{
    static const double mpps[] = {0, 0.5, 0.37, 0.5001, 0.777, 1.3, 3.9};
    mt_tiling_sample    sample = mt_tiling_sample_rgb(233, 171);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5);

    for (size_t m = 0; m < G_N_ELEMENTS(mpps); m++) {
        g_autoptr(mt_grid) grid = lay(c, NULL, (mt_grid_params){.tile_px = 16, .mpp = mpps[m]});
        g_autofree uint8_t *seen = g_malloc0(233 * 171);
        double              a = mpps[m] > 0 ? mpps[m] / 0.5 : 1;
        for (int64_t i = 0; i < mt_grid_count(grid); i++) {
            mt_tile tile = mt_grid_tile(grid, i);
            int64_t column = (int64_t)floor((double)tile.x / (16 * a) + 0.5), row = (int64_t)floor((double)tile.y / (16 * a) + 0.5);
            int64_t end_x = (int64_t)floor((double)(column + 1) * 16 * a + 0.5), end_y = (int64_t)floor((double)(row + 1) * 16 * a + 0.5);
            g_assert_cmpint(tile.x, ==, (int64_t)floor((double)column * 16 * a + 0.5));
            g_assert_true(tile.x < 233 && tile.y < 171 && tile.plane == 0);
            for (int64_t y = tile.y; y < MIN(end_y, 171); y++)
                for (int64_t x = tile.x; x < MIN(end_x, 233); x++)
                    seen[y * 233 + x]++;
        }
        for (int i = 0; i < 233 * 171; i++)
            g_assert_cmpint(seen[i], ==, 1);
    }
    mt_tiling_sample_clear(&sample);
}

static void test_order_and_edge(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(100, 60);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5);
    g_autoptr(mt_grid) grid = lay(c, NULL, (mt_grid_params){.tile_px = 32, .mpp = 0.6, .overlap = 0.25});
    double width, height;

    mt_grid_tile_level0(grid, &width, &height);
    g_assert_cmpfloat(width, ==, 32 * (0.6 / 0.5));
    g_assert_cmpfloat(height, ==, width);
    g_assert_cmpint(mt_grid_count(grid), ==, 4 * 3); /* steps of 28.8: 0 29 58 86, 0 29 58 */
    for (int64_t i = 0; i < 12; i++) {
        static const int64_t starts[] = {0, 29, 58, 86};
        g_assert_cmpint(mt_grid_tile(grid, i).x, ==, starts[i % 4]);
        g_assert_cmpint(mt_grid_tile(grid, i).y, ==, starts[i / 4]);
    }
    mt_tiling_sample_clear(&sample);
}

/* Left half tissue: tiles of the right half are dropped, and a larger min_share never adds a tile. */
static void test_mask(void)
{
    uint8_t *pixels = g_malloc(256 * 128 * 3);

    for (int i = 0; i < 256 * 128; i++)
        memcpy(pixels + 3 * i, i % 256 < 120 ? "\xc8\x50\xa0" : "\xf3\xf2\xf4", 3);
    mt_tiling_sample sample = mt_tiling_sample_new(256, 128, 3, false, pixels);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    g_autoptr(mt_mask) mask = mt_mask_new(c, "otsu", NULL);
    int64_t before = INT64_MAX;

    for (int step = 0; step <= 10; step++) {
        g_autoptr(mt_grid) grid = lay(c, mask, (mt_grid_params){.tile_px = 32, .min_share = step / 10.0});
        g_assert_cmpint(mt_grid_count(grid), <=, before);
        before = mt_grid_count(grid);
        for (int64_t i = 0; i < before; i++) {
            mt_tile tile = mt_grid_tile(grid, i);
            double  share = mt_mask_share(mask, (double)tile.x, (double)tile.y, 32, 32);
            g_assert_true(share > 0 && share >= step / 10.0 && tile.x < 120);
        }
    }
    g_assert_cmpint(before, ==, 3 * 4);
    mt_tiling_sample_clear(&sample);
}

static void test_whole_plane(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(100, 60);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    g_autoptr(mt_grid) grid = lay(c, NULL, (mt_grid_params){.whole_plane = true});
    double width, height;

    mt_grid_tile_level0(grid, &width, &height);
    g_assert_cmpint(mt_grid_count(grid), ==, 1);
    g_assert_cmpint(mt_grid_level(grid), ==, 0);
    g_assert_true(width == 100 && height == 60);
    mt_tiling_sample_clear(&sample);
}

/* A volume's tiles come plane after plane, and one mask serves all planes. */
static void test_volume(void)
{
    const char *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(data, "radiology/nifti/ct_small.nii.gz", NULL);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    if (c == NULL) {
        g_test_skip("the sample volume is missing");
        return;
    }
    g_autoptr(mt_grid) grid = lay(c, NULL, (mt_grid_params){.tile_px = 16});
    int64_t per_plane = mt_grid_count(grid) / mt_case_planes(c);
    for (int64_t i = 0; i < mt_grid_count(grid); i++) {
        g_assert_cmpint(mt_grid_tile(grid, i).plane, ==, i / per_plane);
        g_assert_cmpint(mt_grid_tile(grid, i).x, ==, mt_grid_tile(grid, i % per_plane).x);
    }
    g_autoptr(mt_mask) mask = mt_mask_new(c, "body", NULL);
    g_autoptr(mt_grid) kept = lay(c, mask, (mt_grid_params){.tile_px = 16, .min_share = 0.5});
    g_assert_cmpint(mt_grid_count(kept) % mt_case_planes(c), ==, 0);
    g_assert_cmpint(mt_grid_count(kept), >, 0);
}

static void expect_refusal(const mt_case *c, mt_grid_params params, mt_error code, const char *format)
{
    g_autoptr(GError) error = NULL;
    GString *expected = g_string_new(format);

    g_string_replace(expected, "PATH", mt_case_path(c), 0);
    g_assert_null(mt_grid_new(c, NULL, &params, &error));
    g_assert_error(error, MT_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, expected->str);
    g_string_free(expected, TRUE);
}

static void test_refusals(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(100, 60);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5), bare = mt_tiling_sample_open(&sample, 0);
    g_autofree char *unknown = g_strdup_printf("lay a grid at 0.5 µm/px over PATH: the case's own µm/px is unknown (%s): give it with "
                                               "--slide-mpp or in the manifest's mpp column",
                                               mt_case_mpp_source(bare));

    expect_refusal(bare, (mt_grid_params){.tile_px = 224, .mpp = 0.5}, MT_ERROR_SPACING, unknown);
    expect_refusal(c, (mt_grid_params){.tile_px = 8}, MT_ERROR_RANGE, "lay a grid over PATH: tile=8 is outside 16..4096 px");
    expect_refusal(c, (mt_grid_params){.tile_px = 4097}, MT_ERROR_RANGE, "lay a grid over PATH: tile=4097 is outside 16..4096 px");
    expect_refusal(c, (mt_grid_params){.tile_px = 16, .mpp = -1}, MT_ERROR_RANGE,
                   "lay a grid over PATH: mpp=-1 is outside 0, or 0.001..1000000 µm/px");
    expect_refusal(c, (mt_grid_params){.tile_px = 16, .mpp = NAN}, MT_ERROR_RANGE,
                   "lay a grid over PATH: mpp=nan is outside 0, or 0.001..1000000 µm/px");
    expect_refusal(c, (mt_grid_params){.tile_px = 16, .overlap = 1}, MT_ERROR_RANGE,
                   "lay a grid over PATH: overlap=1 is outside 0 up to, but not, 1");
    expect_refusal(c, (mt_grid_params){.tile_px = 16, .min_share = 1.5}, MT_ERROR_RANGE,
                   "lay a grid over PATH: min_share=1.5 is outside 0..1");
    expect_refusal(c, (mt_grid_params){.tile_px = 16, .mpp = 0.5, .overlap = 0.99}, MT_ERROR_RANGE,
                   "lay a grid over PATH: tiles of 16 px at 0.5 µm/px with overlap 0.99 advance by less than one pixel of level 0: take "
                   "larger tiles or less overlap");
    mt_tiling_sample_clear(&sample);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!mt_tiling_sample_start(argv[0]))
        return 1;
    g_test_add_func("/grid/covers-once", test_covers_once);
    g_test_add_func("/grid/order-and-edge", test_order_and_edge);
    g_test_add_func("/grid/mask", test_mask);
    g_test_add_func("/grid/whole-plane", test_whole_plane);
    g_test_add_func("/grid/volume", test_volume);
    g_test_add_func("/grid/refusals", test_refusals);
    return g_test_run();
}
