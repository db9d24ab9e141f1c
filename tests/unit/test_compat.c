/* Grids of CLAM and TRIDENT: coordinates worked out by hand, and every refusal. */
#include "src/pipeline/compat.h"
#include "tests/unit/tiling_samples.h"
#include "tiling/ring_tree.h"

#include <math.h>
#include <string.h>

static mt_grid *lay(const mt_case *c, const mt_mask *mask, mt_grid_params params)
{
    g_autoptr(GError) error = NULL;
    mt_grid *grid = mt_grid_new(c, mask, &params, &error);

    g_assert_no_error(error);
    return grid;
}

static void expect_tiles(const mt_grid *grid, const int64_t (*tiles)[2], int64_t n)
{
    g_assert_cmpint(mt_grid_count(grid), ==, n);
    for (int64_t i = 0; i < n; i++) {
        g_assert_cmpint(mt_grid_tile(grid, i).x, ==, tiles[i][0]);
        g_assert_cmpint(mt_grid_tile(grid, i).y, ==, tiles[i][1]);
    }
}

/* 0.25 µm/px is 40x, 20x is wanted: 32 px are 64 of level 0, an overlap of 8 px is 16. */
static void test_trident_grid(void)
{
    static const int64_t expected[][2] = {{0, 0}, {48, 0}, {96, 0}, {0, 48}, {48, 48}, {96, 48}};
    mt_tiling_sample     sample = mt_tiling_sample_rgb(100, 60);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.25);
    g_autoptr(mt_grid) grid = lay(c, NULL, (mt_grid_params){.tile_px = 32, .mpp = 0.5, .overlap = 0.25, .compat = MT_COMPAT_TRIDENT});
    const mt_grid_tool *tool = mt_grid_get_tool(grid);

    expect_tiles(grid, expected, G_N_ELEMENTS(expected));
    g_assert_true(tool->level == 0 && tool->window_px == 64 && tool->edge[0] == 64 && tool->step[1] == 48 && tool->overlap_px == 8);
    g_assert_true(tool->level0_magnification == 40 && tool->target_magnification == 20 && tool->patch_size_level0 == 64);
    g_assert_true(tool->true_mpp[0] == 0.5 && tool->true_mpp[1] == 0.5);
    mt_tiling_sample_clear(&sample);
}

/* The table, rounding to 4 decimals, and halves to even: 0.15 is 80x, 25 px at 60x and 80x are 33.33. */
static void test_trident_numbers(void)
{
    static const struct {
        double  own, wanted;
        int     tile_px;
        int64_t edge, patch_size_level0;
        double  magnification;
    } cases[] = {{0.15994, 0.125, 64, 64, 64, 80},    {0.15996, 0.125, 64, 48, 48, 60},   {0.2, 0.1667, 67, 45, 44, 40},
                 {0.29994, 0.25, 65, 65, 65, 40},     {0.29995001, 0.25, 65, 32, 32, 20}, {0.29996, 0.25, 67, 34, 33, 20},
                 {0.1501, 10 / 60.0, 25, 33, 33, 80}, {1.19, 2, 33, 66, 66, 10},          {2.39994, 2, 33, 33, 33, 5}};
    mt_tiling_sample sample = mt_tiling_sample_rgb(40, 40);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, cases[i].own);
        g_autoptr(GError) error = NULL;
        mt_grid_params params = {.tile_px = cases[i].tile_px, .mpp = cases[i].wanted, .compat = MT_COMPAT_TRIDENT};
        mt_grid_tool   tool;
        g_assert_true(mt_grid_tool_find(c, &params, &tool, &error));
        g_assert_true(tool.level0_magnification == cases[i].magnification);
        g_assert_cmpint(tool.edge[0], ==, cases[i].edge);
        g_assert_cmpint(tool.window_px, ==, cases[i].edge);
        g_assert_cmpint(tool.patch_size_level0, ==, cases[i].patch_size_level0);
        g_assert_true(fabs(tool.true_mpp[0] - cases[i].own * (double)cases[i].edge / cases[i].tile_px) < 1e-12);
    }
    mt_tiling_sample_clear(&sample);
}

/* A square piece of tissue on glass. */
static mt_tiling_sample one_piece(int hole)
{
    uint8_t *pixels = g_malloc(256 * 256 * 3);

    for (int i = 0; i < 256 * 256; i++) {
        int  x = i % 256, y = i / 256;
        bool tissue = x >= 60 && x < 220 && y >= 60 && y < 220 && !(abs(x - 140) < hole && abs(y - 140) < hole);
        memcpy(pixels + 3 * i, tissue ? "\xc8\x50\xa0" : "\xf3\xf2\xf4", 3);
    }
    return mt_tiling_sample_new(256, 256, 3, false, pixels);
}

/* Touching is enough; a share is counted by area. */
static void test_trident_keeps(void)
{
    mt_tiling_sample sample = one_piece(0);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5);
    g_autoptr(mt_mask) mask = mt_mask_new(c, "none", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_ring_tree) tree = mt_ring_tree_new(mask, &error);

    g_assert_true(mt_ring_tree_meets_square(tree, 256, 256, 16)); /* the corner of the plane */
    g_assert_false(mt_ring_tree_meets_square(tree, 257, 0, 16));
    g_assert_true(mt_ring_tree_meets_square(tree, 100, 100, 16));
    g_assert_true(mt_ring_tree_meets_square(tree, -10, -10, 400));
    g_assert_cmpfloat(mt_ring_tree_area_in_square(tree, 100, 100, 16), ==, 256);
    g_assert_cmpfloat(mt_ring_tree_area_in_square(tree, 250, 250, 16), ==, 36);
    g_assert_cmpfloat(mt_ring_tree_area_in_square(tree, -10, -10, 400), ==, 65536);
    g_assert_cmpfloat(mt_ring_tree_area_in_square(tree, 300, 0, 16), ==, 0);
    g_autoptr(mt_grid) touching = lay(c, mask, (mt_grid_params){.tile_px = 64, .mpp = 0.5, .compat = MT_COMPAT_TRIDENT});
    g_assert_cmpint(mt_grid_count(touching), ==, 16);
    g_autoptr(mt_grid) half = lay(c, mask, (mt_grid_params){.tile_px = 100, .mpp = 0.5, .min_share = 0.5, .compat = MT_COMPAT_TRIDENT});
    static const int64_t expected[][2] = {{0, 0}, {100, 0}, {200, 0}, {0, 100}, {100, 100}, {200, 100}, {0, 200}, {100, 200}};
    expect_tiles(half, expected, G_N_ELEMENTS(expected)); /* the last tile holds 56 x 56 of 100 x 100 */
    mt_tiling_sample_clear(&sample);
}

/* No contour, no tile (the golden suite holds those with contours to cv2). */
static void test_clam_grid(void)
{
    mt_tiling_sample sample = one_piece(45);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_mask) mask = mt_mask_new(c, "clam:biopsy", &error);

    g_assert_no_error(error); /* one patch of 512 x 512 is more than the picture: nothing is kept */
    g_autoptr(mt_grid) none = lay(c, mask, (mt_grid_params){.tile_px = 64, .compat = MT_COMPAT_CLAM, .patch_level = 0});
    g_assert_cmpint(mt_grid_count(none), ==, 0);
    g_assert_true(mt_grid_get_tool(none)->patch_size_level0 == 64 && mt_grid_get_tool(none)->true_mpp[0] == 0.5);
    mt_tiling_sample_clear(&sample);
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

static void test_grid_refusals(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(100, 60), deep = mt_tiling_sample_u16(20, 20);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5), bare = mt_tiling_sample_open(&sample, 0),
                       coarse = mt_tiling_sample_open(&sample, 2.4), grey = mt_tiling_sample_open(&deep, 0.5);
    g_autofree char *unknown = g_strdup_printf("lay a grid at 0.5 µm/px over PATH: the case's own µm/px is unknown (%s): give it with "
                                               "--slide-mpp or in the manifest's mpp column",
                                               mt_case_mpp_source(bare));
    mt_grid_params   trident = {.tile_px = 32, .mpp = 0.5, .compat = MT_COMPAT_TRIDENT}, clam = {.tile_px = 32, .compat = MT_COMPAT_CLAM};

    expect_refusal(bare, trident, MT_ERROR_SPACING, unknown);
    expect_refusal(coarse, trident, MT_ERROR_SPACING,
                   "lay a grid over PATH: --compat trident knows no magnification for 2.4 µm/px: it must be below 2.4");
    expect_refusal(grey, trident, MT_ERROR_USAGE,
                   "lay a grid over PATH: --compat trident is for slides and pictures of 8-bit colour: leave it out");
    trident.mpp = 0.4;
    expect_refusal(c, trident, MT_ERROR_USAGE,
                   "lay a grid over PATH: --compat trident reads at magnifications, and 0.4 µm/px is none: give --mpp 0.125 (80x), 0.1667 "
                   "(60x), 0.25 (40x), 0.5 (20x), 1 (10x), 2 (5x), 4 (2.5x), 8 (1.25x)");
    trident.mpp = 0.5;
    trident.overlap = 0.3;
    expect_refusal(c, trident, MT_ERROR_USAGE,
                   "lay a grid over PATH: overlap 0.3 of 32 px is 9.6 px, and --compat trident counts whole pixels: give 0.28125 (9 px)");
    trident = (mt_grid_params){.tile_px = 32, .mpp = 0.125, .overlap = 31 / 32.0, .compat = MT_COMPAT_TRIDENT};
    expect_refusal(
        c, trident, MT_ERROR_RANGE,
        "lay a grid over PATH: tiles of 32 px at 0.125 µm/px with overlap 0.96875 advance by less than one pixel of level 0: take "
        "larger tiles or less overlap");
    expect_refusal(c, clam, MT_ERROR_USAGE,
                   "lay a grid: --compat clam needs CLAM's contours: leave --mask out, or give --mask clam:PRESET");
    clam.patch_level = 1;
    expect_refusal(c, clam, MT_ERROR_RANGE, "lay a grid over PATH: patch level 1 is wanted and it has 1 levels (0 to 0)");
    mt_tiling_sample_clear(&sample);
    mt_tiling_sample_clear(&deep);
}

static void test_settings(void)
{
    static const struct {
        mt_compat   compat;
        int         patch_level;
        const char *mask;
        double      min_share;
        const char *message;
    } cases[] = {
        {MT_COMPAT_NONE, 0, NULL, -1, "prepare the grid: a patch level is CLAM's: give --compat clam too, or leave --patch-level out"},
        {MT_COMPAT_CLAM, -1, "otsu", -1,
         "prepare the grid: --compat clam needs CLAM's contours: leave --mask out, or give --mask clam:PRESET"},
        {MT_COMPAT_CLAM, -1, NULL, 0.5,
         "prepare the grid: --compat clam keeps tiles by CLAM's four points, not by their share of mask: leave --min-share out"},
        {MT_COMPAT_CLAM, 1, "clam:tcga", -1, NULL},
        {MT_COMPAT_TRIDENT, -1, "otsu", 0.5, NULL}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(mt_recipe) recipe = mt_recipe_new();
        g_autoptr(GError) error = NULL;
        recipe->compat = cases[i].compat;
        recipe->patch_level = cases[i].patch_level;
        recipe->mask_method = g_strdup(cases[i].mask);
        recipe->min_share = cases[i].min_share;
        g_assert_true(mt_compat_check(recipe, &error) == (cases[i].message == NULL));
        g_assert_cmpstr(error != NULL ? error->message : NULL, ==, cases[i].message);
    }
}

/* Tiles that are not what was asked for are refused with both numbers, or degraded. */
static void test_contract(void)
{
    static const char remedy[] = "leave --compat out, or give --off-contract to read it all the same (the result is then degraded)";
    static const struct {
        mt_compat   compat;
        double      own, wanted;
        const char *message;
    } cases[] = {{MT_COMPAT_TRIDENT, 0.499, 0.5, NULL},
                 {MT_COMPAT_TRIDENT, 0.2638, 0.5,
                  "it has 0.2638 x 0.2638 µm/px, which --compat trident takes for 40x: tiles at 20x have 0.5276 x 0.5276 µm/px and 0.5 is "
                  "wanted: %s"},
                 {MT_COMPAT_TRIDENT, 0.499, 0.25,
                  "it has 0.499 x 0.499 µm/px, which --compat trident takes for 20x: tiles at 40x have 0.2495 x 0.2495 µm/px and 0.25 is "
                  "wanted: %s"},
                 {MT_COMPAT_CLAM, 0.499, 0.5, NULL},
                 {MT_COMPAT_CLAM, 0.25, 0.5, "level 0, which --compat clam reads, has 0.25 x 0.25 µm/px and 0.5 is wanted: %s"},
                 {MT_COMPAT_CLAM, 0.25, 0, NULL}};
    mt_tiling_sample sample = mt_tiling_sample_rgb(100, 60);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, cases[i].own);
        g_autoptr(GError) error = NULL;
        mt_contract contract = {.tile_px = 32, .mpp = cases[i].wanted, .compat = cases[i].compat, .patch_level = -1};
        bool        degraded = false, on_pixels;
        g_assert_true(mt_compat_check_case(&contract, c, &degraded, &on_pixels, &error) == (cases[i].message == NULL));
        if (cases[i].message == NULL)
            continue;
        g_auto(GStrv) parts = g_strsplit(cases[i].message, "%s", 2);
        g_autofree char *expected = g_strdup_printf("lay the grid over %s: %s%s", mt_case_path(c), parts[0], remedy);
        g_assert_error(error, MT_ERROR, MT_ERROR_SPACING);
        g_assert_cmpstr(error->message, ==, expected);
        degraded = false;
        contract.off_allowed = true;
        g_assert_true(mt_compat_check_case(&contract, c, &degraded, &on_pixels, NULL) && degraded);
    }
    g_autoptr(mt_case) bare = mt_tiling_sample_open(&sample, 0);
    g_autoptr(GError) error = NULL;
    mt_contract      contract = {.tile_px = 32, .card_mpp = 0.5, .compat = MT_COMPAT_CLAM, .patch_level = 0};
    bool             degraded = false, on_pixels;
    g_autofree char *expected = g_strdup_printf("lay the grid over %s: its µm/px is unknown (%s) and 0.5 is wanted: give --slide-mpp or a "
                                                "manifest column mpp",
                                                mt_case_path(bare), mt_case_mpp_source(bare));
    g_assert_false(mt_compat_check_case(&contract, bare, &degraded, &on_pixels, &error));
    g_assert_cmpstr(error->message, ==, expected);
    mt_tiling_sample_clear(&sample);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!mt_tiling_sample_start(argv[0]))
        return 1;
    g_test_add_func("/compat/trident/grid", test_trident_grid);
    g_test_add_func("/compat/trident/numbers", test_trident_numbers);
    g_test_add_func("/compat/trident/keeps", test_trident_keeps);
    g_test_add_func("/compat/clam/grid", test_clam_grid);
    g_test_add_func("/compat/grid_refusals", test_grid_refusals);
    g_test_add_func("/compat/settings", test_settings);
    g_test_add_func("/compat/contract", test_contract);
    return g_test_run();
}
