/* Masks that come as files.  Truths are constructed: polygons against an own point-in-polygon test at pixel centres. */
#include "src/base/alloc.h"
#include "tests/unit/tiling_samples.h"
#include "tiling/annotation.h"
#include "tiling/rings.h"

#include <microtome/geojson.h>
#include <microtome/mask_png.h>
#include <microtome/masker.h>

#include <math.h>
#include <string.h>

#define WIDTH 200
#define HEIGHT 150

typedef struct fixture {
    mt_tiling_sample sample;
    mt_case         *c;
    GPtrArray       *files;
} fixture;

static void set_up(fixture *f, const void *data)
{
    (void)data;
    f->sample = mt_tiling_sample_rgb(WIDTH, HEIGHT);
    f->c = mt_tiling_sample_open(&f->sample, 0.5);
    f->files = g_ptr_array_new_with_free_func(g_free);
}

static void tear_down(fixture *f, const void *data)
{
    (void)data;
    for (guint i = 0; i < f->files->len; i++)
        g_unlink(f->files->pdata[i]);
    g_ptr_array_unref(f->files);
    mt_case_free(f->c);
    mt_tiling_sample_clear(&f->sample);
}

/* A path in the sample's folder, removed at the end. */
static const char *file_named(fixture *f, const char *name)
{
    char *path = g_build_filename(f->sample.folder, name, NULL);

    g_ptr_array_add(f->files, path);
    return path;
}

static const char *write_text(fixture *f, const char *name, const char *text)
{
    const char *path = file_named(f, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

/* The ending of `name` chooses the format. */
static const char *write_picture(fixture *f, const char *name, int width, int height, int channels, const uint8_t *pixels)
{
    const char *path = file_named(f, name);
    VipsImage  *image = vips_image_new_from_memory(pixels, (size_t)(width * height * channels), width, height, channels, VIPS_FORMAT_UCHAR);

    image->Type = channels == 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
    g_assert_cmpint(vips_image_write_to_file(image, path, NULL), ==, 0);
    g_object_unref(image);
    return path;
}

static mt_mask *use(fixture *f, const char *path, GError **error)
{
    g_autofree char *method = g_strconcat("file:", path, NULL);

    return mt_mask_new(f->c, method, error);
}

static mt_mask *use_text(fixture *f, const char *text)
{
    g_autoptr(GError) error = NULL;
    mt_mask *mask = use(f, write_text(f, "a.geojson", text), &error);

    g_assert_no_error(error);
    return mask;
}

static void assert_refused(fixture *f, const char *path, mt_error code, const char *format, ...) G_GNUC_PRINTF(4, 5);

static void assert_refused(fixture *f, const char *path, mt_error code, const char *format, ...)
{
    g_autoptr(GError) error = NULL;
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_assert_null(use(f, path, &error));
    g_assert_cmpstr(error->message, ==, message);
    g_assert_error(error, MT_ERROR, (int)code);
}

static int64_t count_foreground(const mt_mask *mask)
{
    int64_t width, height, n = 0;

    mt_mask_size(mask, &width, &height);
    for (int64_t i = 0; i < width * height; i++)
        n += mt_mask_pixels(mask)[i] != 0;
    return n;
}

/* --- pictures --- */

static void test_picture(fixture *f, const void *data)
{
    uint8_t pixels[20 * 15];

    (void)data;
    for (int i = 0; i < 20 * 15; i++)
        pixels[i] = i % 20 < 7 ? 128 : 127;
    const char *path = write_picture(f, "a.png", 20, 15, 1, pixels);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_mask) mask = use(f, path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mt_mask_method(mask), ==, "file:a.png");
    g_assert_cmpuint(strlen(mt_mask_sha256(mask)), ==, 64);
    g_assert_null(mt_mask_note(mask));
    g_assert_cmpfloat(mt_mask_share(mask, 0, 0, 70, 150), ==, 1);
    g_assert_cmpfloat(mt_mask_share(mask, 70, 0, 130, 150), ==, 0);
    g_assert_cmpfloat_with_epsilon(mt_mask_area_mm2(mask), 70 * 150 * 0.25 / 1e6, 1e-12);
}

/* The same mask in every format, gray stored as RGB included; an all-black one is an empty mask. */
static void test_picture_formats(fixture *f, const void *data)
{
    static const char *const names[] = {"g.png", "g.tif", "g.tiff", "g.jpg", "g.JPEG"};
    uint8_t                  gray[80 * 60], rgb[80 * 60 * 3];

    (void)data;
    for (int i = 0; i < 80 * 60; i++)
        gray[i] = rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = i % 80 < 32 && i / 80 < 40 ? 255 : 0;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_mask) mask = use(f, write_picture(f, names[i], 80, 60, 1, gray), &error);
        g_assert_no_error(error);
        g_assert_cmpint(count_foreground(mask), ==, 32 * 40);
    }
    g_autoptr(mt_mask) coloured = use(f, write_picture(f, "rgb.png", 80, 60, 3, rgb), NULL);
    g_assert_cmpint(count_foreground(coloured), ==, 32 * 40);
    memset(gray, 0, sizeof gray);
    g_autoptr(mt_mask) empty = use(f, write_picture(f, "e.png", 80, 60, 1, gray), NULL);
    g_assert_cmpint(count_foreground(empty), ==, 0);
}

static void test_one_bit(fixture *f, const void *data)
{
    const char *path = file_named(f, "bit.png");
    uint8_t     pixels[20 * 15];

    (void)data;
    for (int i = 0; i < 20 * 15; i++)
        pixels[i] = i % 3 == 0 ? 255 : 0;
    VipsImage *image = vips_image_new_from_memory(pixels, sizeof pixels, 20, 15, 1, VIPS_FORMAT_UCHAR);
    image->Type = VIPS_INTERPRETATION_B_W;
    g_assert_cmpint(vips_pngsave(image, path, "bitdepth", 1, NULL), ==, 0);
    g_object_unref(image);
    g_autoptr(mt_mask) mask = use(f, path, NULL);
    g_assert_cmpint(count_foreground(mask), ==, 100);
}

static void test_picture_refused(fixture *f, const void *data)
{
    uint8_t     ones[20 * 16 * 3];
    const char *case_path = mt_case_path(f->c);

    (void)data;
    memset(ones, 1, sizeof ones);
    const char *path = write_picture(f, "wide.png", 20, 12, 1, ones);
    assert_refused(f, path, MT_ERROR_INPUT,
                   "use the mask %s for %s: it has 20 x 12 pixels and the plane 200 x 150: a picture of the whole plane is wanted", path,
                   case_path);
    path = write_picture(f, "dark.png", 20, 15, 1, ones);
    assert_refused(f, path, MT_ERROR_INPUT,
                   "use the mask %s: its brightest pixel is 1 and foreground is above 127: write foreground as 255, or all as 0 for none",
                   path);
    ones[1] = 200;
    path = write_picture(f, "colour.png", 20, 15, 3, ones);
    assert_refused(f, path, MT_ERROR_INPUT, "use the mask %s: it is in colour: gray is wanted, above 127 is foreground", path);
    mt_tiling_sample deep = mt_tiling_sample_u16(20, 15);
    assert_refused(f, deep.path, MT_ERROR_INPUT,
                   "use the mask %s: it has 1 channel(s) of uint16 in 1 plane(s): one plane of 8-bit or 1-bit gray is wanted", deep.path);
    mt_tiling_sample_clear(&deep);
    g_autoptr(mt_mask) rounded = use(f, write_picture(f, "rounded.png", 20, 16, 1, memset(ones, 255, sizeof ones)), NULL);
    g_assert_nonnull(rounded); /* 15 is a pixel away from 16 */
}

/* --- regions --- */

#define SQUARE(x, y, edge_x, edge_y) "[[" #x "," #y "],[" #edge_x "," #y "],[" #edge_x "," #edge_y "],[" #x "," #edge_y "],[" #x "," #y "]]"
#define POLYGON(rings) "{\"type\":\"Polygon\",\"coordinates\":[" rings "]}"
#define FEATURE(class, geometry)                                                                                                           \
    "{\"type\":\"Feature\",\"properties\":{\"objectType\":\"annotation\",\"classification\":{\"name\":\"" class "\"}},"                    \
                                                                                                                "\"geometry\":" geometry   \
                                                                                                                "}"
#define COLLECTION(features) "{\"type\":\"FeatureCollection\",\"features\":[" features "]}"

static void assert_is_square(const mt_mask *mask, int x0, int y0, int x1, int y1)
{
    int64_t width, height;

    mt_mask_size(mask, &width, &height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            g_assert_cmpint(mt_mask_pixels(mask)[y * width + x], ==, x >= x0 && x < x1 && y >= y0 && y < y1 ? 255 : 0);
}

/* One square in every wrapping that QuPath and others write. */
static void test_wrappings(fixture *f, const void *data)
{
    static const char *const texts[] = {
        COLLECTION(FEATURE("Tumor", POLYGON(SQUARE(20, 30, 120, 90)))),
        "[" FEATURE("Tumor", POLYGON(SQUARE(20, 30, 120, 90))) "]",
        FEATURE("Tumor", POLYGON(SQUARE(20, 30, 120, 90))),
        POLYGON(SQUARE(20, 30, 120, 90)),
        "{\"type\":\"MultiPolygon\",\"coordinates\":[[" SQUARE(20, 30, 120, 90) "]]}",
        "{\"type\":\"GeometryCollection\",\"geometries\":[" POLYGON(SQUARE(20, 30, 120, 60)) "," POLYGON(SQUARE(20, 60, 120, 90)) "]}",
        FEATURE("Tumor", "{\"geometries\":[" POLYGON(SQUARE(20, 30, 120, 90)) "],\"type\":\"GeometryCollection\"}"),
        "\xef\xbb\xbf\n { \"crs\" : {\"features\":[1,\"]\"]}, \"features\" : [ " FEATURE(
            "T", POLYGON(SQUARE(20, 30, 120, 90))) " ]\n, \"type\""
                                                   ": \"FeatureCollection\" } ",
        POLYGON("[[20.2,29.9,7],[120.4,30.4],[119.5,90.0],[2.0e1,89.6]]"), /* not closed, fractions, a height */
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(mt_mask) mask = use_text(f, texts[i]);
        assert_is_square(mask, 20, 30, 120, 90);
        g_assert_null(mt_mask_note(mask));
    }
}

/* Rings are the drawn ones, with their class, where they say what the pixels say. */
static void test_rings_and_classes(fixture *f, const void *data)
{
    g_autoptr(mt_mask) mask = use_text(
        f, COLLECTION(FEATURE("Tumor \\\"a\\\"", POLYGON(SQUARE(10, 10, 90, 90) "," SQUARE(20, 20, 50, 50))) "," FEATURE(
               "", "{\"type\":\"MultiPolygon\",\"coordinates\":[[" SQUARE(100, 10, 110, 20) "],[" SQUARE(120, 10, 130, 20) "]]}")));

    (void)data;
    g_assert_cmpint(count_foreground(mask), ==, 80 * 80 - 30 * 30 + 200);
    g_assert_cmpint(mt_mask_n_rings(mask), ==, 4);
    for (int i = 0; i < 4; i++) {
        g_assert_cmpint(mt_mask_ring(mask, i).n, ==, 4);
        g_assert_true(mt_mask_ring(mask, i).hole == (i == 1));
        g_assert_cmpstr(mt_mask_ring_class(mask, i), ==, i < 2 ? "Tumor \"a\"" : NULL);
    }
    g_assert_cmpint(mt_mask_ring(mask, 1).points[1], ==, 20);
    const char      *path = file_named(f, "out.geojson");
    g_autofree char *text = NULL;
    g_assert_true(mt_geojson_write_mask(mask, path, false, NULL));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "\"classification\":{\"name\":\"Tumor \\\"a\\\"\""));
}

/* Overlaps are joined, not even-odd; ignored classes are cut out whatever the order; then the rings are traced. */
static void test_union_and_ignored(fixture *f, const void *data)
{
    g_autoptr(mt_mask) joined =
        use_text(f, COLLECTION(FEATURE("A", POLYGON(SQUARE(20, 30, 80, 90))) "," FEATURE("B", POLYGON(SQUARE(60, 30, 120, 90)))));
    g_autoptr(mt_mask) cut =
        use_text(f, COLLECTION(FEATURE("Ignore*", POLYGON(SQUARE(60, 0, 200, 150))) "," FEATURE("A", POLYGON(SQUARE(20, 30, 80, 90)))));
    g_autoptr(mt_mask) excluded = use_text(
        f, COLLECTION(FEATURE("A", POLYGON(SQUARE(20, 30, 80, 90))) "," FEATURE("exclude: pen", POLYGON(SQUARE(60, 0, 200, 150)))));
    g_autoptr(mt_mask) region = use_text(f, COLLECTION(FEATURE("Region*", POLYGON(SQUARE(20, 30, 80, 90)))));
    g_autoptr(mt_mask) nothing = use_text(f, COLLECTION(FEATURE("Ignore*", POLYGON(SQUARE(60, 0, 200, 150)))));

    (void)data;
    assert_is_square(joined, 20, 30, 120, 90);
    g_assert_cmpint(mt_mask_n_rings(joined), ==, 1);
    g_assert_null(mt_mask_ring_class(joined, 0));
    assert_is_square(cut, 20, 30, 60, 90);
    g_assert_cmpint(mt_mask_n_rings(cut), ==, 1);
    assert_is_square(excluded, 20, 30, 60, 90);
    assert_is_square(region, 20, 30, 80, 90);
    g_assert_cmpint(count_foreground(nothing), ==, 0);
}

/* Reaching over the plane's edge is clipped, and the rings are the clipped ones. */
static void test_over_the_edge(fixture *f, const void *data)
{
    g_autoptr(mt_mask) mask = use_text(f, POLYGON(SQUARE(-50, -60, 40, 30)));

    (void)data;
    assert_is_square(mask, 0, 0, 40, 30);
    g_assert_cmpint(mt_mask_n_rings(mask), ==, 1);
    g_assert_cmpint(mt_mask_ring(mask, 0).points[0], >=, 0);
    g_assert_cmpfloat_with_epsilon(mt_mask_area_mm2(mask), 40 * 30 * 0.25 / 1e6, 1e-12);
}

static void test_empty(fixture *f, const void *data)
{
    static const char *const texts[] = {COLLECTION(""),
                                        "[]",
                                        "{\"type\":\"GeometryCollection\",\"geometries\":[]}",
                                        "{\"type\":\"MultiPolygon\",\"coordinates\":[]}",
                                        POLYGON(""),
                                        POLYGON("[[5,5],[5.1,5],[5.1,5.1],[5,5.1],[5,5]]")};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(mt_mask) mask = use_text(f, texts[i]);
        g_assert_cmpint(count_foreground(mask), ==, 0);
        g_assert_cmpint(mt_mask_n_rings(mask), ==, 0);
    }
}

static void test_skipped(fixture *f, const void *data)
{
    static const char *const beside =
        "{\"type\":\"Feature\",\"geometry\":{\"type\":\"LineString\",\"coordinates\":[[0,0],[9,9]]},\"properties\":null},"
        "{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[3,3]}},"
        "{\"type\":\"Feature\",\"id\":\"PathCellObject\",\"geometry\":" POLYGON(
            SQUARE(0, 0, 9, 9)) "},"
                                "{\"type\":\"Feature\",\"properties\":{\"objectType\":\"detection\"},\"geometry\":" POLYGON(
                                    SQUARE(0, 0, 9, 9)) "},"
                                                        "{\"type\":\"Feature\",\"geometry\":null}";
    g_autofree char *both = g_strdup_printf("[%s,%s]", beside, FEATURE("A", POLYGON(SQUARE(20, 30, 80, 90))));
    g_autofree char *alone = g_strdup_printf("[%s]", beside);
    g_autoptr(mt_mask) mask = use_text(f, both);

    (void)data;
    assert_is_square(mask, 20, 30, 80, 90);
    g_assert_cmpstr(mt_mask_note(mask), ==, "skipped: 1 Point, 1 LineString, 1 detection, 1 cell, 1 without geometry");
    const char *path = write_text(f, "alone.geojson", alone);
    assert_refused(
        f, path, MT_ERROR_INPUT,
        "read the regions of %s: it holds no region, only what is skipped (1 Point, 1 LineString, 1 detection, 1 cell, 1 without "
        "geometry): draw areas and export them as annotations",
        path);
}

static void test_refused_text(fixture *f, const void *data)
{
    static const char *const expected[][2] = {
        {"", "the text ends within a value"},
        {"nothing", "no GeoJSON: it begins with neither '{' nor '['"},
        {"{", "the text ends within a value"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[NaN,1],[2,2]]]}", "no JSON: invalid token near 'NaN' at byte 44"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1e999,1],[2,2]]]}", "no JSON: real number overflow near '1e999' at byte 46"},
        {"[" FEATURE("A", POLYGON(SQUARE(0, 0, 9, 9))) ",{\"type\":\"Feature\"", "feature 2: the text ends within a value"},
        {"[" FEATURE("A", POLYGON(SQUARE(0, 0, 9, 9))) " 7]", "feature 1: ',' or ']' is wanted after it"},
        {"[7]", "feature 1: no JSON: '[' or '{' expected near '7' at byte 1"},
        {"[[]]", "feature 1: an object is wanted"},
        {"[{}]", "feature 1: a geometry without type"},
        {"[] x", "no JSON: end of file expected near 'x' at byte 4"},
        {"{\"type\":\"Nothing\",\"features\":[]}", "its type is 'Nothing': FeatureCollection is wanted"},
        {"[" POLYGON("[[0,0],[1e300,1],[2,2]]") "]", "feature 1: point 2 of a ring is at 1e+300: no slide is that large"},
        {POLYGON("[[0,0],[-2e9,1],[2,2]]"), "point 2 of a ring is at -2e+09: no slide is that large"},
        {POLYGON("[[0,0],[1,null],[2,2]]"), "point 2 of a ring is no pair of numbers"},
        {POLYGON("[[0,0],[1],[2,2]]"), "point 2 of a ring is no pair of numbers"},
        {POLYGON("[[0,0],[1,1],[0,0]]"), "a ring of 2 different points: at least 3 are wanted"},
        {POLYGON("7"), "a ring of 0 different points: at least 3 are wanted"},
        {"{\"type\":\"Polygon\"}", "a polygon without coordinates"},
        {"{\"type\":\"MultiPolygon\"}", "a MultiPolygon without coordinates"},
        {"{\"type\":\"GeometryCollection\"}", "a GeometryCollection without geometries"},
        {"{\"type\":\"Circle\"}", "unknown geometry 'Circle': Polygon, MultiPolygon and GeometryCollection are read"},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        const char *path = write_text(f, "bad.json", expected[i][0]);
        assert_refused(f, path, MT_ERROR_INPUT, "read the regions of %s: %s", path, expected[i][1]);
    }
    const char *path = write_text(f, "far.json", COLLECTION(FEATURE("A", POLYGON(SQUARE(200, 0, 900, 90)))));
    assert_refused(f, path, MT_ERROR_INPUT,
                   "use the regions of %s for %s: all 1 lie outside its plane of 200 x 150 pixels: were they drawn on another slide?", path,
                   mt_case_path(f->c));
}

static void test_limits(fixture *f, const void *data)
{
    g_autoptr(GString) deep = g_string_new("{\"type\":\"Polygon\",\"coordinates\":");
    g_autoptr(GString) objects = g_string_new("[[");
    g_autoptr(GString) points = g_string_new("[{\"type\":\"Polygon\",\"coordinates\":[[");

    (void)data;
    for (int i = 0; i < 64; i++)
        g_string_append_c(deep, '[');
    const char *path = write_text(f, "deep.json", deep->str);
    assert_refused(f, path, MT_ERROR_INPUT, "read the regions of %s: it nests too deep", path);
    for (int i = 0; i < 3400000; i++)
        g_string_append(objects, "{},");
    g_string_append(objects, "{}]]");
    path = write_text(f, "objects.json", objects->str);
    assert_refused(f, path, MT_ERROR_INPUT, "read the regions of %s: feature 1: it would take more than 1024 MB to parse", path);
    for (int i = 0; i < 200000; i++)
        g_string_append_printf(points, "[%d,%d],", i % 7, i % 11);
    g_string_append(points, "[9,9]]]}");
    g_autofree char *once = g_strdup(points->str + 1);
    for (int i = 0; i < 19; i++)
        g_string_append_printf(points, ",%s", once);
    g_string_append_c(points, ']');
    path = write_text(f, "points.json", points->str);
    assert_refused(f, path, MT_ERROR_INPUT, "read the regions of %s: feature 20: more than 4000000 points in all", path);
    assert_refused(f, f->sample.folder, MT_ERROR_MISSING,
                   "find the mask of %s: in folder %s there is no sample.geojson, .json, .png, .tif, .tiff, .jpg or .jpeg",
                   mt_case_path(f->c), f->sample.folder);
}

static bool is_inside(const double *xy, int n, double x, double y)
{
    bool inside = false;

    for (int i = 0, j = n - 1; i < n; j = i++)
        if ((xy[2 * i + 1] > y) != (xy[2 * j + 1] > y) &&
            x < (xy[2 * j] - xy[2 * i]) * (y - xy[2 * i + 1]) / (xy[2 * j + 1] - xy[2 * i + 1]) + xy[2 * i])
            inside = !inside;
    return inside;
}

/* Random stars with a hole: foreground exactly where the centre of a pixel is inside the ring and outside the hole. */
static void test_random_polygons(fixture *f, const void *data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);

    (void)data;
    for (int round = 0; round < 20; round++) {
        double ring[2][2 * 24];
        g_autoptr(GString) text = g_string_new("{\"type\":\"Polygon\",\"coordinates\":[");
        for (int r = 0; r < 2; r++) {
            g_string_append(text, r ? ",[" : "[");
            for (int i = 0; i < 24; i++) {
                double radius = g_rand_double_range(rand, r ? 5 : 35, r ? 30 : 90);
                ring[r][2 * i] = floor(100 + radius * cos(i * G_PI / 12));
                ring[r][2 * i + 1] = floor(75 + radius * sin(i * G_PI / 12));
                g_string_append_printf(text, "[%g,%g],", ring[r][2 * i], ring[r][2 * i + 1]);
            }
            g_string_append_printf(text, "[%g,%g]]", ring[r][0], ring[r][1]);
        }
        g_string_append(text, "]}");
        g_autoptr(mt_mask) mask = use_text(f, text->str);
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++)
                g_assert_cmpint(mt_mask_pixels(mask)[y * WIDTH + x] != 0, ==,
                                is_inside(ring[0], 24, x + 0.5, y + 0.5) && !is_inside(ring[1], 24, x + 0.5, y + 0.5));
    }
}

/* QuPath counts from the corner of the bounds. */
static void test_origin(fixture *f, const void *data)
{
    static const char    text[] = POLYGON("[[0,0],[10.4,0],[10.6,20]]");
    static const int32_t expected[] = {1000, 2000, 1010, 2000, 1011, 2020};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_annotation) a = mt_annotation_parse(text, strlen(text), "x", (const int64_t[]){1000, 2000}, &error);

    (void)f, (void)data;
    g_assert_no_error(error);
    g_assert_cmpint(a->rings->n, ==, 1);
    g_assert_cmpmem(a->rings->points, 3 * 2 * sizeof(int32_t), expected, sizeof expected);
}

/* What we write of a mask is read back as that mask: islands, holes in holes and touching corners included. */
static void test_round_trip(fixture *f, const void *data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(9);

    (void)data;
    for (int round = 0; round < 6; round++) {
        g_autofree uint8_t *pixels = g_malloc(WIDTH * HEIGHT);
        for (int i = 0; i < WIDTH * HEIGHT; i++)
            pixels[i] = g_rand_int_range(rand, 0, 6) > round ? 255 : 0;
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_mask) mask = use(f, write_picture(f, "m.png", WIDTH, HEIGHT, 1, pixels), &error);
        g_assert_no_error(error);
        const char *path = file_named(f, "back.geojson");
        g_assert_true(mt_geojson_write_mask(mask, path, true, &error));
        g_autoptr(mt_mask) back = use(f, path, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(mt_mask_pixels(back), WIDTH * HEIGHT, pixels, WIDTH * HEIGHT);
        g_assert_cmpint(mt_mask_n_rings(back), ==, mt_mask_n_rings(mask));
    }
}

/* --- files and folders --- */

static void test_folder(fixture *f, const void *data)
{
    g_autofree char *method = g_strconcat("file:", f->sample.folder, "/", NULL), *name = g_path_get_basename(f->sample.folder);
    g_autofree char *text = g_strdup_printf("method=file:%s/\n", name);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_masker) masker = mt_masker_new(method, &error);
    uint8_t white[20 * 15];

    (void)data;
    g_assert_no_error(error);
    g_assert_null(mt_masker_sha256(masker));
    g_autofree char *shown = mt_masker_text(masker);
    g_assert_cmpstr(shown, ==, text);
    g_assert_null(mt_masker_run(masker, f->c, "7", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_nonnull(strstr(error->message, "there is no sample.geojson, .json, .png, .tif, .tiff, .jpg or .jpeg or 7.geojson, .."));
    g_clear_error(&error);
    write_picture(f, "sample.tif", 20, 15, 1, memset(white, 255, sizeof white));
    g_autoptr(mt_mask) by_stem = mt_masker_run(masker, f->c, "7", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mt_mask_method(by_stem), ==, "file:sample.tif");
    write_text(f, "7.geojson", COLLECTION(""));
    g_autoptr(mt_mask) by_id = mt_masker_run(masker, f->c, "7", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mt_mask_method(by_id), ==, "file:7.geojson");
    const char      *second = write_text(f, "7.json", COLLECTION(""));
    g_autofree char *both =
        g_strdup_printf("find the mask of %s: there are %s/7.geojson and %s: keep one", mt_case_path(f->c), f->sample.folder, second);
    g_assert_null(mt_masker_run(masker, f->c, "7", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
}

static void test_masker(fixture *f, const void *data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_null(mt_masker_new("nosuch", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==,
                    "prepare the mask: unknown method 'nosuch': use otsu, clam:PRESET, field, body, none, file:PATH or model:FILE.onnx");
    g_clear_error(&error);
    g_assert_null(mt_masker_new("file:/nowhere/a.png", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
    g_assert_cmpstr(error->message, ==, "use the mask /nowhere/a.png: no such file or folder");
    g_clear_error(&error);
    g_autofree char *method = g_strconcat("file:", write_text(f, "a.svg", ""), NULL);
    g_autofree char *message =
        g_strdup_printf("use %s as a mask: a name in .geojson, .json, .png, .tif, .tiff, .jpg or .jpeg is wanted", method + 5);
    g_assert_null(mt_masker_new(method, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, message);
    g_clear_error(&error);
    g_autoptr(mt_masker) usual = mt_masker_new(NULL, &error), one = NULL;
    g_autofree char *text = mt_masker_text(usual), *file = g_strconcat("file:", write_text(f, "b.json", "[]"), NULL);
    g_assert_cmpstr(text, ==, "method=by kind\n");
    one = mt_masker_new(file, &error);
    g_autofree char *with_hash = mt_masker_text(one);
    g_assert_cmpstr(with_hash, ==, "method=file:b.json\nsha256=4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945\n");
    g_autoptr(mt_mask) mask = mt_masker_run(one, f->c, NULL, &error);
    g_assert_cmpstr(mt_mask_sha256(mask), ==, mt_masker_sha256(one));
}

static void test_refused_memory(fixture *f, const void *data)
{
    uint8_t     white[20 * 15];
    const char *paths[] = {write_picture(f, "w.png", 20, 15, 1, memset(white, 255, sizeof white)),
                           write_text(f, "w.json", COLLECTION(FEATURE("A", POLYGON(SQUARE(10, 10, 90, 90) "," SQUARE(20, 20, 50, 50)))))};

    (void)data;
    for (int i = 0; i < 2; i++) {
        bool done = false;
        for (int k = 1; k < 100 && !done; k++) {
            g_autoptr(GError) error = NULL;
            mt_alloc_fail_at(k);
            g_autoptr(mt_mask) mask = use(f, paths[i], &error);
            mt_alloc_fail_at(0);
            done = mask != NULL;
            if (!done)
                g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
        }
        g_assert_true(done);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!mt_tiling_sample_start(argv[0]))
        return 1;
#define ADD(name, function) g_test_add("/mask-file/" name, fixture, NULL, set_up, function, tear_down)
    ADD("picture", test_picture);
    ADD("picture-formats", test_picture_formats);
    ADD("one-bit", test_one_bit);
    ADD("picture-refused", test_picture_refused);
    ADD("wrappings", test_wrappings);
    ADD("rings-and-classes", test_rings_and_classes);
    ADD("union-and-ignored", test_union_and_ignored);
    ADD("over-the-edge", test_over_the_edge);
    ADD("empty", test_empty);
    ADD("skipped", test_skipped);
    ADD("refused-text", test_refused_text);
    ADD("limits", test_limits);
    ADD("random-polygons", test_random_polygons);
    ADD("origin", test_origin);
    ADD("round-trip", test_round_trip);
    ADD("folder", test_folder);
    ADD("masker", test_masker);
    ADD("refused-memory", test_refused_memory);
    return g_test_run();
}
