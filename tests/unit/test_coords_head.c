/* ONNX heads that take the places of the tiles, against NumPy (tests/golden/mil_coords_reference.py); which tile a place is of. */
#include "mil/feature_file.h"
#include "mil/safetensors.h"
#include "src/store/schema.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <string.h>

#define DIM 8
#define N 37
#define EDGE 448.5

static char *golden(const char *form, const char *extension)
{
    g_autofree char *file = g_strconcat("coords_", form, extension, NULL);

    return g_test_build_filename(G_TEST_DIST, "golden", "mil", file, NULL);
}

/* The numbers of the reference. */
static float feature_of(int64_t i, int64_t j)
{
    return (float)((i * 37 + j * 11) % 64 - 32) / 32;
}

static void place_of(int64_t i, int width, int64_t *xy)
{
    const int64_t place[] = {i % 7 * 449 + 100, i / 7 * 1000 + 7, i % 3};

    memcpy(xy, place, (size_t)width * sizeof *xy);
}

typedef struct made_bag {
    int     width;
    int64_t shift; /* of every x */
} made_bag;

static bool read_rows(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    (void)user;
    (void)error;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < DIM; j++)
            *out++ = feature_of(first + i, j);
    return true;
}

static bool read_places(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    const made_bag *made = user;

    (void)error;
    for (int64_t i = 0; i < count; i++, xy += made->width) {
        place_of(first + i, made->width, xy);
        *xy += made->shift;
    }
    return true;
}

static mt_bag bag_of(made_bag *made)
{
    return (mt_bag){.n = N,
                    .dim = DIM,
                    .read = read_rows,
                    .user = made,
                    .read_coords = made->width > 0 ? read_places : NULL,
                    .coords_width = made->width,
                    .tile_level0 = EDGE};
}

static mt_head *load(const char *form)
{
    g_autofree char *path = golden(form, ".onnx");
    g_autoptr(GError) error = NULL;
    mt_head *head = mt_head_load(path, &error);

    g_assert_no_error(error);
    return head;
}

static mt_head_output *predict(const char *form, const mt_bag *bag, int threads)
{
    g_autoptr(mt_head) head = load(form);
    g_autoptr(GError) error = NULL;
    mt_head_output *output = mt_head_predict(head, bag, &(mt_head_options){.threads = threads}, &error);

    g_assert_no_error(error);
    return output;
}

static void assert_expected(const char *form, const char *what, const float *got, int64_t n, double epsilon)
{
    g_autofree char *path = golden("expected", ".safetensors"), *key = g_strconcat(form, "/", what, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_safetensors) file = mt_safetensors_open(path, &error);
    g_assert_no_error(error);
    g_autoptr(mt_tensor) wanted = mt_safetensors_read(file, mt_safetensors_find(file, key), &error);
    g_assert_no_error(error);
    g_assert_cmpint(mt_tensor_count(wanted), ==, n);
    for (int64_t i = 0; i < n; i++)
        g_assert_cmpfloat_with_epsilon(got[i], ((const float *)wanted->data)[i], epsilon);
}

static void assert_form(const char *form, int width)
{
    made_bag made = {.width = width};
    mt_bag   bag = bag_of(&made);
    g_autoptr(mt_head_output) one = predict(form, &bag, 1), three = predict(form, &bag, 3);

    assert_expected(form, "logits", one->logits, 3, 2e-5);
    assert_expected(form, "attention", one->attention, N, 1e-5);
    g_assert_cmpmem(one->logits, 3 * sizeof(float), three->logits, 3 * sizeof(float));
    g_assert_cmpmem(one->attention, N * sizeof(float), three->attention, N * sizeof(float));
}

/* Each layout and type; x and y of a volume where the graph knows no planes. */
static void test_forms(void)
{
    assert_form("i64", 2);
    assert_form("i32", 2);
    assert_form("f32", 2);
    assert_form("volume", 3);
    assert_form("i64", 3);
    assert_form("grid", 2); /* shapes inside follow from the places */
}

/* They change the answer. */
static void test_places_count(void)
{
    made_bag made = {.width = 2}, moved = {.width = 2, .shift = 9000};
    mt_bag   bag = bag_of(&made), other = bag_of(&moved), larger = bag_of(&made);

    larger.tile_level0 = 2 * EDGE;
    g_autoptr(mt_head_output) a = predict("f32", &bag, 1), b = predict("f32", &other, 1), c = predict("f32", &larger, 1);
    g_assert_cmpfloat(a->logits[0], !=, b->logits[0]);
    g_assert_cmpfloat(a->logits[0], !=, c->logits[0]);
}

static void assert_no_head(const char *form, const char *message)
{
    g_autofree char *path = golden(form, ".onnx"), *whole = g_strdup_printf("head %s: %s", path, message);
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_load(path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, whole);
}

static void test_refused_graphs(void)
{
    assert_no_head("f64", "input 'coords' is float64 of shape ?x2: int64, int32 or float32 (N, 2), (N, 3), (1, N, 2) or (1, N, 3) with N "
                          "open (-1) is wanted");
    assert_no_head("four", "input 'coords' is int64 of shape ?x4: int64, int32 or float32 (N, 2), (N, 3), (1, N, 2) or (1, N, 3) with N "
                           "open (-1) is wanted");
    assert_no_head("fixed", "input 'coords' is int64 of shape 64x2: int64, int32 or float32 (N, 2), (N, 3), (1, N, 2) or (1, N, 3) with N "
                            "open (-1) is wanted");
    assert_no_head("pair", "input 'patch_size' is int64 of shape 2: one number, int64, int32 or float32, is wanted");
    assert_no_head("mask", "input 'mask' of the graph is not known beside 'bag': a head takes features, coords (name with \"coord\") and "
                           "patch_size");
    assert_no_head("nothing", "the graph has no input for the features");
}

static void assert_no_answer(const char *form, const mt_bag *bag, int code, const char *message)
{
    g_autofree char *path = golden(form, ".onnx"), *whole = g_strdup_printf("head %s: %s", path, message);
    g_autoptr(mt_head) head = load(form);
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_predict(head, bag, NULL, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, whole);
}

static void test_refused_bags(void)
{
    made_bag flat = {.width = 2}, blind = {0}, far = {.width = 2, .shift = INT64_C(1) << 31};
    mt_bag   bag = bag_of(&flat), without = bag_of(&blind), distant = bag_of(&far), edgeless = bag_of(&flat), huge = bag_of(&flat);

    assert_no_answer("i64", &without, MT_ERROR_INPUT,
                     "input 'coords': the place of each tile is wanted, these features come without: use a file with /coords");
    assert_no_answer("volume", &bag, MT_ERROR_INPUT,
                     "input 'coords': x, y and plane of each tile are wanted, these features have x and y: use those of a volume");
    edgeless.tile_level0 = 0;
    assert_no_answer("i64", &edgeless, MT_ERROR_INPUT,
                     "input 'patch_size_lv0': the edge of a tile in level-0 px is wanted, these features do not say it, or not one for "
                     "all tiles");
    assert_no_answer("i32", &distant, MT_ERROR_RANGE, "input 'coords': tile 0 lies at 2147483748, which is no whole number of int32");
    assert_no_answer("f32", &distant, MT_ERROR_RANGE, "input 'coords': tile 0 lies at 2147483748, which is no whole number of float32");
    huge.tile_level0 = 1e10;
    assert_no_answer("edge_i32", &huge, MT_ERROR_RANGE, "input 'patch_size': an edge of 1e+10 px does not fit in int32");
}

/* A grid of 449 x 10^6 px by few. */
static void test_memory(void)
{
    made_bag made = {.width = 2, .shift = INT64_C(449000000)};
    mt_bag   bag = bag_of(&made);
    g_autoptr(mt_head) head = load("grid");
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_predict(head, &bag, &(mt_head_options){.memory_bytes = 8 << 20}, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    g_assert_nonnull(strstr(error->message, ": an ONNX head needs the whole bag: 37 tiles want "));
    g_assert_nonnull(strstr(error->message, " bytes, 8388608 are given; give more with --memory, or use larger or fewer tiles"));
}

static void test_bag_coords(void)
{
    made_bag made = {.width = 3};
    mt_bag   bag = bag_of(&made);
    int64_t  xy[4];
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_bag_read_coords(&bag, 35, 2, 2, xy, &error));
    g_assert_no_error(error);
    g_assert_true(xy[0] == 100 && xy[1] == 5007 && xy[2] == 549 && xy[3] == 5007);
    g_assert_false(mt_bag_read_coords(&bag, 36, 2, 2, xy, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "read rows 36 to 37 of a bag: it has 37 rows");
}

static void test_valid_rows(void)
{
    const uint8_t valid[] = {0, 1, 1, 0, 0, 1, 0};
    mt_valid_rows rows = mt_valid_rows_new(valid, 7);
    int64_t       tile;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mt_valid_rows_count(&rows), ==, 3);
    g_assert_true(mt_valid_rows_run(&rows, 0, 9, &tile, NULL) == 2 && tile == 1);
    g_assert_true(mt_valid_rows_run(&rows, 2, 9, &tile, NULL) == 1 && tile == 5);
    g_assert_true(mt_valid_rows_run(&rows, 1, 9, &tile, NULL) == 1 && tile == 2);
    g_assert_true(mt_valid_rows_run(&rows, 0, 1, &tile, NULL) == 1 && tile == 1);
    g_assert_cmpint(mt_valid_rows_run(&rows, 3, 1, &tile, &error), ==, 0);
    g_assert_error(error, MT_ERROR, MT_ERROR_INTERNAL);
    g_assert_cmpstr(error->message, ==, "read the bag: row 3 is past its end");
}

/* N tiles, each with an invalid one before it; coords of this type. */
static char *write_file(const char *folder, mt_dtype dtype)
{
    char   *path = g_build_filename(folder, "case.h5", NULL);
    float   rows[2 * N * DIM];
    uint8_t valid[2 * N];
    int64_t wide[2 * N * 2] = {0};
    int32_t narrow[2 * N * 2];
    double  edge[] = {EDGE, EDGE + 1}, values[2 * N * 2];
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(path, &error);

    g_assert_no_error(error);
    for (int i = 0; i < 2 * N; i++) {
        valid[i] = i % 2;
        if (valid[i])
            place_of(i / 2, 2, wide + 2 * i);
        for (int j = 0; j < DIM; j++)
            rows[i * DIM + j] = valid[i] ? feature_of(i / 2, j) : 0;
    }
    for (int i = 0; i < 4 * N; i++)
        values[i] = narrow[i] = (int32_t)wide[i];
    void *data = dtype == MT_I64 ? (void *)wide : dtype == MT_I32 ? (void *)narrow : values;
    g_autoptr(mt_tensor) coords = mt_tensor_new_view(dtype, 2, (int64_t[]){2 * N, 2}, data, NULL);
    bool ok = mt_store_write(store, MT_OBJECT_COORDS, coords, &error) &&
              mt_store_attr_double(store, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, edge, 2, &error) &&
              mt_schema_grow_features(store, MT_F32, DIM, 2 * N, NULL, NULL, NULL, &error) &&
              mt_store_append(store, MT_OBJECT_FEATURES, rows, 2 * N, &error) && mt_schema_write_valid(store, valid, 2 * N, &error) &&
              mt_store_publish(store, "{\"schema\":1,\"id\":\"case\"}", &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    return path;
}

static void assert_file(mt_dtype dtype, bool readable)
{
    g_autofree char *folder = g_dir_make_tmp("coords-XXXXXX", NULL), *path = write_file(folder, dtype);
    g_autofree char *message = g_strdup_printf("read %s: /coords is no table of whole x and y", path);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_feature_file) file = mt_feature_file_open(path, &error);
    int64_t xy[2];

    g_assert_no_error(error);
    mt_bag bag = mt_feature_file_bag(file);
    g_assert_true(bag.coords_width == 2 && bag.tile_level0 == EDGE);
    g_assert_true(mt_bag_read_coords(&bag, 8, 1, 2, xy, &error) == readable);
    if (readable) {
        g_assert_true(xy[0] == 549 && xy[1] == 1007);
        g_autoptr(mt_head_output) output = predict("i64", &bag, 2);
        assert_expected("i64", "logits", output->logits, 3, 2e-5);
        assert_expected("i64", "attention", output->attention, N, 1e-5);
    } else
        g_assert_cmpstr(error->message, ==, message);
    g_unlink(path);
    g_rmdir(folder);
}

/* The places are those of the valid tiles, as the features are. */
static void test_feature_file(void)
{
    assert_file(MT_I64, true);
    assert_file(MT_I32, true);
    assert_file(MT_F64, false);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/coords-head/forms", test_forms);
    g_test_add_func("/coords-head/places-count", test_places_count);
    g_test_add_func("/coords-head/refused-graphs", test_refused_graphs);
    g_test_add_func("/coords-head/refused-bags", test_refused_bags);
    g_test_add_func("/coords-head/memory", test_memory);
    g_test_add_func("/coords-head/bag-coords", test_bag_coords);
    g_test_add_func("/coords-head/valid-rows", test_valid_rows);
    g_test_add_func("/coords-head/feature-file", test_feature_file);
    return g_test_run();
}
