/* Heatmaps: values and raster against NumPy's, ties, unread tiles, holes, and what cannot be drawn. */
#include "src/result/evidence.h"
#include "tiling/polygon_fill.h"
#include "src/store/schema.h"
#include <microtome/heatmap.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>

#define WIDTH0 800 /* eight level-0 px per px of the thumbnail */
#define HEIGHT0 480
#define EDGE_X 37
#define EDGE_Y 29

typedef struct fixture {
    char *folder, *path;
    int   files;
} fixture;

/* What a result of the test has. */
typedef enum parts {
    ATTENTION = 1,
    LOGITS = 2,
    TILE_SCORES = 4,
    SCORES = 8,
    POSITIVE = 16,
    ONE_GATE = 32,
    PLANES = 64,
    TISSUE = 128
} parts;

static void set_up(fixture *f, gconstpointer data)
{
    (void)data;
    f->folder = g_dir_make_tmp("heatmap-XXXXXX", NULL);
    g_assert_nonnull(f->folder);
}

static void tear_down(fixture *f, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(f->folder, 0, NULL);
    const char *name;

    (void)data;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);
        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_free(f->path);
}

static void assert_message(GError **error, int code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void assert_message(GError **error, int code, const char *format, ...)
{
    va_list          arguments;
    g_autofree char *expected = NULL;

    va_start(arguments, format);
    expected = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_assert_nonnull(*error);
    g_assert_cmpstr((*error)->message, ==, expected);
    g_assert_error(*error, MT_ERROR, code);
    g_clear_error(error);
}

static void write_frame(mt_store *store, int64_t n, parts has, GRand *random)
{
    static const int32_t outer[] = {40, 30, 700, 10, 790, 300, 500, 470, 90, 400}, hole[] = {300, 150, 420, 140, 400, 260};
    const mt_ring        rings[] = {{false, 5, outer}, {true, 3, hole}};
    int64_t              shape[2] = {n, (has & PLANES) != 0 ? 3 : 2}, thumbnail_shape[3] = {HEIGHT0 / 8, WIDTH0 / 8, 3};
    g_autoptr(mt_tensor) coords = mt_tensor_new(MT_I64, 2, shape, NULL), thumbnail = mt_tensor_new(MT_U8, 3, thumbnail_shape, NULL);
    mt_coords_info info = {.name = "a",
                           .patch_size = 32,
                           .patch_depth = 1,
                           .tile_level0 = {EDGE_X, EDGE_Y},
                           .level0_width = WIDTH0,
                           .level0_height = HEIGHT0,
                           .mpp_source = "none"};

    for (int64_t i = 0; i < n; i++) {
        int64_t *row = (int64_t *)coords->data + i * shape[1];
        row[0] = g_rand_int_range(random, 0, WIDTH0 - EDGE_X);
        row[1] = g_rand_int_range(random, 0, HEIGHT0 - EDGE_Y);
        if (shape[1] == 3)
            row[2] = i % 2;
    }
    g_assert_true(mt_schema_write_coords(store, &info, coords, NULL) && mt_schema_write_thumbnail(store, thumbnail, 0, NULL));
    if ((has & TISSUE) != 0)
        g_assert_true(mt_schema_write_rings(store, rings, 2, NULL));
}

static void write_evidence(mt_store *store, int64_t n, parts has, const uint8_t *valid, GRand *random)
{
    const char *const labels[] = {"normal", "tumour", NULL};
    const float       scores[2] = {0.125f, 0.875f};
    int64_t           k = (has & ONE_GATE) != 0 ? 1 : 2;
    g_autofree float *attention = g_new0(float, n *k + 1), *logits = g_new0(float, n *k + 1), *tile_scores = g_new0(float, 2 * n + 1);

    for (int64_t i = 0; i < n * k; i++) {
        attention[i] = (float)(g_rand_double(random) * 2 / (double)n);
        logits[i] = (float)g_rand_int_range(random, -4, 5); /* many ties */
    }
    for (int64_t i = 0; i < 2 * n; i++)
        tile_scores[i] = (float)g_rand_double(random);
    if ((has & ATTENTION) != 0)
        g_assert_true(mt_schema_write_tile_table(store, MT_OBJECT_ATTENTION, attention, k, valid, n, 0, k == 2 ? labels : NULL, NULL));
    if ((has & LOGITS) != 0)
        g_assert_true(mt_schema_write_tile_table(store, MT_OBJECT_ATTENTION_LOGITS, logits, k, valid, n, -INFINITY, NULL, NULL));
    if ((has & TILE_SCORES) != 0)
        g_assert_true(mt_schema_write_tile_table(store, MT_OBJECT_TILE_SCORES, tile_scores, 2, valid, n, 0, labels, NULL));
    if ((has & SCORES) != 0)
        g_assert_true(mt_schema_write_floats(store, MT_OBJECT_SCORES, scores, 2, NULL) &&
                      mt_store_attr_strings(store, MT_OBJECT_SCORES, MT_ATTR_LABELS, labels, NULL));
    if ((has & POSITIVE) != 0)
        g_assert_true(mt_store_attr_string(store, MT_OBJECT_SCORES, MT_ATTR_POSITIVE, "normal", NULL));
}

/* A result with n random tiles of which every seventh is unread; returned open. */
static mt_result *make_result(fixture *f, int64_t n, parts has)
{
    g_autofree char *name = g_strdup_printf("%d.h5", f->files++);
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *valid = g_new0(uint8_t, n + 1);
    GRand              *random = g_rand_new_with_seed(7);

    for (int64_t i = 0; i < n; i++)
        valid[i] = i % 7 != 6;
    g_free(f->path);
    f->path = g_build_filename(f->folder, name, NULL);
    g_autoptr(mt_store) store = mt_store_create(f->path, &error);
    g_assert_no_error(error);
    write_frame(store, n, has, random);
    g_assert_true(mt_schema_write_valid(store, valid, n, NULL));
    write_evidence(store, n, has, valid, random);
    g_assert_true(mt_store_publish(store, "{\"schema\":1}", &error));
    g_rand_free(random);
    mt_result *result = mt_result_open(f->path, &error);
    g_assert_no_error(error);
    return result;
}

static mt_heatmap *draw(const mt_result *result, const char *label, mt_heat_scale scale)
{
    g_autoptr(GError) error = NULL;
    mt_heatmap *heatmap = mt_heatmap_new(result, &(mt_heatmap_params){label, scale, -1}, &error);

    g_assert_no_error(error);
    return heatmap;
}

static mt_tensor *expected_part(const fixture *f, const char *name)
{
    g_autofree char *path = g_build_filename(f->folder, name, NULL);
    mt_tensor       *tensor = mt_tensor_read_npy(path, NULL);

    g_assert_nonnull(tensor);
    return tensor;
}

/* NumPy's answer for f->path in expected files; false when it cannot be had. */
static bool run_numpy(const fixture *f, mt_heat_scale scale, const char *class)
{
    g_autofree char *script = g_test_build_filename(G_TEST_DIST, "unit", "check_heatmap.py", NULL);
    const char      *command[] = {"/usr/bin/python3", script, f->path, scale == MT_HEAT_ABSOLUTE ? "absolute" : "percentile", class,
                                  f->folder,          NULL};
    g_auto(GStrv) environment = g_environ_unsetenv(g_get_environ(), "LD_PRELOAD");
    int status = 0;

    if (!g_spawn_sync(NULL, (char **)command, environment, 0, NULL, NULL, NULL, NULL, &status, NULL) ||
        (WIFEXITED(status) && WEXITSTATUS(status) == 77)) {
        g_test_skip("/usr/bin/python3 with h5py is not here");
        return false;
    }
    g_assert_cmpint(status, ==, 0);
    return true;
}

static void compare(fixture *f, parts has, mt_heat_scale scale, int class)
{
    g_autoptr(mt_result) result = make_result(f, 60, has | TISSUE);
    g_autoptr(mt_heatmap) heatmap = draw(result, class == 1 ? "tumour" : "normal", scale);

    if (!run_numpy(f, scale, class == 1 ? "1" : "0"))
        return;
    g_autoptr(mt_tensor) tiles = expected_part(f, "tiles.npy"), values = expected_part(f, "values.npy"),
                         states = expected_part(f, "states.npy");
    int seen[3] = {0};
    g_assert_cmpint(values->shape[0], ==, heatmap->height);
    g_assert_cmpint(values->shape[1], ==, heatmap->width);
    for (int64_t i = 0; i < heatmap->n_tiles; i++) {
        float want = ((float *)tiles->data)[i];
        g_assert_true(isnan(want) ? isnan(heatmap->tile_values[i]) : fabsf(heatmap->tile_values[i] - want) <= 1e-6f);
    }
    g_assert_cmpmem(heatmap->states, (gsize)(heatmap->width * heatmap->height), states->data, mt_tensor_bytes(states));
    for (int64_t i = 0; i < heatmap->width * heatmap->height; i++) {
        g_assert_cmpfloat_with_epsilon(heatmap->values[i], ((float *)values->data)[i], 1e-6f);
        seen[heatmap->states[i]]++;
    }
    g_assert_true(seen[0] > 500 && seen[1] > 500 && seen[2] > 20); /* the case has all three */
}

static void test_against_numpy(fixture *f, gconstpointer data)
{
    (void)data;
    compare(f, ATTENTION | LOGITS | TILE_SCORES | SCORES, MT_HEAT_ABSOLUTE, 1);
    compare(f, ATTENTION | LOGITS | TILE_SCORES | SCORES | ONE_GATE, MT_HEAT_ABSOLUTE, 0);
    compare(f, TILE_SCORES | SCORES, MT_HEAT_ABSOLUTE, 1);
    compare(f, ATTENTION | SCORES, MT_HEAT_ABSOLUTE, 1);
    compare(f, ATTENTION | LOGITS | SCORES, MT_HEAT_PERCENTILE, 1);
    compare(f, ATTENTION | LOGITS | SCORES | ONE_GATE, MT_HEAT_PERCENTILE, 0);
}

static void test_meaning(fixture *f, gconstpointer data)
{
    static const struct {
        parts         has;
        mt_heat_scale scale;
        const char   *label, *meaning;
    } cases[] = {
        {ATTENTION | TILE_SCORES | SCORES, MT_HEAT_ABSOLUTE, "tumour", "tile score x attention"},
        {TILE_SCORES | SCORES | POSITIVE, MT_HEAT_ABSOLUTE, "normal", "tile score"},
        {ATTENTION | SCORES | POSITIVE, MT_HEAT_ABSOLUTE, "normal", "case score x attention"},
        {ATTENTION | ONE_GATE, MT_HEAT_PERCENTILE, NULL, "rank of the attention in this case"},
        {ATTENTION, MT_HEAT_PERCENTILE, "normal", "rank of the attention in this case"},
        {TILE_SCORES | SCORES, MT_HEAT_PERCENTILE, "tumour", "rank of the tile score in this case"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(mt_result) result = make_result(f, 10, cases[i].has);
        g_autoptr(mt_heatmap) heatmap = draw(result, NULL, cases[i].scale);
        g_assert_cmpstr(heatmap->label, ==, cases[i].label);
        g_assert_cmpstr(heatmap->meaning, ==, cases[i].meaning);
        g_assert_cmpint(heatmap->n_valid, ==, 9);
    }
}

static void test_top_tiles(fixture *f, gconstpointer data)
{
    g_autoptr(mt_result) result = make_result(f, 60, ATTENTION | LOGITS | SCORES | PLANES);
    g_autoptr(mt_heatmap) heatmap = draw(result, NULL, MT_HEAT_PERCENTILE);
    mt_heat_tile top[100];
    int64_t      n = mt_heatmap_top_tiles(heatmap, 100, top);

    (void)data;
    g_assert_cmpint(n, ==, heatmap->n_valid);
    for (int64_t i = 0; i < n; i++) {
        const int64_t *row = (const int64_t *)heatmap->coords->data + 3 * top[i].index;
        g_assert_true(top[i].x == row[0] && top[i].y == row[1] && top[i].plane == row[2]);
        g_assert_cmpfloat(top[i].value, ==, heatmap->tile_values[top[i].index]);
        if (i > 0) /* falling; equal ones in reading order */
            g_assert_true(top[i].value < top[i - 1].value || (top[i].value == top[i - 1].value && top[i].index > top[i - 1].index));
    }
    mt_heat_tile three[3];
    g_assert_cmpint(mt_heatmap_top_tiles(heatmap, 3, three), ==, 3);
    for (int i = 0; i < 3; i++)
        g_assert_cmpint(three[i].index, ==, top[i].index);
    g_assert_cmpint(mt_heatmap_top_tiles(heatmap, 0, three), ==, 0);
    g_assert_cmpint(heatmap->plane, ==, top[0].plane);
}

static void test_single_image(fixture *f, gconstpointer data)
{
    g_autoptr(mt_result) result = make_result(f, 1, SCORES);
    g_autoptr(mt_heatmap) heatmap = draw(result, NULL, MT_HEAT_ABSOLUTE);

    (void)data;
    g_assert_cmpfloat(heatmap->tile_values[0], ==, 0.875f);
    g_assert_cmpstr(heatmap->meaning, ==, "case score");
}

static void test_no_tiles(fixture *f, gconstpointer data)
{
    g_autoptr(mt_result) result = make_result(f, 0, 0);
    g_autoptr(mt_heatmap) heatmap = draw(result, NULL, MT_HEAT_ABSOLUTE);
    mt_heat_tile top;

    (void)data;
    g_assert_null(heatmap->label);
    g_assert_cmpint(mt_heatmap_top_tiles(heatmap, 1, &top), ==, 0);
    for (int64_t i = 0; i < heatmap->width * heatmap->height; i++)
        g_assert_cmpint(heatmap->states[i], ==, MT_HEAT_NONE);
}

static void test_messages(fixture *f, gconstpointer data)
{
    static const struct {
        parts         has;
        const char   *label;
        mt_heat_scale scale;
        int           code;
        const char   *message;
    } cases[] = {
        {ATTENTION | SCORES, "Tumour", MT_HEAT_ABSOLUTE, MT_ERROR_USAGE, "it has no class Tumour: choose one of: normal, tumour"},
        {ATTENTION | ONE_GATE, "x", MT_HEAT_PERCENTILE, MT_ERROR_USAGE, "it has no class x: choose one of: (none)"},
        {ATTENTION | ONE_GATE, NULL, MT_HEAT_ABSOLUTE, MT_ERROR_INPUT,
         "it has no scores (withheld, or its head gives none): use --scale percentile"},
        {SCORES, NULL, MT_HEAT_ABSOLUTE, MT_ERROR_INPUT,
         "it has no attention and no tile scores, so there is nothing to draw: run it with a head (-m HEAD) that has attention"},
        {0, NULL, MT_HEAT_PERCENTILE, MT_ERROR_INPUT,
         "it has no attention and no tile scores, so there is nothing to draw: run it with a head (-m HEAD) that has attention"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(mt_result) result = make_result(f, 10, cases[i].has);
        GError *error = NULL;
        g_assert_null(mt_heatmap_new(result, &(mt_heatmap_params){cases[i].label, cases[i].scale, -1}, &error));
        assert_message(&error, cases[i].code, "draw a heatmap of %s: %s", f->path, cases[i].message);
    }
}

/* A result whose parts do not fit each other: built by hand, object by object. */
static void test_damaged(fixture *f, gconstpointer data)
{
    static const char *const messages[] = {
        "/attention does not have the type and the rows of /coords",
        "/attention has values that are not numbers",
        "its scores and labels are not equally many",
        "/coords lacks the place of its tiles in the plane",
        "its tissue outlines are damaged",
        "/coords lacks the place of its tiles in the plane",
    };

    (void)data;
    for (int i = 0; i < (int)G_N_ELEMENTS(messages); i++) {
        g_autofree char *path = g_strdup_printf("%s/damaged%d.h5", f->folder, i);
        g_autoptr(mt_store) store = mt_store_create(path, NULL);
        int64_t shape[2] = {3, 2}, ring_shape = 3;
        g_autoptr(mt_tensor) coords = mt_tensor_new(MT_I64, 2, shape, NULL), offsets = mt_tensor_new(MT_I64, 1, &ring_shape, NULL);
        g_autoptr(mt_tensor) points = mt_tensor_new(MT_I32, 2, shape, NULL);
        mt_coords_info info = {
            .name = "a", .tile_level0 = {i == 3 ? 0 : 8, 8}, .level0_width = 64, .level0_height = 64, .mpp_source = "none"};
        float   attention[] = {0.5f, i == 1 ? NAN : 0.25f, 0.25f};
        GError *error = NULL;
        ((int64_t *)coords->data)[3] = i == 5 ? INT64_MIN : 0;
        g_assert_true(mt_schema_write_coords(store, &info, coords, NULL));
        g_assert_true(mt_schema_write_tile_table(store, MT_OBJECT_ATTENTION, attention, 1, NULL, i == 0 ? 2 : 3, 0, NULL, NULL));
        g_assert_true(mt_schema_write_floats(store, MT_OBJECT_SCORES, attention, i == 2 ? 2 : 1, NULL));
        g_assert_true(mt_store_attr_strings(store, MT_OBJECT_SCORES, MT_ATTR_LABELS, (const char *const[]){"tumour", NULL}, NULL));
        ((int64_t *)offsets->data)[1] = i == 4 ? 4 : 3;
        ((int64_t *)offsets->data)[2] = 3;
        g_assert_true(mt_store_write(store, MT_OBJECT_TISSUE_POINTS, points, NULL));
        g_assert_true(mt_store_write(store, MT_OBJECT_TISSUE_OFFSETS, offsets, NULL));
        g_assert_true(mt_store_publish(store, "{\"schema\":1}", NULL));
        g_autoptr(mt_result) result = mt_result_open(path, NULL);
        g_assert_null(mt_heatmap_new(result, &(mt_heatmap_params){NULL, MT_HEAT_ABSOLUTE, -1}, &error));
        assert_message(&error, MT_ERROR_INPUT, "draw a heatmap of %s: %s", path, messages[i]);
    }
}

/* Islands in holes, and rings that leave the raster. */
static void test_polygons(void)
{
    static const int32_t points[] = {-50, -50, 80, -50, 80, 80, -50, 80, 10, 10, 70, 10, 70, 70, 10, 70, 30, 30, 50, 30, 50, 50, 30, 50};
    static const int64_t offsets[] = {0, 4, 8, 12};
    mt_polygon_frame     frame = {.width = 10, .height = 10, .scale_x = 0.1, .scale_y = 0.1};
    uint8_t              raster[100];

    g_assert_true(mt_polygon_fill(points, offsets, 3, &frame, raster, NULL));
    for (int y = 0; y < 10; y++)
        for (int x = 0; x < 10; x++) {
            bool outer = x < 8 && y < 8, hole = x >= 1 && x < 7 && y >= 1 && y < 7, island = x >= 3 && x < 5 && y >= 3 && y < 5;
            g_assert_cmpint(raster[10 * y + x], ==, (outer && !hole) || island);
        }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/heatmap/" name, fixture, NULL, set_up, function, tear_down)
    ADD("against-numpy", test_against_numpy);
    ADD("meaning", test_meaning);
    ADD("top-tiles", test_top_tiles);
    ADD("single-image", test_single_image);
    ADD("no-tiles", test_no_tiles);
    ADD("messages", test_messages);
    ADD("damaged", test_damaged);
    g_test_add_func("/heatmap/polygons", test_polygons);
    return g_test_run();
}
