/* Figures of two sets of features, worked out by hand; tiles sampled from a picture whose pixels are known. */
#include "tests/threads/shared_scene.h"

#include <microtome/pipeline.h>
#include <microtome/verify.h>

#define WIDTH 168 /* 11 x 9 tiles of 16 px, the last column and row over the edge */
#define HEIGHT 136
#define CARD "[encoder]\nname=open\nsize_px=16\nvalue=rgb8\nmean=0\nstd=1\nbatch=4\n"

static mt_tensor *rows(int64_t n, int64_t dim, const float *values)
{
    int64_t    shape[] = {n, dim};
    mt_tensor *tensor = mt_tensor_new(MT_F32, 2, shape, NULL);

    memcpy(tensor->data, values, (size_t)(n * dim) * sizeof *values);
    return tensor;
}

static void test_figures(void)
{
    g_autoptr(mt_tensor) a = rows(3, 2, (float[]){3, 4, 0, 0, 1, 0}), b = rows(3, 2, (float[]){4, 3, 0, 0, 2, 0});
    mt_verify_figures figures;
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_verify_compare(a, b, &figures, &error));
    g_assert_no_error(error);
    g_assert_cmpint(figures.tiles, ==, 3);
    g_assert_cmpint(figures.worst, ==, 0);
    g_assert_cmpfloat_with_epsilon(figures.min_cosine, 0.96, 1e-15);
    g_assert_cmpfloat_with_epsilon(figures.mean_cosine, 2.96 / 3, 1e-15);
    g_assert_cmpfloat_with_epsilon(figures.relative_error, sqrt(3.0 / 29), 1e-15);
}

/* One feature of zeros alone is as wrong as can be. */
static void test_zero_row(void)
{
    g_autoptr(mt_tensor) a = rows(1, 2, (float[]){0, 0}), b = rows(1, 2, (float[]){1, 1});
    mt_verify_figures figures;

    g_assert_true(mt_verify_compare(a, b, &figures, NULL));
    g_assert_cmpfloat(figures.min_cosine, ==, 0);
    g_assert_cmpfloat(figures.relative_error, ==, 1);
}

static void check_refused(const mt_tensor *a, const mt_tensor *b, const char *message)
{
    mt_verify_figures figures;
    g_autoptr(GError) error = NULL;

    g_assert_false(mt_verify_compare(a, b, &figures, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refused_features(void)
{
    g_autoptr(mt_tensor) a = rows(2, 2, (float[]){1, 2, 3, 4}), b = rows(1, 2, (float[]){1, 2}), c = rows(2, 2, (float[]){1, 2, NAN, 4});
    g_autoptr(mt_tensor) infinite = rows(2, 2, (float[]){1, INFINITY, 3, 4});

    check_refused(a, b, "compare features: float32 2x2 with float32 1x2: two float32 N x D of one shape are wanted");
    check_refused(a, c, "compare features: row 1 holds what is not a finite number");
    check_refused(infinite, a, "compare features: row 0 holds what is not a finite number");
}

static mt_tensor *sample(mt_encoder *encoder, const char *const *paths, int n_paths, int64_t n, GError **error)
{
    g_autoptr(mt_recipe) recipe = mt_recipe_new();
    mt_job jobs[4] = {{0}};

    recipe->mpp = 0;
    recipe->mask_method = g_strdup("none");
    for (int i = 0; i < n_paths; i++)
        jobs[i] = (mt_job){.path = paths[i], .id = "x"};
    return mt_pipeline_sample(encoder, recipe, jobs, n_paths, n, error);
}

/* Tile `tile` of the picture, channel 0, its top left pixel. */
static float corner_of(const uint8_t *rgb, int tile)
{
    return (float)rgb[(tile / 11 * 16 * WIDTH + tile % 11 * 16) * 3] / 255;
}

/* Five of 99 tiles: the middles of five equal stretches of the grid. */
static void test_sample(void)
{
    static const int    tiles[] = {9, 29, 49, 69, 89};
    g_autofree uint8_t *rgb = g_malloc(WIDTH * HEIGHT * 3);
    g_autoptr(mt_encoder) encoder = load_encoder("unit/data/encoder", "open", CARD);
    g_autoptr(GError) error = NULL;

    fill_noise(rgb, WIDTH * HEIGHT * 3, 7);
    g_autofree char *path = write_picture("sample.tif", WIDTH, HEIGHT, rgb);
    g_autoptr(mt_tensor) inputs = sample(encoder, (const char *const[]){path}, 1, 5, &error);
    g_assert_no_error(error);
    g_autofree char *shape = mt_shape_to_string(inputs->rank, inputs->shape);
    g_assert_cmpstr(shape, ==, "5x3x16x16");
    for (int i = 0; i < 5; i++)
        g_assert_cmpfloat_with_epsilon(((const float *)inputs->data)[i * 3 * 16 * 16], corner_of(rgb, tiles[i]), 1e-6);
    g_autoptr(mt_tensor) two = sample(encoder, (const char *const[]){path, path}, 2, 150, &error), all = NULL;
    g_assert_cmpint(two->shape[0], ==, 150);
    all = sample(encoder, (const char *const[]){path, path}, 2, 1000, &error);
    g_assert_cmpint(all->shape[0], ==, 198);
}

static void test_sides(void)
{
    g_autofree uint8_t *rgb = g_malloc(WIDTH * HEIGHT * 3);
    g_autoptr(mt_encoder) encoder = load_encoder("unit/data/encoder", "open", CARD);
    mt_verify_side    plain = {encoder, MT_BACKEND_REFERENCE, MT_PRECISION_FP32}, fast = {encoder, MT_BACKEND_AUTO, MT_PRECISION_FP32};
    mt_verify_figures figures;
    g_autoptr(GError) error = NULL;

    fill_noise(rgb, WIDTH * HEIGHT * 3, 9);
    g_autofree char *path = write_picture("sides.tif", WIDTH, HEIGHT, rgb);
    g_autoptr(mt_tensor) inputs = sample(encoder, (const char *const[]){path}, 1, 10, &error);
    g_assert_true(mt_verify(&fast, &plain, inputs, 2, &figures, &error));
    g_assert_no_error(error);
    g_assert_cmpint(figures.tiles, ==, 10);
    g_assert_cmpfloat(figures.min_cosine, >=, mt_verify_limit(MT_PRECISION_FP32));
    g_assert_cmpfloat(figures.relative_error, <, 1e-5);
}

static void test_refused_inputs(void)
{
    int64_t shape[] = {2, 3, 8, 8};
    g_autoptr(mt_encoder) encoder = load_encoder("unit/data/encoder", "open", CARD);
    g_autoptr(mt_tensor) inputs = mt_tensor_new(MT_F32, 4, shape, NULL);
    mt_verify_side   side = {encoder, MT_BACKEND_REFERENCE, MT_PRECISION_FP32};
    g_autofree char *path = in_test_folder("open.onnx");
    g_autofree char *message = g_strdup_printf("encode with %s: the inputs are float32 2x3x8x8: float32 Nx3x16x16 is wanted", path);
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_verify_encode(&side, inputs, 1, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, message);
    g_clear_error(&error);
    g_assert_null(sample(encoder, NULL, 0, 0, &error));
    g_assert_cmpstr(error->message, ==, "sample 0 tiles: 1 or more are wanted");
    g_clear_error(&error);
    g_assert_null(sample(encoder, NULL, 0, 3, &error));
    g_assert_cmpstr(error->message, ==, "sample tiles: the cases have no tile with foreground that can be read: name others");
}

static void test_agree(void)
{
    g_autoptr(mt_encoder) a = load_encoder("unit/data/encoder", "open", CARD);
    g_autoptr(mt_encoder) b = load_encoder("unit/data/encoder", "open", "[encoder]\nsize_px=16\nvalue=rgb8\nmean=0\nstd=1\nbatch=2\n");
    g_autoptr(mt_encoder) c = load_encoder("unit/data/encoder", "open", "[encoder]\nsize_px=16\nvalue=rgb8\nmean=0.5\nstd=1\n");
    g_autofree char *path = in_test_folder("open.onnx");
    g_autofree char *message = g_strdup_printf("compare %s with %s: one has mean=0, the other mean=0.5", path, path);
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_verify_agree(a, b, &error));
    g_assert_no_error(error);
    g_assert_false(mt_verify_agree(a, c, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_test_folder("mt-verify-XXXXXX");
    g_test_add_func("/verify/figures", test_figures);
    g_test_add_func("/verify/zero-row", test_zero_row);
    g_test_add_func("/verify/agree", test_agree);
    g_test_add_func("/verify/refused/features", test_refused_features);
    g_test_add_func("/verify/refused/inputs", test_refused_inputs);
    g_test_add_func("/verify/sample", test_sample);
    g_test_add_func("/verify/sides", test_sides);
    int failed = g_test_run();
    remove_test_folder();
    return failed;
}
