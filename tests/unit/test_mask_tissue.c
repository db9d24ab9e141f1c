/* Tissue on slides.  tests/golden/tissue_reference.py made otsu.csv with OpenCV; medians are held to counting; slides of known
 * truth (glass only, glass and padding, pale tissue) to what is painted on them. */
#include <microtome/mask.h>

#include <glib/gstdio.h>
#include <string.h>
#include <vips/vips.h>

#include "src/base/alloc.h"
#include "src/base/csv.h"
#include "src/base/hash.h"
#include "tiling/mask_private.h"
#include "tiling/median.h"

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void test_median(void)
{
    static const int sizes[][2] = {{1, 1}, {3, 2}, {7, 7}, {64, 9}, {65, 8}, {127, 5}, {128, 30}, {200, 1}, {1, 90}, {150, 41}};
    uint32_t         state = 5;

    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++)
        for (int range = 2; range <= 256; range *= 8) {
            int64_t             width = sizes[s][0], height = sizes[s][1], n = width * height;
            g_autofree uint8_t *src = g_malloc(n), *expected = g_malloc(n), *got = g_malloc(n);
            g_autoptr(GError) error = NULL;
            for (int64_t i = 0; i < n; i++)
                src[i] = (uint8_t)(next_random(&state) % (uint32_t)range);
            mt_median7_reference(src, width, height, expected);
            g_assert_true(mt_median7(src, width, height, got, &error));
            g_assert_cmpmem(got, n, expected, n);
            for (int t = 0; t < range; t += range / 2) { /* counting above a threshold is the same median */
                g_assert_true(mt_median_above(src, width, height, 7, t, got, &error));
                for (int64_t i = 0; i < n; i++)
                    g_assert_cmpint(got[i], ==, expected[i] > t ? 255 : 0);
            }
        }
}

static const char *cell(const mt_csv *csv, guint row, const char *column)
{
    return mt_csv_cell(csv, row, mt_csv_column(csv, column));
}

static const char *data_dir(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL)
        g_test_skip("MICROTOME_TEST_DATA is not set");
    return dir;
}

static mt_mask *find_mask(const char *path, const char *method)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    mt_mask *mask = mt_mask_new(c, method, &error);

    g_assert_no_error(error);
    return mask;
}

static void test_as_opencv(void)
{
    g_autofree char *table = g_test_build_filename(G_TEST_DIST, "golden", "tissue", "otsu.csv", NULL);
    g_autoptr(mt_csv) csv = mt_csv_read(table, NULL);
    const char *data = data_dir();

    for (guint row = 0; data && row < csv->rows->len; row++) {
        g_autofree char *path = g_build_filename(data, cell(csv, row, "input"), NULL);
        g_autoptr(mt_mask) mask = find_mask(path, "otsu");
        int64_t width, height;
        mt_mask_size(mask, &width, &height);
        g_test_message("%s", path);
        g_assert_cmpint(width, ==, g_ascii_strtoll(cell(csv, row, "width"), NULL, 10));
        g_assert_cmpint(height, ==, g_ascii_strtoll(cell(csv, row, "height"), NULL, 10));
        g_autofree char *hash = mt_hash_bytes(mt_mask_pixels(mask), (size_t)(width * height));
        g_assert_cmpstr(hash, ==, cell(csv, row, "mask_sha256"));
    }
}

/* The truth of the composed slide is known at 1/16. */
static void test_composed(void)
{
    const char *data = data_dir();

    if (data == NULL)
        return;
    g_autofree char *slide = g_build_filename(data, "wsi/derived/composed-open.tif", NULL);
    g_autofree char *file = g_build_filename(data, "wsi/derived/composed-open_mask_div16.png", NULL);
    g_autoptr(mt_mask) mask = find_mask(slide, NULL);
    g_autoptr(mt_case) truth = mt_case_open(file, NULL, NULL);
    int64_t width, height, both = 0, any = 0;

    g_assert_cmpstr(mt_mask_method(mask), ==, "otsu");
    mt_mask_size(mask, &width, &height);
    g_assert_cmpint(width, ==, mt_case_level(truth, 0)->width);
    g_autofree uint8_t *expected = g_malloc((gsize)(width * height));
    g_assert_true(mt_case_read(truth, 0, 0, 0, 0, width, height, expected, NULL));
    for (int64_t i = 0; i < width * height; i++) {
        both += expected[i] && mt_mask_pixels(mask)[i];
        any += expected[i] || mt_mask_pixels(mask)[i];
    }
    g_test_message("IoU %.4f", (double)both / (double)any);
    g_assert_cmpfloat((double)both / (double)any, >=, 0.97);
}

/* A slide of flat rectangles with noise, as an image of 320 x 240. */
typedef struct patch {
    int     x, y, width, height;
    uint8_t rgb[3];
} patch;

#define PICTURE_W 320
#define PICTURE_H 240

static char *paint(const char *name, const patch *patches, size_t n, int noise)
{
    g_autofree uint8_t *rgb = g_malloc(PICTURE_W * PICTURE_H * 3);
    g_autofree char    *folder = g_dir_make_tmp("tissue-XXXXXX", NULL);
    char               *path = g_build_filename(folder, name, NULL);
    uint32_t            state = 9;

    for (int y = 0; y < PICTURE_H; y++)
        for (int x = 0; x < PICTURE_W; x++)
            for (size_t k = 0; k < n; k++)
                if (x >= patches[k].x && x < patches[k].x + patches[k].width && y >= patches[k].y && y < patches[k].y + patches[k].height)
                    for (int c = 0; c < 3; c++) {
                        int value = patches[k].rgb[c] + (int)(next_random(&state) % (uint32_t)(2 * noise + 1)) - noise;
                        rgb[(y * PICTURE_W + x) * 3 + c] = (uint8_t)CLAMP(value, 0, 255);
                    }
    VipsImage *image = vips_image_new_from_memory(rgb, PICTURE_W * PICTURE_H * 3, PICTURE_W, PICTURE_H, 3, VIPS_FORMAT_UCHAR);
    g_assert_cmpint(vips_pngsave(image, path, "compression", 1, NULL), ==, 0);
    g_object_unref(image);
    return path;
}

static double share_of(const patch *patches, size_t n, int noise, double x, double y, double width, double height)
{
    g_autofree char *path = paint("slide.png", patches, n, noise);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(mt_mask) mask = find_mask(path, "otsu");

    g_unlink(path);
    g_rmdir(folder);
    return mt_mask_share(mask, x, y, width, height);
}

#define ALL 0, 0, PICTURE_W, PICTURE_H

static void test_glass_alone(void)
{
    static const patch white = {ALL, {243, 241, 244}}, yellowish = {ALL, {242, 236, 225}};
    static const patch stripes[] = {{ALL, {240, 240, 240}}, {0, 0, 160, 240, {238, 236, 244}}};
    static const patch padded_black[] = {{ALL, {0, 0, 0}}, {0, 0, 160, 240, {243, 236, 238}}};
    static const patch padded_white[] = {{ALL, {255, 255, 255}}, {0, 0, 160, 240, {243, 234, 238}}};

    for (int noise = 0; noise <= 6; noise += 3) {
        g_assert_cmpfloat(share_of(&white, 1, noise, ALL), ==, 0);
        g_assert_cmpfloat(share_of(&yellowish, 1, noise, ALL), ==, 0);
        g_assert_cmpfloat(share_of(stripes, 2, noise, ALL), ==, 0);
        g_assert_cmpfloat(share_of(padded_black, 2, noise, ALL), ==, 0);
        g_assert_cmpfloat(share_of(padded_white, 2, noise, ALL), ==, 0);
    }
}

/* Little tissue (0.3 % of the plane) on noisy glass beside padding is found, and nothing else is. */
static void test_little_tissue(void)
{
    static const patch on_black[] = {{ALL, {0, 0, 0}}, {0, 0, 240, 240, {243, 236, 238}}, {40, 40, 16, 16, {205, 130, 180}}};
    static const patch on_white[] = {{ALL, {255, 255, 255}}, {0, 0, 240, 240, {243, 236, 238}}, {40, 40, 16, 16, {205, 130, 180}}};

    for (int noise = 0; noise <= 4; noise += 2) {
        g_assert_cmpfloat(share_of(on_black, 3, noise, 44, 44, 8, 8), ==, 1);
        g_assert_cmpfloat(share_of(on_white, 3, noise, 44, 44, 8, 8), ==, 1);
        g_assert_cmpfloat(share_of(on_black, 3, noise, 80, 0, 240, 240), ==, 0);
        g_assert_cmpfloat(share_of(on_white, 3, noise, 80, 0, 240, 240), ==, 0);
    }
}

static void test_pale_and_all_tissue(void)
{
    static const patch pale[] = {{ALL, {243, 241, 244}}, {80, 80, 120, 80, {236, 214, 230}}};
    static const patch all = {ALL, {205, 130, 180}};
    static const patch fluorescence[] = {{ALL, {0, 0, 3}}, {80, 80, 120, 80, {2, 1, 120}}};

    g_assert_cmpfloat(share_of(pale, 2, 2, 86, 86, 108, 68), ==, 1);
    g_assert_cmpfloat(share_of(pale, 2, 2, 0, 0, 70, 240), ==, 0);
    g_assert_cmpfloat(share_of(&all, 1, 1, ALL), ==, 1);
    g_assert_cmpfloat(share_of(fluorescence, 2, 2, 86, 86, 108, 68), ==, 1);
    g_assert_cmpfloat(share_of(fluorescence, 2, 2, 0, 0, 70, 240), ==, 0);
}

static void test_no_colour(void)
{
    g_autofree char *folder = g_dir_make_tmp("tissue-XXXXXX", NULL), *path = g_build_filename(folder, "gray.png", NULL);
    g_autofree char *expected =
        g_strdup_printf("find tissue by saturation of %s: it needs 8-bit RGB, and the case has 1 channel(s) of uint8: "
                        "choose the mask method body, field or none",
                        path);
    uint8_t    pixels[64] = {0};
    VipsImage *image = vips_image_new_from_memory(pixels, 64, 8, 8, 1, VIPS_FORMAT_UCHAR);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(vips_pngsave(image, path, "compression", 1, NULL), ==, 0);
    g_object_unref(image);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    g_assert_null(mt_mask_new(c, "otsu", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, expected);
    g_unlink(path);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (VIPS_INIT(argv[0]))
        return 1;
    g_test_add_func("/mask-tissue/median", test_median);
    g_test_add_func("/mask-tissue/as-opencv", test_as_opencv);
    g_test_add_func("/mask-tissue/composed", test_composed);
    g_test_add_func("/mask-tissue/glass-alone", test_glass_alone);
    g_test_add_func("/mask-tissue/little-tissue", test_little_tissue);
    g_test_add_func("/mask-tissue/pale-and-all-tissue", test_pale_and_all_tissue);
    g_test_add_func("/mask-tissue/no-colour", test_no_colour);
    return g_test_run();
}
