/* Colour maps and the picture of a result: a synthetic case of known truth is drawn, read back and looked at px by px. */
#include "src/export/canvas.h"
#include "src/export/overlay_private.h"
#include "src/result/headline.h"
#include "src/store/schema.h"
#include <microtome/colormap.h>
#include <microtome/overlay.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <vips/vips.h>

#define WIDTH0 60000
#define HEIGHT0 42000
#define EDGE 448
#define RING 720

typedef struct fixture {
    char *folder, *path, *png;
} fixture;

typedef enum parts { DEMO = 1, NO_TILES = 2, UNREAD = 4, XRAY = 8, SMALL = 16, TALL = 32 } parts;

static void set_up(fixture *f, gconstpointer data)
{
    (void)data;
    f->folder = g_dir_make_tmp("overlay-XXXXXX", NULL);
    g_assert_nonnull(f->folder);
    f->path = g_build_filename(f->folder, "a.h5", NULL);
    f->png = g_build_filename(f->folder, "a.png", NULL);
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
    g_free(f->png);
}

/* Two lobes with wavy rims and a hole in the first: centre, radii, waves. */
static const struct {
    double u, v, ru, rv;
    int    waves;
    bool   hole;
} shapes[] = {{0.36, 0.52, 0.26, 0.36, 9, false}, {0.29, 0.62, 0.05, 0.07, 3, true}, {0.78, 0.44, 0.15, 0.28, 7, false}};

static double rim(int i, double angle)
{
    return 1 + 0.06 * sin(shapes[i].waves * angle) + 0.03 * cos((2 * shapes[i].waves + 1) * angle);
}

/* > 0 inside the tissue, in shares of a lobe's radius. */
static double tissue_depth(double u, double v)
{
    double inside[3];

    for (int i = 0; i < 3; i++) {
        double x = (u - shapes[i].u) / shapes[i].ru, y = (v - shapes[i].v) / shapes[i].rv;
        inside[i] = rim(i, atan2(y, x)) - hypot(x, y);
    }
    return MAX(MIN(inside[0], -inside[1]), inside[2]);
}

static double noise(int x, int y)
{
    uint32_t h = (uint32_t)x * 374761393u + (uint32_t)y * 668265263u;

    h = (h ^ (h >> 13)) * 1274126177u;
    return (double)((h ^ (h >> 16)) & 0xffff) / 65535;
}

static mt_tensor *make_thumbnail(parts has)
{
    int64_t shape[3] = {(has & SMALL) != 0  ? 210
                        : (has & TALL) != 0 ? 1024
                                            : 717,
                        (has & SMALL) != 0  ? 300
                        : (has & TALL) != 0 ? 400
                                            : 1024,
                        3};
    mt_tensor *t = mt_tensor_new(MT_U8, 3, shape, NULL);

    for (int y = 0; y < shape[0]; y++)
        for (int x = 0; x < shape[1]; x++) {
            uint8_t *px = (uint8_t *)t->data + ((int64_t)y * shape[1] + x) * 3;
            bool     tissue = (has & NO_TILES) == 0 && tissue_depth((double)x / (double)shape[1], (double)y / (double)shape[0]) > 0;
            double   n = noise(x / 3, y / 3), dark = noise(x / 9, y / 9) < 0.3 ? 50 : 0;
            px[0] = (uint8_t)(tissue ? 205 + 20 * n - dark : 243);
            px[1] = (uint8_t)(tissue ? 145 + 45 * n - dark : 242);
            px[2] = (uint8_t)(tissue ? 185 + 25 * n - dark / 2 : 244);
            if ((has & XRAY) != 0)
                px[0] = px[1] = px[2] = (uint8_t)(70 + 100 * sin(3.14 * x / (double)shape[1]) + 20 * n);
        }
    return t;
}

static void write_tissue(mt_store *store)
{
    static int32_t points[3][2 * RING];
    mt_ring        rings[3];

    for (int r = 0; r < 3; r++) {
        for (int i = 0; i < RING; i++) {
            double angle = 2 * G_PI * i / RING;
            points[r][2 * i] = (int32_t)((shapes[r].u + shapes[r].ru * rim(r, angle) * cos(angle)) * WIDTH0);
            points[r][2 * i + 1] = (int32_t)((shapes[r].v + shapes[r].rv * rim(r, angle) * sin(angle)) * HEIGHT0);
        }
        rings[r] = (mt_ring){shapes[r].hole, RING, points[r]};
    }
    g_assert_true(mt_schema_write_rings(store, rings, 3, NULL));
}

static double tile_score(double x, double y)
{
    double u = (x + EDGE / 2) / WIDTH0, v = (y + EDGE / 2) / HEIGHT0;

    return MIN(1, 0.97 * exp(-(pow((u - 0.45) / 0.045, 2) + pow((v - 0.4) / 0.06, 2))) +
                      0.6 * exp(-(pow((u - 0.78) / 0.04, 2) + pow((v - 0.5) / 0.05, 2))) + 0.04 * noise((int)x / EDGE, (int)y / EDGE));
}

static int64_t write_tiles(mt_store *store, parts has, int64_t *invalid)
{
    g_autoptr(GArray) coords = g_array_new(false, false, sizeof(int64_t)), scores = g_array_new(false, false, sizeof(float));
    g_autoptr(GByteArray) valid = g_byte_array_new();
    const char *const labels[] = {"normal", "tumour", NULL};
    mt_coords_info    info = {.name = "a",
                              .patch_size = 224,
                              .patch_depth = 1,
                              .tile_level0 = {EDGE, EDGE},
                              .level0_width = WIDTH0,
                              .level0_height = HEIGHT0,
                              .mpp_x = 0.25,
                              .mpp_y = 0.25,
                              .target_mpp = 0.5,
                              .mpp_source = "openslide"};

    if ((has & XRAY) != 0)
        info.tile_level0[0] = WIDTH0, info.tile_level0[1] = HEIGHT0;
    for (int64_t y = 0; y < HEIGHT0; y += (has & XRAY) != 0 ? HEIGHT0 : EDGE)
        for (int64_t x = 0; x < WIDTH0 && (has & NO_TILES) == 0; x += (has & XRAY) != 0 ? WIDTH0 : EDGE) {
            double  u = ((double)x + EDGE / 2) / WIDTH0, v = ((double)y + EDGE / 2) / HEIGHT0;
            bool    unread = (has & UNREAD) != 0 && hypot(u - 0.2, v - 0.45) < 0.03;
            uint8_t ok = !unread;
            float   score[2] = {0, unread ? 0 : (float)tile_score((double)x, (double)y)};
            if ((has & XRAY) == 0 && tissue_depth(u, v) < -0.02)
                continue;
            score[0] = 1 - score[1];
            g_array_append_vals(coords, (int64_t[]){x, y}, 2);
            g_array_append_vals(scores, score, 2);
            g_byte_array_append(valid, &ok, 1);
            *invalid += unread;
        }
    int64_t n = (int64_t)valid->len, shape[2] = {n, 2};
    g_autoptr(mt_tensor) table = mt_tensor_new_view(MT_I64, 2, shape, coords->data, NULL);
    g_assert_true(mt_schema_write_coords(store, &info, table, NULL) && mt_schema_write_valid(store, valid->data, n, NULL));
    if ((has & XRAY) == 0)
        g_assert_true(mt_schema_write_tile_table(store, MT_OBJECT_TILE_SCORES, (float *)(void *)scores->data, 2, NULL, n, 0, labels, NULL));
    return n;
}

static mt_result *make_result(fixture *f, parts has)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_store) store = mt_store_create(f->path, &error);
    g_autoptr(mt_tensor) thumbnail = make_thumbnail(has);
    const char    *labels[] = {"normal", "tumour", NULL};
    float          scores[2] = {0.0839f, 0.9161f}, logits[2] = {-1, 1.3f};
    int64_t        invalid = 0, n = write_tiles(store, has, &invalid);
    mt_head_output output = {.n = n, .n_classes = 2, .scores = scores, .logits = logits};
    mt_head_card   card = {.labels = (char **)labels, .positive = (char *)"tumour", .threshold = 0.5, .temperature = 1, .has_card = true};
    g_autoptr(mt_prediction) p = mt_prediction_new(&output, &card, &(mt_prediction_facts){n, invalid, false, 0.01, 0.1, NULL}, &error);
    mt_headline_facts facts = {.id = "S23-01482 A3 H&E",
                               .tissue_mm2 = n > 0 ? 43.7 : 0,
                               .mpp_x = 0.25,
                               .mpp_y = 0.25,
                               .mpp_source = "openslide",
                               .encoder = (has & DEMO) != 0 ? "demo-texture" : "resnet50-imagenet",
                               .head = "clam_sb-camelyon16",
                               .precision = "bf16",
                               .demonstration = (has & DEMO) != 0};
    g_autofree char  *line = mt_headline_json(p, &facts, &error);

    g_assert_true(mt_schema_write_thumbnail(store, thumbnail, 0, &error));
    if ((has & (NO_TILES | XRAY)) == 0)
        write_tissue(store);
    if (n > 0)
        g_assert_true(mt_prediction_store(p, &output, &card, NULL, store, &error));
    g_assert_true(mt_store_publish(store, line, &error));
    g_assert_no_error(error);
    return mt_result_open(f->path, &error);
}

/* The picture as it was written: u8, three bands. */
static mt_canvas *draw(fixture *f, parts has, mt_heat_scale scale, const char *colormap)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_result) result = make_result(f, has);
    g_autoptr(mt_heatmap) heatmap = mt_heatmap_new(result, &(mt_heatmap_params){NULL, scale, -1}, &error);
    VipsImage  *image;
    size_t      bytes;
    const char *keep = g_getenv("MT_TEST_KEEP");

    g_assert_no_error(error);
    mt_overlay_png_write(result, heatmap, colormap != NULL ? mt_colormap_find(colormap, NULL) : NULL, f->png, &error);
    g_assert_no_error(error);
    image = vips_image_new_from_file(f->png, NULL);
    g_assert_true(image != NULL && image->Bands == 3);
    mt_canvas *canvas = mt_canvas_new(image->Xsize, image->Ysize, (mt_color){0}, NULL);
    uint8_t   *px = vips_image_write_to_memory(image, &bytes);
    memcpy(canvas->rgb, px, bytes);
    g_free(px);
    g_object_unref(image);
    if (keep != NULL) { /* for the eye */
        g_autofree char *copy = g_strdup_printf("%s/overlay-%d-%d.png", keep, (int)has, (int)scale);
        g_autofree char *data = NULL;
        g_assert_true(g_file_get_contents(f->png, &data, &bytes, NULL) && g_file_set_contents(copy, data, (gssize)bytes, NULL));
    }
    return canvas;
}

/* Pixel of the map at a relative place; `width` and `height` of the map. */
static const uint8_t *map_px(const mt_canvas *canvas, int width, int height, double u, double v)
{
    int room = canvas->width - MT_OVERLAY_PANEL - 3 * MT_OVERLAY_MARGIN,
        content = canvas->height - MT_OVERLAY_HEADER - MT_OVERLAY_FOOTER - 2 * MT_OVERLAY_MARGIN;
    int x = MT_OVERLAY_MARGIN + (room - width) / 2 + (int)(u * width),
        y = MT_OVERLAY_HEADER + MT_OVERLAY_MARGIN + (content - height) / 2 + (int)(v * height);

    return canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
}

static int spread(const uint8_t *px)
{
    return MAX(px[0], MAX(px[1], px[2])) - MIN(px[0], MIN(px[1], px[2]));
}

static void test_slide(fixture *f, gconstpointer data)
{
    g_autoptr(mt_canvas) canvas = draw(f, UNREAD, MT_HEAT_ABSOLUTE, NULL);
    const uint8_t *hot = map_px(canvas, 1024, 717, 0.437, 0.40), *cold = map_px(canvas, 1024, 717, 0.30, 0.40);
    int            dark = 0;

    (void)data;
    g_assert_cmpint(canvas->width, ==, 1024 + MT_OVERLAY_PANEL + 3 * MT_OVERLAY_MARGIN);
    g_assert_true(hot[0] > hot[2] + 60 && hot[0] > hot[1] + 60); /* red */
    g_assert_cmpint(spread(cold), <, 30);                        /* nearly the slide's grey */
    g_assert_cmpint(spread(map_px(canvas, 1024, 717, 0.02, 0.02)), <, 4);
    g_assert_cmpint(spread(map_px(canvas, 1024, 717, 0.29, 0.62)), <, 4); /* the hole */
    for (int i = 0; i < 20; i++)
        dark += map_px(canvas, 1024, 717, 0.2 + i / 1024.0, 0.45)[0] < 110;
    g_assert_true(dark >= 6 && dark <= 10); /* stripes: 4 of 10 px */
}

static void test_maps_and_scales(fixture *f, gconstpointer data)
{
    g_autoptr(mt_canvas) canvas = draw(f, 0, MT_HEAT_PERCENTILE, "viridis");
    const uint8_t *hot = map_px(canvas, 1024, 717, 0.437, 0.40), *middle;

    (void)data;
    g_assert_true(hot[0] > 200 && hot[1] > 190 && hot[2] < 120); /* yellow */
    middle = map_px(canvas, 1024, 717, 0.30, 0.40);
    g_assert_cmpint(spread(middle), >, 15); /* ranks colour what is cold, too */
}

static void test_demonstration(fixture *f, gconstpointer data)
{
    g_autoptr(mt_canvas) canvas = draw(f, DEMO, MT_HEAT_ABSOLUTE, NULL);
    const uint8_t *band = canvas->rgb + ((size_t)(canvas->height - 4) * (size_t)canvas->width + 10) * 3;

    (void)data;
    g_assert_true(band[0] == 190 && band[1] == 30 && band[2] == 45);
    tear_down(f, NULL);
    set_up(f, NULL);
    g_autoptr(mt_canvas) plain = draw(f, 0, MT_HEAT_ABSOLUTE, NULL);
    int red = 0, red_plain = 0;
    for (int y = 440; y < 530; y++)
        for (int x = 40; x < 1040; x++) {
            const uint8_t *a = canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
            const uint8_t *b = plain->rgb + ((size_t)y * (size_t)plain->width + (size_t)x) * 3;
            red += a[0] > a[2] + 25;
            red_plain += b[0] > b[2] + 25;
        }
    g_assert_cmpint(red, >, red_plain + 8000); /* the word across the map */
}

static void test_no_tissue(fixture *f, gconstpointer data)
{
    g_autoptr(mt_canvas) canvas = draw(f, NO_TILES, MT_HEAT_ABSOLUTE, NULL);
    int dark = 0;

    (void)data;
    for (int y = 150; y < 840; y++)
        for (int x = 40; x < 1040; x++)
            dark += canvas->rgb[((size_t)y * (size_t)canvas->width + (size_t)x) * 3] < 130;
    g_assert_cmpint(dark, >, 1500); /* "No tissue found" */
}

static void test_shapes(fixture *f, gconstpointer data)
{
    static const parts kinds[] = {XRAY, SMALL, TALL};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(mt_canvas) canvas = draw(f, kinds[i], MT_HEAT_ABSOLUTE, "turbo");
        g_assert_cmpint(canvas->width, >=, MT_OVERLAY_MIN_WIDTH);
        g_unlink(f->path);
    }
}

static void test_equal_bytes(fixture *f, gconstpointer data)
{
    g_autofree char *first = NULL, *second = NULL;
    gsize            n_first, n_second;

    (void)data;
    mt_canvas_free(draw(f, UNREAD | SMALL, MT_HEAT_ABSOLUTE, NULL));
    g_assert_true(g_file_get_contents(f->png, &first, &n_first, NULL));
    g_unlink(f->path);
    mt_canvas_free(draw(f, UNREAD | SMALL, MT_HEAT_ABSOLUTE, NULL)); /* over the older one */
    g_assert_true(g_file_get_contents(f->png, &second, &n_second, NULL));
    g_assert_cmpmem(first, n_first, second, n_second);
}

static void test_messages(fixture *f, gconstpointer data)
{
    g_autoptr(mt_result) result = make_result(f, SMALL);
    g_autoptr(mt_heatmap) heatmap = mt_heatmap_new(result, &(mt_heatmap_params){NULL, MT_HEAT_ABSOLUTE, -1}, NULL);
    g_autofree char *nowhere = g_build_filename(f->folder, "no", "a.png", NULL);
    g_autofree char *expected = g_strdup_printf("create a temporary file for %s: No such file or directory", nowhere);
    GError          *error = NULL;

    (void)data;
    g_assert_null(mt_colormap_find("jet", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, "colour map jet is unknown: choose one of: heat, inferno, viridis, magma, cividis, turbo, coolwarm");
    g_clear_error(&error);
    g_assert_false(mt_overlay_png_write(result, heatmap, NULL, nowhere, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, expected);
    g_clear_error(&error);
}

static void test_colormaps(void)
{
    static const struct {
        const char *name;
        uint8_t     low[3], high[3];
        bool        light; /* lightness only rises, or only falls */
    } maps[] = {{"heat", {255, 255, 204}, {128, 0, 38}, true},
                {"inferno", {0, 0, 4}, {252, 255, 164}, true},
                {"viridis", {68, 1, 84}, {253, 231, 37}, true},
                {"magma", {0, 0, 4}, {252, 253, 191}, true},
                {"cividis", {0, 34, 78}, {254, 232, 56}, true},
                {"turbo", {48, 18, 59}, {122, 4, 3}, false},
                {"coolwarm", {59, 76, 192}, {180, 4, 38}, false}};
    g_auto(GStrv) names = g_strsplit(mt_colormap_names(), ", ", -1);

    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        const mt_colormap *map = mt_colormap_find(maps[i].name, NULL);
        uint8_t            low[3], high[3], last[3], next[3];
        double             rise = 0;
        g_assert_cmpstr(mt_colormap_name(map), ==, names[i]);
        mt_colormap_color(map, NAN, low);
        g_assert_cmpmem(low, 3, maps[i].low, 3);
        mt_colormap_color(map, 7, high);
        g_assert_cmpmem(high, 3, maps[i].high, 3);
        memcpy(last, low, 3);
        for (int k = 1; k <= 1000; k++, memcpy(last, next, 3)) {
            mt_colormap_color(map, (float)k / 1000, next);
            for (int c = 0; c < 3; c++)
                g_assert_cmpint(abs(next[c] - last[c]), <=, 3); /* no seams */
            double step = 0.299 * (next[0] - last[0]) + 0.587 * (next[1] - last[1]) + 0.114 * (next[2] - last[2]);
            g_assert_true(!maps[i].light || rise * step >= -0.7);
            rise = step != 0 ? step : rise;
        }
    }
    g_assert_cmpstr(mt_colormap_name(mt_colormap_find(NULL, NULL)), ==, "heat");
}

/* Text that would be markup, is too long, or is no UTF-8. */
static void test_text(void)
{
    g_autoptr(mt_canvas) canvas = mt_canvas_new(300, 60, (mt_color){255, 255, 255}, NULL);
    mt_text_style style = {.size_px = 16, .width = 120};
    g_autoptr(GError) error = NULL;
    g_autofree char *wide = g_strnfill(400, 'w');

    g_assert_true(mt_canvas_text(canvas, 5, 5, "<b>&\xff", &style, &error));
    g_assert_true(mt_canvas_text(canvas, 5, 30, wide, &style, &error));
    g_assert_true(mt_canvas_text(canvas, 5, 30, "  ", &style, &error));
    g_assert_no_error(error);
    g_assert_cmpint(mt_canvas_text_width(wide, &style, &error), <=, 122);
    for (int y = 0; y < 60; y++)
        for (int x = 130; x < 300; x++)
            g_assert_cmpint(canvas->rgb[3 * (300 * y + x)], ==, 255);
    mt_canvas_fill(canvas, -10, -10, 1000, 15, (mt_color){0}); /* clipped */
    g_assert_cmpint(canvas->rgb[3 * (300 * 4 + 299)], ==, 0);
    g_assert_cmpint(canvas->rgb[3 * (300 * 5 + 299)], ==, 255);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/overlay/" name, fixture, NULL, set_up, function, tear_down)
    ADD("slide", test_slide);
    ADD("maps-and-scales", test_maps_and_scales);
    ADD("demonstration", test_demonstration);
    ADD("no-tissue", test_no_tissue);
    ADD("shapes", test_shapes);
    ADD("equal-bytes", test_equal_bytes);
    ADD("messages", test_messages);
    g_test_add_func("/overlay/colormaps", test_colormaps);
    g_test_add_func("/overlay/text", test_text);
    return g_test_run();
}
