/* Masks in general: shares, areas, rings, the methods for other than slides, and the files they are written to. */
#include <microtome/mask.h>

#include <jansson.h>
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <string.h>

#include "src/base/alloc.h"
#include "tests/unit/tiling_samples.h"
#include "tiling/overview.h"
#include "tiling/rings.h"
#include "tiling/share.h"
#include <microtome/geojson.h>
#include <microtome/mask_png.h>

static mt_mask *find(mt_case *c, const char *method)
{
    g_autoptr(GError) error = NULL;
    mt_mask *mask = mt_mask_new(c, method, &error);

    g_assert_no_error(error);
    return mask;
}

/* Shares against a sum over pixels: additive, in [0, 1], exact at the ends. */
static void test_share(void)
{
    uint8_t  pixels[13 * 9];
    mt_share share;
    GRand   *random = g_rand_new_with_seed(1);

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = g_rand_boolean(random) ? 255 : 0;
    mt_share_init(&share, pixels, 13, 9);
    for (int k = 0; k < 2000; k++) {
        double x0 = g_rand_double_range(random, -3, 15), x1 = x0 + g_rand_double_range(random, 0.01, 8);
        double y0 = g_rand_double_range(random, -3, 11), y1 = y0 + g_rand_double_range(random, 0.01, 8);
        double sum = 0, middle = (x0 + x1) / 2;
        for (int y = 0; y < 9; y++)
            for (int x = 0; x < 13; x++)
                if (pixels[y * 13 + x])
                    sum += MAX(0, MIN(x1, x + 1) - MAX(x0, x)) * MAX(0, MIN(y1, y + 1) - MAX(y0, y));
        double got = mt_share_of(&share, x0, y0, x1, y1);
        g_assert_true(got >= 0 && got <= 1);
        g_assert_cmpfloat(fabs(got * (x1 - x0) * (y1 - y0) - sum), <, 1e-12 * (1 + sum));
        double halves = (mt_share_of(&share, x0, y0, middle, y1) + mt_share_of(&share, middle, y0, x1, y1)) / 2;
        g_assert_cmpfloat(fabs(halves - got), <, 1e-12);
    }
    memset(pixels, 255, sizeof pixels);
    mt_share_init(&share, pixels, 13, 9);
    for (int k = 0; k < 2000; k++) {
        double x0 = g_rand_double_range(random, 0, 12), x1 = g_rand_double_range(random, x0, 13), y0 = g_rand_double_range(random, 0, 8);
        g_assert_cmpfloat(mt_share_of(&share, x0, y0, x1, g_rand_double_range(random, y0, 9)), ==, 1);
    }
    g_assert_cmpfloat(mt_share_of(&share, 13, 0, 20, 5), ==, 0);
    g_assert_cmpfloat(mt_share_of(&share, 5, 5, 5, 8), ==, 0);
    g_assert_cmpfloat(mt_share_of(&share, NAN, 5, 5, 8), ==, 0);
    g_rand_free(random);
}

static void test_none(void)
{
    mt_tiling_sample sample = mt_tiling_sample_rgb(2100, 50);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5), bare = mt_tiling_sample_open(&sample, 0);
    g_autoptr(mt_mask) mask = find(c, NULL), unscaled = find(bare, "none");
    int64_t width, height;

    g_assert_cmpstr(mt_mask_method(mask), ==, "none");
    mt_mask_size(mask, &width, &height);
    g_assert_true(width == 1024 && height == 24);
    g_assert_cmpfloat(mt_mask_share(mask, 0, 0, 2100, 50), ==, 1);
    g_assert_cmpfloat(fabs(mt_mask_area_mm2(mask) - 2100 * 50 * 0.25 / 1e6), <, 1e-12);
    g_assert_cmpfloat(mt_mask_area_mm2(unscaled), ==, -1);
    g_assert_cmpint(mt_mask_n_rings(mask), ==, 1);
    g_assert_cmpint(mt_ring_area2(mt_mask_ring(mask, 0).points, mt_mask_ring(mask, 0).n), ==, 2 * 2100 * 50);
    mt_tiling_sample_clear(&sample);
}

/* An overview of any size keeps the plane's mean, and at the level's size its pixels. */
typedef struct overview_sum {
    pthread_mutex_t lock; /* rows come from every thread */
    double          sum;
    int64_t         n;
} overview_sum;

static void add_row(void *user, int64_t x, int64_t y, int64_t count, const void *samples)
{
    overview_sum *s = user;

    (void)x, (void)y;
    pthread_mutex_lock(&s->lock);
    for (int64_t i = 0; i < count; i++)
        s->sum += ((const float *)samples)[i];
    s->n += count;
    pthread_mutex_unlock(&s->lock);
}

static void test_overview_mean(void)
{
    mt_tiling_sample sample = mt_tiling_sample_u16(2500, 37);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    double mean = 0;

    for (int i = 0; i < 2500 * 37; i++)
        mean += ((const uint16_t *)sample.pixels)[i] / (2500.0 * 37);
    for (int64_t side = 1; side <= 2500; side = side * 3 + 1) {
        mt_overview  o = mt_overview_within(c, 0, side);
        overview_sum s = {.lock = PTHREAD_MUTEX_INITIALIZER};
        g_autoptr(GError) error = NULL;
        g_assert_true(mt_overview_read(c, 0, &o, add_row, NULL, &s, &error));
        g_assert_cmpint(s.n, ==, o.width * o.height);
        g_assert_cmpfloat(fabs(s.sum / (double)s.n - mean), <, 0.01);
    }
    mt_tiling_sample_clear(&sample);
}

/* A bright disc on black with dark vessels in it, and a lit speck outside. */
static void test_field(void)
{
    uint8_t *pixels = g_malloc0(300 * 240 * 3);

    for (int y = 0; y < 240; y++)
        for (int x = 0; x < 300; x++) {
            bool disc = hypot(x - 150, y - 120) < 110, vessel = abs(x - 130) < 3 && abs(y - 120) < 60, speck = x < 5 && y < 5;
            memset(pixels + 3 * (y * 300 + x), disc ? (vessel ? 4 : 90 + x / 3) : speck ? 200 : 3, 3);
        }
    mt_tiling_sample sample = mt_tiling_sample_new(300, 240, 3, false, pixels);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    g_autoptr(mt_mask) mask = find(c, "field");

    for (int y = 0; y < 240; y++)
        for (int x = 0; x < 300; x++)
            g_assert_cmpint(mt_mask_pixels(mask)[y * 300 + x], ==, hypot(x - 150, y - 120) < 110 ? 255 : 0);
    g_assert_cmpint(mt_mask_n_rings(mask), ==, 1);
    mt_tiling_sample_clear(&sample);
}

static void test_field_samples(void)
{
    static const char *const names[] = {"fundus/retina.jpg", "fundus/HRF_07_dr.jpg"};
    const char              *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL)
        g_test_skip("MICROTOME_TEST_DATA is not set");
    for (size_t i = 0; data && i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(data, names[i], NULL);
        g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
        g_autoptr(mt_mask) mask = find(c, "field");
        const mt_level *level = mt_case_level(c, 0);
        double          w = (double)level->width, h = (double)level->height;
        double          share = mt_mask_share(mask, 0, 0, w, h);
        g_test_message("%s: %.3f", names[i], share);
        g_assert_true(share > 0.6 && share < 0.95);
        g_assert_cmpfloat(mt_mask_share(mask, w * 0.3, h * 0.3, w * 0.4, h * 0.4), ==, 1);
        g_assert_cmpfloat(mt_mask_share(mask, 0, 0, w * 0.02, h * 0.02), ==, 0);
        g_assert_cmpint(mt_mask_n_rings(mask), ==, 1);
    }
}

/* A 16-bit plane: air, a body with a dark cavity, a separate table, and a few pixels of metal. */
static void test_body(void)
{
    uint16_t *pixels = g_new(uint16_t, 200 * 150);

    for (int y = 0; y < 150; y++)
        for (int x = 0; x < 200; x++) {
            bool body = hypot((x - 100) / 80.0, (y - 70) / 50.0) < 1, cavity = hypot(x - 80, y - 70) < 15,
                 metal = x == 120 && y < 72 && y > 68;
            pixels[y * 200 + x] = metal ? 65000 : body && !cavity ? (uint16_t)(1000 + x) : y > 140 ? 900 : (uint16_t)(20 + (x + y) % 7);
        }
    mt_tiling_sample sample = mt_tiling_sample_new(200, 150, 1, true, (uint8_t *)pixels);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    g_autoptr(mt_mask) mask = find(c, "body");

    for (int y = 0; y < 150; y++)
        for (int x = 0; x < 200; x++)
            g_assert_cmpint(mt_mask_pixels(mask)[y * 200 + x], ==, hypot((x - 100) / 80.0, (y - 70) / 50.0) < 1 ? 255 : 0);
    mt_tiling_sample_clear(&sample);
}

static void test_flat_body(void)
{
    mt_tiling_sample sample = mt_tiling_sample_new(20, 20, 1, true, g_malloc0(800));
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    g_autoptr(mt_mask) body = find(c, "body"), field = find(c, "field");

    g_assert_cmpfloat(mt_mask_share(body, 0, 0, 20, 20), ==, 0);
    g_assert_cmpfloat(mt_mask_share(field, 0, 0, 20, 20), ==, 0);
    mt_tiling_sample_clear(&sample);
}

static void test_unknown_method(void)
{
    static const char *const methods[] = {"oTsu", "clam:", "clam:other", "", "model:", "file:"};
    mt_tiling_sample         sample = mt_tiling_sample_rgb(20, 20);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);

    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *expected =
            g_strdup_printf("find the foreground of %s: unknown mask method '%s': use otsu, clam:default, clam:heatmap, "
                            "clam:biopsy, clam:resection, clam:tcga, field, body, none, file:PATH or model:FILE.onnx",
                            sample.path, methods[i]);
        g_assert_null(mt_mask_new(c, methods[i], &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
        g_assert_cmpstr(error->message, ==, expected);
    }
    mt_tiling_sample_clear(&sample);
}

/* A slide that opens and cannot be decoded: an error that names it, for every method that reads. */
static void test_undecodable(void)
{
    static const char *const expected[][2] = {{"otsu", "find tissue by saturation: "},
                                              {"clam:tcga", "find tissue as CLAM does: "},
                                              {"body", "find the body on plane 0: "},
                                              {"field", "find the field of view: "}};
    const char              *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(data, "malformed/wsi/unreadable.svs", NULL);
    g_autofree char *reason =
        g_strdup_printf("read %s: level 0, 16 x 16 pixels at (0, 0): tile 0 cannot be decoded: Bogus marker length", path);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *message = g_strconcat(expected[i][1], reason, NULL);
        g_assert_null(mt_mask_new(c, expected[i][0], &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
        g_assert_cmpstr(error->message, ==, message);
    }
}

static void test_refused_memory(void)
{
    static const char *const methods[] = {"otsu", "clam:biopsy", "field", "body", "none"};
    mt_tiling_sample         sample = mt_tiling_sample_rgb(40, 30);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);

    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
        bool done = false;
        for (int k = 1; k < 300 && !done; k++) {
            g_autoptr(GError) error = NULL;
            mt_alloc_fail_at(k);
            g_autoptr(mt_mask) mask = mt_mask_new(c, methods[i], &error);
            mt_alloc_fail_at(0);
            done = mask != NULL;
            if (!done)
                g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        }
        g_assert_true(done);
    }
    mt_tiling_sample_clear(&sample);
}

/* Masks do not depend on the number of threads. */
static void test_threads(void)
{
    static const char *const methods[] = {"otsu", "clam:biopsy", "field", "body"};
    mt_tiling_sample         sample = mt_tiling_sample_rgb(1300, 1100);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    int threads = omp_get_max_threads();

    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
        int64_t width, height;
        omp_set_num_threads(1);
        g_autoptr(mt_mask) one = find(c, methods[i]);
        omp_set_num_threads(5);
        g_autoptr(mt_mask) five = find(c, methods[i]);
        mt_mask_size(one, &width, &height);
        g_assert_cmpmem(mt_mask_pixels(one), width * height, mt_mask_pixels(five), width * height);
        g_assert_cmpint(mt_mask_n_rings(one), ==, mt_mask_n_rings(five));
    }
    omp_set_num_threads(threads);
    mt_tiling_sample_clear(&sample);
}

/* A ring of tissue with an island in its hole. */
static mt_tiling_sample ring_sample(void)
{
    uint8_t *pixels = g_malloc(120 * 100 * 3);

    for (int y = 0; y < 100; y++)
        for (int x = 0; x < 120; x++) {
            int  d = MAX(abs(x - 60), abs(y - 50));
            bool tissue = (d < 40 && d >= 25) || d < 12;
            memcpy(pixels + 3 * (y * 120 + x), tissue ? "\xc8\x50\xa0" : "\xf3\xf2\xf4", 3);
        }
    return mt_tiling_sample_new(120, 100, 3, false, pixels);
}

static int64_t json_ring_area2(const json_t *ring)
{
    int64_t sum = 0;
    size_t  n = json_array_size(ring);

    g_assert_cmpint((int)n, >=, 4);
    g_assert_true(json_equal(json_array_get(ring, 0), json_array_get(ring, n - 1)));
    for (size_t i = 0; i + 1 < n; i++) {
        const json_t *p = json_array_get(ring, i), *q = json_array_get(ring, i + 1);
        sum += json_integer_value(json_array_get(p, 0)) * json_integer_value(json_array_get(q, 1)) -
               json_integer_value(json_array_get(q, 0)) * json_integer_value(json_array_get(p, 1));
    }
    return sum;
}

static void test_geojson(void)
{
    mt_tiling_sample sample = ring_sample();
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    g_autoptr(mt_mask) mask = find(c, "otsu");
    g_autofree char *path = g_build_filename(sample.folder, "tissue.geojson", NULL);
    g_autoptr(GError) error = NULL;
    int64_t area2 = 0, foreground = 0;

    g_assert_true(mt_geojson_write_mask(mask, path, false, &error));
    json_t *root = json_load_file(path, 0, NULL), *features = json_object_get(root, "features");
    g_assert_cmpstr(json_string_value(json_object_get(root, "type")), ==, "FeatureCollection");
    g_assert_cmpint((int)json_array_size(features), ==, 2);
    for (size_t i = 0; i < json_array_size(features); i++) {
        json_t *feature = json_array_get(features, i), *properties = json_object_get(feature, "properties");
        json_t *geometry = json_object_get(feature, "geometry"), *rings = json_object_get(geometry, "coordinates");
        g_assert_cmpstr(json_string_value(json_object_get(feature, "type")), ==, "Feature");
        g_assert_cmpstr(json_string_value(json_object_get(geometry, "type")), ==, "Polygon");
        g_assert_cmpstr(json_string_value(json_object_get(properties, "objectType")), ==, "annotation");
        g_assert_cmpstr(json_string_value(json_object_get(properties, "name")), ==, "Tissue");
        g_assert_cmpstr(json_string_value(json_object_get(json_object_get(properties, "classification"), "name")), ==, "Tissue");
        g_assert_cmpint((int)json_array_size(json_object_get(json_object_get(properties, "classification"), "color")), ==, 3);
        g_assert_cmpint((int)json_array_size(rings), ==, i == 0 ? 2 : 1);
        for (size_t k = 0; k < json_array_size(rings); k++) {
            int64_t ring2 = json_ring_area2(json_array_get(rings, k));
            g_assert_true(k == 0 ? ring2 > 0 : ring2 < 0);
            area2 += ring2;
        }
    }
    for (int i = 0; i < 120 * 100; i++)
        foreground += mt_mask_pixels(mask)[i] != 0;
    g_assert_cmpint(area2, ==, 2 * foreground);
    json_decref(root);

    g_assert_false(mt_geojson_write_mask(mask, path, false, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_clear_error(&error);
    g_assert_true(mt_geojson_write_mask(mask, path, true, &error));
    g_unlink(path);
    mt_tiling_sample_clear(&sample);
}

static void test_mask_png(void)
{
    mt_tiling_sample sample = ring_sample();
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0);
    g_autoptr(mt_mask) mask = find(c, "otsu");
    g_autofree char *path = g_build_filename(sample.folder, "mask.png", NULL);
    g_autofree char *nowhere = g_build_filename(sample.folder, "none", "mask.png", NULL);
    g_autofree char *message = g_strdup_printf("create a temporary file for %s: No such file or directory", nowhere);
    g_autoptr(GError) error = NULL;
    uint8_t back[120 * 100];

    g_assert_true(mt_mask_png_write(mask, path, false, &error));
    g_autoptr(mt_case) again = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(mt_case_channels(again) == 1 && mt_case_dtype(again) == MT_U8);
    g_assert_true(mt_case_read(again, 0, 0, 0, 0, 120, 100, back, &error));
    g_assert_cmpmem(back, sizeof back, mt_mask_pixels(mask), sizeof back);

    g_assert_false(mt_mask_png_write(mask, path, false, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_clear_error(&error);
    g_assert_false(mt_mask_png_write(mask, nowhere, false, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, message);
    g_unlink(path);
    mt_tiling_sample_clear(&sample);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!mt_tiling_sample_start(argv[0]))
        return 1;
    g_test_add_func("/mask/share", test_share);
    g_test_add_func("/mask/none", test_none);
    g_test_add_func("/mask/overview-mean", test_overview_mean);
    g_test_add_func("/mask/field", test_field);
    g_test_add_func("/mask/field-samples", test_field_samples);
    g_test_add_func("/mask/body", test_body);
    g_test_add_func("/mask/flat-body", test_flat_body);
    g_test_add_func("/mask/unknown-method", test_unknown_method);
    g_test_add_func("/mask/undecodable", test_undecodable);
    g_test_add_func("/mask/refused-memory", test_refused_memory);
    g_test_add_func("/mask/threads", test_threads);
    g_test_add_func("/mask/geojson", test_geojson);
    g_test_add_func("/mask/png", test_mask_png);
    return g_test_run();
}
