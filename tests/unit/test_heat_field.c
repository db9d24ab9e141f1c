/* Heatmaps drawn window by window: the same pixels whatever the windows; smoothing that knows the tissue; ranks and z-scores against SciPy's
 * numbers; stored maps in place of tiles. */
#include "src/result/evidence.h"
#include "src/result/heat_smooth.h"
#include "src/store/schema.h"

#include <microtome/heatmap.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define WIDTH0 1003
#define HEIGHT0 611
#define TILES 200

typedef struct fixture {
    char      *folder, *path;
    mt_result *result;
} fixture;

static void set_up(fixture *f, gconstpointer data)
{
    (void)data;
    f->folder = g_dir_make_tmp("heat-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "a.h5", NULL);
}

static void tear_down(fixture *f, gconstpointer data)
{
    (void)data;
    mt_result_free(f->result);
    g_unlink(f->path);
    g_rmdir(f->folder);
    g_free(f->path);
    g_free(f->folder);
}

static void publish(fixture *f, mt_store *store)
{
    GError *error = NULL;

    g_assert_true(mt_store_publish(store, "{\"schema\":1,\"mpp_x\":0.5,\"mpp_y\":0.5}", &error));
    f->result = mt_result_open(f->path, &error);
    g_assert_no_error(error);
}

/* Overlapping tiles, every ninth unread, in a ring with a hole. */
static void make_tiles(fixture *f, int64_t n, const float *scores)
{
    static const int32_t outer[] = {40, 30, 900, 10, 990, 400, 500, 600, 30, 500}, hole[] = {300, 150, 420, 140, 400, 260};
    const mt_ring        rings[] = {{false, 5, outer}, {true, 3, hole}};
    const char *const    labels[] = {"tumour", NULL};
    g_autoptr(mt_tensor) coords = mt_tensor_new(MT_I64, 2, (int64_t[]){n, 2}, NULL);
    g_autofree uint8_t *valid = g_new0(uint8_t, n + 1);
    g_autoptr(mt_store) store = mt_store_create(f->path, NULL);
    mt_coords_info info = {.name = "a",
                           .patch_size = 32,
                           .patch_depth = 1,
                           .tile_level0 = {57.5, 43.25},
                           .level0_width = WIDTH0,
                           .level0_height = HEIGHT0,
                           .mpp_source = "none"};
    GRand         *random = g_rand_new_with_seed(3);

    for (int64_t i = 0; i < n; i++) {
        ((int64_t *)coords->data)[2 * i] = g_rand_int_range(random, 0, WIDTH0);
        ((int64_t *)coords->data)[2 * i + 1] = g_rand_int_range(random, 0, HEIGHT0);
        valid[i] = n < 20 || i % 9 != 4;
    }
    g_rand_free(random);
    g_assert_true(mt_schema_write_coords(store, &info, coords, NULL) && mt_schema_write_rings(store, rings, 2, NULL) &&
                  mt_schema_write_valid(store, valid, n, NULL) &&
                  mt_schema_write_tile_table(store, MT_OBJECT_TILE_SCORES, scores, 1, valid, n, 0, labels, NULL));
    publish(f, store);
}

static void make_random_tiles(fixture *f)
{
    float  scores[TILES];
    GRand *random = g_rand_new_with_seed(5);

    for (int i = 0; i < TILES; i++)
        scores[i] = (float)g_rand_double(random);
    g_rand_free(random);
    make_tiles(f, TILES, scores);
}

static mt_heatmap *draw(const fixture *f, mt_heatmap_params params)
{
    GError *error = NULL;

    params.plane = params.plane == 0 ? -1 : params.plane;
    mt_heatmap *heatmap = mt_heatmap_new(f->result, &params, &error);
    g_assert_no_error(error);
    return heatmap;
}

/* A picture of `width` px whole, and in windows of odd sizes: the same bytes. */
static void check_windows(const mt_heatmap *h, double scale)
{
    mt_heat_view        whole = {.scale_x = scale,
                                 .scale_y = scale,
                                 .width = (int64_t)ceil((double)h->level0_size[0] * scale),
                                 .height = (int64_t)ceil((double)h->level0_size[1] * scale)};
    int64_t             n = whole.width * whole.height;
    g_autofree float   *values = g_new0(float, n), *part = g_new0(float, n);
    g_autofree uint8_t *states = g_new0(uint8_t, n), *part_states = g_new0(uint8_t, n);
    int                 seen[3] = {0};

    g_assert_true(mt_heatmap_render(h, &whole, values, states, NULL));
    for (int64_t i = 0; i < n; i++)
        seen[states[i]]++;
    g_assert_cmpint(seen[MT_HEAT_VALUE], >, 0);
    for (int64_t y = 0; y < whole.height; y += 61)
        for (int64_t x = 0; x < whole.width; x += 97) {
            mt_heat_view window = whole;
            window.first_x = x, window.first_y = y;
            window.width = MIN(97, whole.width - x), window.height = MIN(61, whole.height - y);
            g_assert_true(mt_heatmap_render(h, &window, part, part_states, NULL));
            for (int64_t r = 0; r < window.height; r++) {
                g_assert_cmpmem(part + r * window.width, (gsize)window.width * sizeof *part, values + (y + r) * whole.width + x,
                                (gsize)window.width * sizeof *part);
                g_assert_cmpmem(part_states + r * window.width, (gsize)window.width, states + (y + r) * whole.width + x,
                                (gsize)window.width);
            }
        }
}

static void test_windows(fixture *f, gconstpointer data)
{
    (void)data;
    make_random_tiles(f);
    g_autoptr(mt_heatmap) plain = draw(f, (mt_heatmap_params){0}), smooth = draw(f, (mt_heatmap_params){.smooth_um = 12});
    check_windows(plain, 1);
    check_windows(plain, 0.3137);
    check_windows(smooth, 0.3137);
    check_windows(plain, 0.01);
}

/* Against the definition, pixel by pixel. */
static void test_smooth(void)
{
    enum { W = 13, H = 9 };

    const double sigma[2] = {1.5, 0.8};
    float        values[W * H], was[W * H];
    uint8_t      states[W * H];

    for (int i = 0; i < W * H; i++) {
        states[i] = i % 5 == 0 ? MT_HEAT_NONE : i % 11 == 0 ? MT_HEAT_UNREAD : MT_HEAT_VALUE;
        values[i] = was[i] = states[i] == MT_HEAT_VALUE ? (float)((i * 37) % 100) / 100 : 0;
    }
    g_assert_true(mt_heat_smooth(values, states, W, H, sigma, NULL));
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double sum = 0, weight = 0;
            for (int v = MAX(0, y - 3); v <= MIN(H - 1, y + 3); v++)
                for (int u = MAX(0, x - 5); u <= MIN(W - 1, x + 5); u++) {
                    double w = exp(-0.5 * ((u - x) * (u - x) / (sigma[0] * sigma[0]) + (v - y) * (v - y) / (sigma[1] * sigma[1])));
                    if (states[v * W + u] != MT_HEAT_VALUE)
                        continue;
                    sum += w * (double)was[v * W + u];
                    weight += w;
                }
            double want = states[y * W + x] == MT_HEAT_VALUE ? sum / weight : 0;
            g_assert_cmpfloat_with_epsilon((double)values[y * W + x], want, 1e-6);
        }
}

/* scipy.stats.percentileofscore(reference, score, kind='rank') / 100, and scipy.stats.zscore. */
static void test_scales(fixture *f, gconstpointer data)
{
    const float             scores[] = {0.125f, 0.5f, 0.75f, 0.5f, 0.0f, 1.0f};
    float                   numbers[] = {0.0f, 0.25f, 0.5f, 0.5f, 0.5f, 0.75f, 0.9f}, half[] = {0.5f, 0.5f};
    const double            ranks[] = {1. / 7, 4. / 7, 6. / 7, 4. / 7, 1. / 7, 1};
    const double            z[] = {-1.03650829, 0.06097108, 0.79262399, 0.06097108, -1.40233475, 1.5242769};
    const mt_heat_reference reference = {.numbers = numbers, .n = 7}, halves = {.numbers = half, .n = 2};

    (void)data;
    make_tiles(f, 6, scores);
    g_autoptr(mt_heatmap) ranked = draw(f, (mt_heatmap_params){.scale = MT_HEAT_PERCENTILE, .reference = &reference});
    g_autoptr(mt_heatmap) scored = draw(f, (mt_heatmap_params){.scale = MT_HEAT_ZSCORE});
    g_autoptr(mt_heatmap) own = draw(f, (mt_heatmap_params){.scale = MT_HEAT_PERCENTILE, .reference = &halves});
    g_autoptr(mt_heatmap) ranged = draw(f, (mt_heatmap_params){.range = {0.25, 0.75}});
    for (int i = 0; i < 6; i++) {
        g_assert_cmpfloat_with_epsilon((double)ranked->tile_numbers[i], ranks[i], 1e-6);
        g_assert_cmpfloat_with_epsilon((double)scored->tile_numbers[i], z[i], 1e-5);
        g_assert_cmpfloat_with_epsilon((double)scored->tile_values[i], (z[i] + 3) / 6, 1e-5);
        g_assert_cmpfloat((double)ranged->tile_values[i], ==, CLAMP(((double)scores[i] - 0.25) / 0.5, 0, 1));
    }
    g_assert_cmpfloat((double)own->tile_numbers[1], ==, 0.75);
    g_assert_cmpstr(ranked->meaning, ==, "rank of the tile score among the reference");
    g_assert_cmpstr(scored->meaning, ==, "z-score of the tile score in this case");
    g_assert_cmpfloat(scored->range[0], ==, -3);
}

enum { MAP_W = 40, MAP_H = 30, MAP_Z = 3 };

/* Label 1 is a box of columns 10 to 19, rows 6 to 11; 2 the ten columns beside it; on plane 1, a smaller box on plane 2. */
static void make_map(fixture *f, bool error_map)
{
    const char *const labels[] = {"1,2=whole", "2=core", NULL};
    g_autoptr(mt_tensor) map = mt_tensor_new(MT_U8, 3, (int64_t[]){MAP_Z, MAP_H, MAP_W}, NULL);
    g_autoptr(mt_tensor) errors = mt_tensor_new(MT_F32, 3, (int64_t[]){MAP_Z, MAP_H, MAP_W}, NULL);
    g_autoptr(mt_store) store = mt_store_create(f->path, NULL);

    for (int y = 6; y < 12; y++)
        for (int x = 10; x < 30; x++) {
            ((uint8_t *)map->data)[(MAP_H + y) * MAP_W + x] = x < 20 ? 1 : 2;
            if (x < 15)
                ((uint8_t *)map->data)[(2 * MAP_H + y) * MAP_W + x] = 1;
            ((float *)errors->data)[(MAP_H + y) * MAP_W + x] = x < 20 ? 4 : 2;
        }
    if (error_map)
        g_assert_true(mt_store_write_packed(store, MT_OBJECT_ERROR_MAP, errors, NULL));
    else
        g_assert_true(mt_store_write_packed(store, MT_OBJECT_SEGMENTATION, map, NULL) &&
                      mt_store_attr_strings(store, MT_OBJECT_SEGMENTATION, MT_ATTR_LABELS, labels, NULL));
    publish(f, store);
}

static void test_map(fixture *f, gconstpointer data)
{
    (void)data;
    make_map(f, false);
    g_autoptr(mt_heatmap) whole = draw(f, (mt_heatmap_params){0}), core = draw(f, (mt_heatmap_params){.label = "core"});
    g_assert_cmpstr(whole->label, ==, "whole");
    g_assert_cmpstr(core->labels[0], ==, "whole");
    g_assert_cmpint(whole->source, ==, MT_HEAT_SEGMENTATION);
    g_assert_cmpint(whole->plane, ==, 1);
    g_assert_cmpint(whole->n_tiles, ==, 0);
    check_windows(whole, 2);
    check_windows(whole, 0.37);
    /* a px of 4 x 4: columns 8 to 11 of which 10, 11 are in the box, rows 4 to 7 of which 6, 7 are */
    float        value;
    uint8_t      state;
    mt_heat_view view = {.scale_x = 0.25, .scale_y = 0.25, .first_x = 2, .first_y = 1, .width = 1, .height = 1};
    g_assert_true(mt_heatmap_render(whole, &view, &value, &state, NULL));
    g_assert_cmpfloat_with_epsilon((double)value, 0.25, 1e-6);
    g_assert_true(mt_heatmap_render(core, &view, &value, &state, NULL));
    g_assert_cmpfloat((double)value, ==, 0);
    g_assert_cmpint(state, ==, MT_HEAT_VALUE);
    view.first_x = 10; /* beyond the edge */
    g_assert_true(mt_heatmap_render(whole, &view, &value, &state, NULL));
    g_assert_cmpint(state, ==, MT_HEAT_NONE);
}

static void test_errors_map(fixture *f, gconstpointer data)
{
    (void)data;
    make_map(f, true);
    g_autoptr(mt_heatmap) h = draw(f, (mt_heatmap_params){0});
    g_assert_cmpint(h->source, ==, MT_HEAT_ERROR);
    g_assert_cmpint(h->plane, ==, 1);
    g_assert_cmpfloat(h->range[1], ==, 4);
    float        value;
    uint8_t      state;
    mt_heat_view view = {.scale_x = 1, .scale_y = 1, .first_x = 25, .first_y = 8, .width = 1, .height = 1};
    g_assert_true(mt_heatmap_render(h, &view, &value, &state, NULL));
    g_assert_cmpfloat((double)value, ==, 0.5);
}

static void refuse(const fixture *f, mt_heatmap_params params, int code, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message = g_strdup_printf("draw a heatmap of %s: %s", f->path, why);

    params.plane = params.plane == 0 ? -1 : params.plane;
    g_assert_null(mt_heatmap_new(f->result, &params, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refused(fixture *f, gconstpointer data)
{
    float                   one = 1;
    const mt_heat_reference reference = {.numbers = &one, .n = 1};

    (void)data;
    make_map(f, false);
    refuse(f, (mt_heatmap_params){.label = "edema"}, MT_ERROR_USAGE, "it has no class edema: choose one of: whole, core");
    refuse(f, (mt_heatmap_params){.scale = MT_HEAT_PERCENTILE}, MT_ERROR_USAGE,
           "ranks and z-scores are of tiles, and a map is drawn: use --scale absolute");
    refuse(f, (mt_heatmap_params){.source = MT_HEAT_ERROR}, MT_ERROR_USAGE, "it has no such map");
    refuse(f, (mt_heatmap_params){.plane = 3}, MT_ERROR_INPUT, "/map/segmentation has no plane 3");
    refuse(f, (mt_heatmap_params){.smooth_um = -1}, MT_ERROR_USAGE, "the width of smoothing is no length");
    refuse(f, (mt_heatmap_params){.range = {1, 0}}, MT_ERROR_USAGE, "its range does not rise");
    refuse(f, (mt_heatmap_params){.reference = &reference}, MT_ERROR_USAGE, "a reference has numbers, and ranks are drawn with it");
}

static void test_refused_tiles(fixture *f, gconstpointer data)
{
    (void)data;
    make_random_tiles(f);
    refuse(f, (mt_heatmap_params){.source = MT_HEAT_ATTENTION}, MT_ERROR_USAGE, "it has no attention");
    refuse(f, (mt_heatmap_params){.source = MT_HEAT_PROBABILITY}, MT_ERROR_USAGE, "it has no such map");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/heat_field/windows", fixture, NULL, set_up, test_windows, tear_down);
    g_test_add_func("/heat_field/smooth", test_smooth);
    g_test_add("/heat_field/scales", fixture, NULL, set_up, test_scales, tear_down);
    g_test_add("/heat_field/map", fixture, NULL, set_up, test_map, tear_down);
    g_test_add("/heat_field/errors", fixture, NULL, set_up, test_errors_map, tear_down);
    g_test_add("/heat_field/refused", fixture, NULL, set_up, test_refused, tear_down);
    g_test_add("/heat_field/refused_tiles", fixture, NULL, set_up, test_refused_tiles, tear_down);
    return g_test_run();
}
