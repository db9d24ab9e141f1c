/* Stain normalisation against numpy and scikit-image (make_stain_data.py wrote stain_expected.h), against the published results of
 * Veta's Macenko and of histolab, and its refusals. */
#include "tiling/density_map.h"
#include "tiling/percentile.h"
#include "tiling/principal_axes.h"
#include "tiling/stain_sample.h"
#include "tiling/stain_target.h"

#include "tests/unit/stain_expected.h"
#include "tests/unit/tiling_samples.h"

#include "src/base/alloc.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define EDGE 96

/* The picture of make_stain_data.py: two stains by formula. */
static uint8_t *made_picture(int64_t n)
{
    uint8_t *rgb = g_malloc((gsize)(3 * n));
    uint32_t state = 7;

    for (int64_t i = 0; i < n; i++) {
        int pixel[3];
        for (int c = 0; c < 3; c++) {
            state = state * 1664525u + 1013904223u;
            pixel[c] = (int)(state >> 24);
        }
        int h = pixel[0], e = pixel[1], noise = pixel[2] / 32;
        rgb[3 * i] = (uint8_t)(235 - h * 120 / 255 - e * 30 / 255 + noise % 3);
        rgb[3 * i + 1] = (uint8_t)(230 - h * 130 / 255 - e * 90 / 255 - noise % 4);
        rgb[3 * i + 2] = (uint8_t)(238 - h * 70 / 255 - e * 60 / 255 - noise % 5);
    }
    return rgb;
}

static void expect_near(const double *values, const double *wanted, int n, double bound)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(values[i] - wanted[i]) <= bound))
            g_error("value %d is %.10g, wanted %.10g", i, values[i], wanted[i]);
}

static int farthest(const uint8_t *a, const uint8_t *b, int64_t n)
{
    int most = 0;

    for (int64_t i = 0; i < n; i++)
        most = MAX(most, abs(a[i] - b[i]));
    return most;
}

static mt_stain_fit fit(mt_stain_method method, const uint8_t *rgb, int64_t n)
{
    g_autoptr(GError) error = NULL;
    mt_stain_fit f;

    mt_stain_fit_pixels(method, rgb, n, &f, &error);
    g_assert_no_error(error);
    return f;
}

static mt_stain *to_default(const mt_stain_fit *from)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_stain_target) target = mt_stain_target_new(from->method, NULL, &error);
    mt_stain *stain = mt_stain_new(from, &target->fit, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(target->name, ==, "default");
    g_assert_null(target->sha256);
    return stain;
}

static void apply(const mt_stain *stain, uint8_t *rgb, int64_t width, int64_t height)
{
    mt_tile_pixels pixels = {MT_U8, 3, width, height, rgb};

    mt_stain_apply(stain, &pixels);
}

/* The first 8 x 8 pixels of the made picture. */
static void expect_corner(const uint8_t *rgb, const uint8_t *wanted)
{
    for (int y = 0; y < 8; y++)
        g_assert_cmpint(farthest(rgb + 3 * EDGE * y, wanted + 24 * y, 24), <=, 1);
}

static void test_percentile(void)
{
    double values[] = {5, 1, 4, 4, 2, 9, 7}, one = 3;

    g_assert_cmpfloat(mt_percentile(values, 7, 0), ==, 1);
    g_assert_cmpfloat(mt_percentile(values, 7, 50), ==, 4);
    g_assert_cmpfloat(mt_percentile(values, 7, 100), ==, 9);
    g_assert_cmpfloat(fabs(mt_percentile(values, 7, 99) - 8.88), <, 1e-12);
    g_assert_cmpfloat(fabs(mt_percentile(values, 7, 1) - 1.06), <, 1e-12);
    g_assert_cmpfloat(mt_percentile(&one, 1, 99), ==, 3);
}

static void test_principal_axes(void)
{
    double symmetric[3][3] = {{4, 1, -2}, {1, 3, 0.5}, {-2, 0.5, 5}}, diagonal[3][3] = {{1, 0, 0}, {0, 3, 0}, {0, 0, 2}}, axes[3][3];
    double last = INFINITY;

    mt_principal_axes(symmetric, axes);
    for (int i = 0; i < 3; i++) { /* M v = l v with l falling */
        double image[3], value = 0;
        for (int j = 0; j < 3; j++) {
            image[j] = symmetric[j][0] * axes[i][0] + symmetric[j][1] * axes[i][1] + symmetric[j][2] * axes[i][2];
            value += image[j] * axes[i][j];
        }
        for (int j = 0; j < 3; j++)
            g_assert_cmpfloat(fabs(image[j] - value * axes[i][j]), <, 1e-12);
        g_assert_cmpfloat(value, <, last);
        last = value;
    }
    mt_principal_axes(diagonal, axes);
    g_assert_cmpfloat(fabs(axes[0][1]) + fabs(axes[1][2]) + fabs(axes[2][0]), ==, 3);
}

static void test_made_macenko(void)
{
    g_autofree uint8_t *rgb = made_picture(EDGE * EDGE);
    mt_stain_fit        f = fit(MT_STAIN_MACENKO, rgb, EDGE * EDGE);
    g_autoptr(mt_stain) stain = to_default(&f);

    expect_near(&f.macenko.matrix[0][0], MADE_MATRIX, 6, 1e-9);
    expect_near(f.macenko.max_concentration, MADE_CONCENTRATION, 2, 1e-9);
    apply(stain, rgb, EDGE, EDGE);
    expect_corner(rgb, MADE_MACENKO);
    apply(NULL, rgb, EDGE, EDGE);
    expect_corner(rgb, MADE_MACENKO);
}

static void test_made_reinhard(void)
{
    g_autofree uint8_t *rgb = made_picture(EDGE * EDGE), *cube = g_malloc(648);
    mt_stain_fit        f = fit(MT_STAIN_REINHARD, rgb, EDGE * EDGE);
    g_autoptr(mt_stain) stain = to_default(&f);

    expect_near(f.reinhard.mean, MADE_LAB_MEAN, 3, 1e-9);
    expect_near(f.reinhard.std, MADE_LAB_STD, 3, 1e-9);
    apply(stain, rgb, EDGE, EDGE);
    expect_corner(rgb, MADE_REINHARD);
    for (int i = 0; i < 216; i++) { /* the whole of sRGB, most of it no tissue */
        cube[3 * i] = (uint8_t)(i / 36 * 51);
        cube[3 * i + 1] = (uint8_t)(i / 6 % 6 * 51);
        cube[3 * i + 2] = (uint8_t)(i % 6 * 51);
    }
    apply(stain, cube, 216, 1);
    g_assert_cmpint(farthest(cube, CUBE_REINHARD, 648), <=, 1);
}

/* To one's own colours: Reinhard changes nothing; Macenko drops what is neither stain, and does so once. */
static void test_identity(void)
{
    for (int method = 0; mt_stain_methods[method] != NULL; method++) {
        g_autoptr(GError) error = NULL;
        g_autofree uint8_t *rgb = made_picture(EDGE * EDGE), *before = made_picture(EDGE * EDGE);
        mt_stain_fit        f = fit((mt_stain_method)method, rgb, EDGE * EDGE);
        g_autoptr(mt_stain) stain = mt_stain_new(&f, &f, &error);
        if (method == MT_STAIN_MACENKO)
            apply(stain, before, 61, 151);
        memcpy(rgb, before, 3 * 61 * 151);
        apply(stain, rgb, 61, 151); /* whole blocks and a rest */
        /* a level lost by rounding in a dark channel is a share of the light in the others */
        g_assert_cmpint(farthest(rgb, before, 3 * 61 * 151), <=, method == MT_STAIN_MACENKO ? 6 : 0);
        g_assert_cmpint(memcmp(rgb + 3 * 61 * 151, before + 3 * 61 * 151, 3 * (EDGE * EDGE - 61 * 151)), ==, 0);
    }
}

static void test_words(void)
{
    mt_stain_method method = MT_STAIN_MACENKO;

    g_assert_true(mt_stain_parse("reinhard", &method) && method == MT_STAIN_REINHARD);
    g_assert_false(mt_stain_parse("none", &method) || mt_stain_parse("", &method) || mt_stain_parse("Macenko", &method));
}

static void expect_refusal(mt_stain_method method, const uint8_t *rgb, int64_t n, const char *message)
{
    g_autoptr(GError) error = NULL;
    mt_stain_fit f;

    g_assert_false(mt_stain_fit_pixels(method, rgb, n, &f, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, message);
}

/* n pixels of one hue, from `light` down to `light` - `range` of the channel that is darkest. */
static uint8_t *one_hue(int n, double r, double g, double b)
{
    uint8_t *rgb = g_malloc(3 * (gsize)n);

    for (int i = 0; i < n; i++) {
        double amount = 0.3 + (double)(i % 100) / 100;
        rgb[3 * i] = (uint8_t)(240 * exp(-r * amount));
        rgb[3 * i + 1] = (uint8_t)(240 * exp(-g * amount));
        rgb[3 * i + 2] = (uint8_t)(240 * exp(-b * amount));
    }
    return rgb;
}

static void test_refusals(void)
{
    g_autofree uint8_t *rgb = made_picture(4000), *white = g_malloc(12000), *hue = one_hue(4000, 0.8, 1.0, 0.7);
    double              od[3][3] = {{90, 9, 2}, {0}, {0}}, bad[3][3] = {{1, 0, 0}, {0, NAN, 0}, {0, 0, 1}};
    mt_density_map     *map = mt_alloc(1, sizeof *map, NULL);
    g_autoptr(GError) error = NULL;

    memset(white, 245, 12000);
    expect_refusal(MT_STAIN_MACENKO, white, 4000, "too little tissue: 0 of 4000 pixels are stained, at least 1000 are wanted");
    expect_refusal(MT_STAIN_MACENKO, rgb, 0, "too little tissue: 0 of 0 pixels are stained, at least 1000 are wanted");
    expect_refusal(MT_STAIN_REINHARD, rgb, 999, "too little tissue: 999 pixels, at least 1000 are wanted");
    expect_refusal(MT_STAIN_REINHARD, white, 4000, "its pixels are of one colour (standard deviation of L 0.000)");
    expect_refusal(MT_STAIN_MACENKO, hue, 4000, "its pixels show one stain, not two");
    memset(white, 100, 12000);
    expect_refusal(MT_STAIN_MACENKO, white, 4000, "its pixels show one stain, not two");
    memset(white, 5, 9000);
    expect_refusal(MT_STAIN_REINHARD, white, 4000,
                   "75 % of its pixels are black in a channel: it is no stained slide in transmitted light");
    g_assert_false(mt_density_map_init(map, od, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, "its stains are too faint or too alike to be told apart");
    g_clear_error(&error);
    g_assert_false(mt_density_map_init(map, bad, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    mt_free(map);
}

static void test_ink(void)
{
    g_autofree uint8_t *rgb = one_hue(4000, 2.0, 0.6, 0.6), *other = one_hue(4000, 0.6, 0.6, 2.4);

    for (int i = 0; i < 4000; i++) /* a red and a blue ink, and what lies between: extremes past both */
        if (i % 2 == 0)
            memcpy(rgb + 3 * i, other + 3 * i, 3);
    g_autoptr(GError) error = NULL;
    mt_stain_fit f;
    bool         ok = mt_stain_fit_pixels(MT_STAIN_MACENKO, rgb, 4000, &f, &error);
    g_assert_true(ok || g_error_matches(error, MT_ERROR, MT_ERROR_INPUT));
    if (ok) /* whatever it finds is finite */
        for (int i = 0; i < 6; i++)
            g_assert_true(isfinite((&f.macenko.matrix[0][0])[i]));
}

static void test_memory(void)
{
    g_autofree uint8_t *rgb = made_picture(4000);

    for (int k = 1; k <= 2; k++) {
        g_autoptr(GError) error = NULL;
        mt_stain_fit f;
        mt_alloc_fail_at(k);
        g_assert_false(mt_stain_fit_pixels(MT_STAIN_MACENKO, rgb, 4000, &f, &error));
        mt_alloc_fail_at(0);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
}

static void test_sample_index(void)
{
    int64_t last = -1;

    for (int64_t k = 0; k < 1000; k++) {
        g_assert_cmpint(mt_stain_sample_index(k, 1000, 1000), ==, k);
        int64_t index = mt_stain_sample_index(k, 1000, 54321);
        g_assert_true(index > last && index < 54321);
        last = index;
    }
}

typedef struct laid {
    mt_tiling_sample sample;
    mt_case         *c;
    mt_mask         *mask;
    mt_grid         *grid;
} laid;

static laid lay(mt_tiling_sample sample, const char *mask, int tile_px)
{
    laid l = {.sample = sample};
    g_autoptr(GError) error = NULL;
    mt_grid_params params = {.tile_px = tile_px, .min_share = 0.1};

    l.c = mt_tiling_sample_open(&l.sample, 0);
    l.mask = mt_mask_new(l.c, mask, &error);
    l.grid = mt_grid_new(l.c, l.mask, &params, &error);
    g_assert_no_error(error);
    return l;
}

static void clear(laid *l)
{
    mt_grid_free(l->grid);
    mt_mask_free(l->mask);
    mt_case_free(l->c);
    mt_tiling_sample_clear(&l->sample);
}

/* Tissue on the left half, glass on the right. */
static mt_tiling_sample half_glass(int width, int height)
{
    uint8_t *rgb = made_picture((int64_t)width * height);

    for (int y = 0; y < height; y++)
        memset(rgb + 3 * (y * width + width / 2), 250, 3 * (size_t)(width - width / 2));
    return mt_tiling_sample_new(width, height, 3, false, rgb);
}

static void test_sample(void)
{
    laid                l = lay(half_glass(512, 256), "otsu", 64);
    mt_stain_fit        one, many, direct;
    g_autofree uint8_t *tissue = g_malloc(3 * 256 * 256);
    g_autoptr(GError) error = NULL;
    int threads = omp_get_max_threads();

    for (int y = 0; y < 256; y++)
        memcpy(tissue + 3 * 256 * y, l.sample.pixels + 3 * 512 * y, 3 * 256);
    for (int method = 0; mt_stain_methods[method] != NULL; method++) {
        omp_set_num_threads(1);
        g_assert_true(mt_stain_sample(l.c, l.grid, l.mask, MT_FILTER_BILINEAR, (mt_stain_method)method, &one, &error));
        omp_set_num_threads(3);
        g_assert_true(mt_stain_sample(l.c, l.grid, l.mask, MT_FILTER_BILINEAR, (mt_stain_method)method, &many, &error));
        g_assert_cmpint(memcmp(&one, &many, sizeof one), ==, 0);
        direct = fit((mt_stain_method)method, tissue, 256 * 256);
        /* the mask's rim may leave out, or take in, a column of pixels */
        expect_near(&one.macenko.matrix[0][0], &direct.macenko.matrix[0][0], 6, 2e-3);
        expect_near(one.reinhard.mean, direct.reinhard.mean, 3, 0.5);
        expect_near(one.reinhard.std, direct.reinhard.std, 3, 0.5);
    }
    omp_set_num_threads(threads);
    clear(&l);
}

static void test_sample_refusals(void)
{
    laid         glass = lay(mt_tiling_sample_new(128, 128, 3, false, memset(g_malloc(3 * 128 * 128), 244, 3 * 128 * 128)), "none", 64);
    laid         deep = lay(mt_tiling_sample_u16(64, 64), "none", 64);
    mt_stain_fit f;
    g_autoptr(GError) error = NULL;
    g_autofree char *few = g_strdup_printf("fit macenko stains of %s: too little tissue: 0 of 16384 pixels are stained, at least 1000 are "
                                           "wanted: check its mask, or run it without stain normalisation",
                                           glass.sample.path);
    g_autofree char *gray = g_strdup_printf("normalise stains of %s: it needs 8-bit RGB, and the case has 1 channel(s) of uint16: run it "
                                            "without stain normalisation",
                                            deep.sample.path);

    g_assert_false(mt_stain_sample(glass.c, glass.grid, glass.mask, MT_FILTER_BILINEAR, MT_STAIN_MACENKO, &f, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, few);
    g_clear_error(&error);
    g_assert_false(mt_stain_sample(deep.c, deep.grid, deep.mask, MT_FILTER_BILINEAR, MT_STAIN_REINHARD, &f, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, gray);
    for (int k = 1; k <= 3; k++) {
        g_clear_error(&error);
        mt_alloc_fail_at(k);
        g_assert_false(mt_stain_sample(glass.c, glass.grid, glass.mask, MT_FILTER_BILINEAR, MT_STAIN_MACENKO, &f, &error));
        mt_alloc_fail_at(0);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
    clear(&glass);
    clear(&deep);
}

static void test_target_refusals(void)
{
    mt_tiling_sample white = mt_tiling_sample_new(40, 40, 3, false, memset(g_malloc(4800), 250, 4800));
    g_autoptr(GError) error = NULL;
    g_autofree char *message = g_strdup_printf("fit macenko target %s: too little tissue: 0 of 1600 pixels are stained, at least 1000 are "
                                               "wanted",
                                               white.path);

    g_assert_null(mt_stain_target_new(MT_STAIN_MACENKO, white.path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, message);
    g_clear_error(&error);
    g_assert_null(mt_stain_target_new(MT_STAIN_REINHARD, "nowhere.png", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_true(g_str_has_prefix(error->message, "fit reinhard target nowhere.png: "));
    mt_tiling_sample_clear(&white);
}

/* Pixels of a picture of the test data; NULL and a skip without it. */
static uint8_t *read_picture(const char *name, int64_t *width, int64_t *height)
{
    const char *data = g_getenv("MICROTOME_TEST_DATA");
    g_autoptr(GError) error = NULL;

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return NULL;
    }
    g_autofree char *path = g_build_filename(data, "tiles", "stain", name, NULL);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    *width = mt_case_level(c, 0)->width;
    *height = mt_case_level(c, 0)->height;
    uint8_t *rgb = g_malloc((gsize)(*width * *height * 3));
    mt_case_read(c, 0, 0, 0, 0, *width, *height, rgb, &error);
    g_assert_no_error(error);
    return rgb;
}

static void test_veta(void)
{
    int64_t             width, height;
    g_autofree uint8_t *rgb = read_picture("macenko-veta/source.png", &width, &height);

    if (rgb == NULL)
        return;
    g_autofree uint8_t *wanted = read_picture("macenko-veta/expected-normalised.png", &width, &height);
    mt_stain_fit        f = fit(MT_STAIN_MACENKO, rgb, width * height);
    g_autoptr(mt_stain) stain = to_default(&f);
    expect_near(&f.macenko.matrix[0][0], VETA_MATRIX, 6, 1e-9);
    expect_near(f.macenko.max_concentration, VETA_CONCENTRATION, 2, 1e-9);
    apply(stain, rgb, width, height);
    g_assert_cmpint(farthest(rgb, wanted, width * height * 3), <=, 1);
}

/* histolab keeps a third, orthogonal stain: another linear map of the densities. */
static void test_histolab_macenko(void)
{
    int64_t             width, height;
    g_autofree uint8_t *rgb = read_picture("histolab/source.png", &width, &height);
    double              od[3][3];

    if (rgb == NULL)
        return;
    g_autofree uint8_t *wanted = read_picture("histolab/expected-macenko.png", &width, &height),
                       *target = read_picture("histolab/target.png", &width, &height);
    mt_stain_fit    f = fit(MT_STAIN_MACENKO, target, width * height);
    mt_density_map *map = mt_alloc(1, sizeof *map, NULL);
    memcpy(od, HISTOLAB_OD, sizeof od);
    g_assert_true(mt_density_map_init(map, od, NULL));
    mt_density_map_apply(map, rgb, width * height);
    g_assert_cmpint(farthest(rgb, wanted, width * height * 3), <=, 1);
    mt_free(map);
    /* its own tissue mask leaves out a few pixels of this picture */
    expect_near(&f.macenko.matrix[0][0], HISTOLAB_TARGET_MATRIX, 6, 1e-4);
    expect_near(f.macenko.max_concentration, HISTOLAB_TARGET_CONCENTRATION, 2, 1e-4);
}

/* histolab changes tissue alone: a pixel is either ours or as it was. */
static void test_histolab_reinhard(void)
{
    int64_t             width, height, changed = 0;
    g_autofree uint8_t *rgb = read_picture("histolab/source.png", &width, &height);
    mt_stain_fit        from = {.method = MT_STAIN_REINHARD}, to = {.method = MT_STAIN_REINHARD};

    if (rgb == NULL)
        return;
    g_autofree uint8_t *wanted = read_picture("histolab/expected-reinhard.png", &width, &height),
                       *before = read_picture("histolab/source.png", &width, &height);
    memcpy(from.reinhard.mean, HISTOLAB_SOURCE_LAB_MEAN, sizeof from.reinhard.mean);
    memcpy(from.reinhard.std, HISTOLAB_SOURCE_LAB_STD, sizeof from.reinhard.std);
    memcpy(to.reinhard.mean, HISTOLAB_TARGET_LAB_MEAN, sizeof to.reinhard.mean);
    memcpy(to.reinhard.std, HISTOLAB_TARGET_LAB_STD, sizeof to.reinhard.std);
    g_autoptr(mt_stain) stain = mt_stain_new(&from, &to, NULL);
    apply(stain, rgb, width, height);
    for (int64_t i = 0; i < width * height; i++) {
        bool same = farthest(rgb + 3 * i, wanted + 3 * i, 3) <= 1;
        g_assert_true(same || farthest(before + 3 * i, wanted + 3 * i, 3) <= 1);
        changed += same;
    }
    g_assert_cmpint(changed, >, width * height / 2);
}

static void test_target_picture(void)
{
    const char *data = g_getenv("MICROTOME_TEST_DATA");
    g_autoptr(GError) error = NULL;

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(data, "tiles", "stain", "torchstain", "target.png", NULL);
    g_autoptr(mt_stain_target) macenko = mt_stain_target_new(MT_STAIN_MACENKO, path, &error);
    g_assert_no_error(error);
    g_autoptr(mt_stain_target) reinhard = mt_stain_target_new(MT_STAIN_REINHARD, path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(macenko->name, ==, "target.png");
    g_assert_cmpstr(macenko->sha256, ==, "7ffbb38effdff20d950acc2d059a378190a88d3b5a5a2564e28200654cb21837");
    expect_near(&macenko->fit.macenko.matrix[0][0], TORCHSTAIN_TARGET_MATRIX, 6, 1e-9);
    expect_near(macenko->fit.macenko.max_concentration, TORCHSTAIN_TARGET_CONCENTRATION, 2, 1e-9);
    expect_near(reinhard->fit.reinhard.mean, TORCHSTAIN_TARGET_LAB_MEAN, 3, 1e-9);
    expect_near(reinhard->fit.reinhard.std, TORCHSTAIN_TARGET_LAB_STD, 3, 1e-9);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!mt_tiling_sample_start(argv[0]))
        return 1;
    g_test_add_func("/stain/percentile", test_percentile);
    g_test_add_func("/stain/principal_axes", test_principal_axes);
    g_test_add_func("/stain/words", test_words);
    g_test_add_func("/stain/made/macenko", test_made_macenko);
    g_test_add_func("/stain/made/reinhard", test_made_reinhard);
    g_test_add_func("/stain/identity", test_identity);
    g_test_add_func("/stain/refusals", test_refusals);
    g_test_add_func("/stain/ink", test_ink);
    g_test_add_func("/stain/memory", test_memory);
    g_test_add_func("/stain/sample/index", test_sample_index);
    g_test_add_func("/stain/sample/case", test_sample);
    g_test_add_func("/stain/sample/refusals", test_sample_refusals);
    g_test_add_func("/stain/target/refusals", test_target_refusals);
    g_test_add_func("/stain/target/picture", test_target_picture);
    g_test_add_func("/stain/veta", test_veta);
    g_test_add_func("/stain/histolab/macenko", test_histolab_macenko);
    g_test_add_func("/stain/histolab/reinhard", test_histolab_reinhard);
    return g_test_run();
}
