/* Slides: facts of expected.json (read by OpenSlide itself), pixels at every level, handles that die, threads. */
#include "src/case/argb.h"
#include "src/case/source.h"

#include <jansson.h>
#include <math.h>
#include <openslide.h>
#include <string.h>
#include <tiffio.h>

static const char *data_dir(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL)
        g_test_skip("MICROTOME_TEST_DATA is not set");
    return dir;
}

/* Python writes NaN, which is not JSON. */
static json_t *load_expected(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, "expected.json", NULL);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_autoptr(GString) json = g_string_new(text);
    g_string_replace(json, ": NaN", ": null", 0);
    json_t *root = json_loads(json->str, 0, NULL);
    g_assert_nonnull(root);
    return root;
}

static mt_case *open_sample(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) error = NULL;
    mt_case *c = mt_case_open(path, NULL, &error);

    g_assert_no_error(error);
    g_assert_nonnull(c);
    return c;
}

static uint8_t *read_rgb(mt_case *c, int level, int64_t x, int64_t y, int64_t width, int64_t height)
{
    g_autoptr(GError) error = NULL;
    uint8_t *out = g_malloc((gsize)(width * height * 3));

    mt_case_read(c, 0, level, x, y, width, height, out, &error);
    g_assert_no_error(error);
    return out;
}

static double text_number(json_t *entry, const char *key)
{
    const char *text = json_string_value(json_object_get(entry, key));

    return text != NULL ? g_ascii_strtod(text, NULL) : 0;
}

static void check_levels(mt_case *c, json_t *levels)
{
    g_assert_cmpint(mt_case_levels(c), ==, json_array_size(levels));
    for (int i = 0; i < mt_case_levels(c); i++) {
        const mt_level *level = mt_case_level(c, i), *first = mt_case_level(c, 0);
        json_t         *known = json_array_get(levels, (size_t)i);
        double          mean = (level->downsample_x + level->downsample_y) / 2;

        g_assert_cmpint(level->width, ==, json_integer_value(json_object_get(known, "width")));
        g_assert_cmpint(level->height, ==, json_integer_value(json_object_get(known, "height")));
        g_assert_cmpfloat(level->downsample_x, ==, (double)first->width / (double)level->width);
        g_assert_cmpfloat(level->downsample_y, ==, (double)first->height / (double)level->height);
        g_assert_cmpfloat_with_epsilon(mean, json_number_value(json_object_get(known, "downsample")), 1e-9);
    }
}

static void check_spacing(mt_case *c, json_t *entry)
{
    double x, y, mpp = text_number(entry, "mpp_x"), tiff = text_number(entry, "tiff.XResolution");
    bool   known = mt_case_mpp(c, &x, &y);

    if (mpp > 0) {
        g_assert_true(known);
        g_assert_cmpfloat_with_epsilon(x, mpp, 1e-12);
        g_assert_cmpfloat_with_epsilon(y, text_number(entry, "mpp_y"), 1e-12);
        g_assert_cmpstr(mt_case_mpp_source(c), ==, "openslide");
    } else if (tiff > 1000) {
        g_assert_true(known);
        g_assert_cmpfloat_with_epsilon(x, 10000 / tiff, 1e-9);
        g_assert_cmpstr(mt_case_mpp_source(c), ==, "tiff-resolution");
    } else {
        g_assert_false(known);
        g_assert_cmpfloat(x, ==, 0);
        g_assert_cmpstr(mt_case_mpp_source(c), ==, "TIFF resolution of 72 dpi is no microscope's");
    }
}

/* The sums are of premultiplied RGBA at level-0 addresses: comparable where the address is a whole level pixel. */
static void check_sums(mt_case *c, json_t *entry)
{
    size_t  i;
    json_t *sample;

    json_array_foreach(json_object_get(entry, "read_region"), i, sample)
    {
        int             level = (int)json_integer_value(json_object_get(sample, "level"));
        int64_t         size = json_integer_value(json_object_get(sample, "size"));
        const mt_level *l = mt_case_level(c, level);
        double          d = (l->downsample_x + l->downsample_y) / 2;
        double          x = (double)json_integer_value(json_object_get(sample, "x")) / d;
        double          y = (double)json_integer_value(json_object_get(sample, "y")) / d;
        json_t         *sums = json_object_get(sample, "rgba_sum");

        /* At level 3 of this file OpenSlide returns memory that it never wrote: see source_openslide.h. */
        if (x != floor(x) || y != floor(y) || (level == 3 && strstr(mt_case_path(c), "bigtiff-deflate") != NULL))
            continue;
        g_autofree uint8_t *rgb = read_rgb(c, level, (int64_t)x, (int64_t)y, size, size);
        int64_t             sum[3] = {0}, missing = size * size * 255 - json_integer_value(json_array_get(sums, 3));
        for (int64_t p = 0; p < size * size * 3; p++)
            sum[p % 3] += rgb[p];
        for (int k = 0; k < 3; k++)
            g_assert_cmpint(sum[k], ==, json_integer_value(json_array_get(sums, (size_t)k)) + missing);
    }
}

static void test_expected(void)
{
    const char *dir = data_dir(), *name;
    int         n = 0;

    if (dir == NULL)
        return;
    json_t *root = load_expected(dir), *entry;
    json_object_foreach(root, name, entry)
    {
        const char *vendor = json_string_value(json_object_get(entry, "vendor"));

        if (!g_str_has_prefix(name, "wsi/") || vendor == NULL || json_object_get(entry, "levels") == NULL)
            continue;
        g_autoptr(mt_case) c = open_sample(dir, name);
        g_test_message("%s", name);
        g_assert_cmpstr(mt_case_backend(c), ==, strcmp(vendor, "hamamatsu") == 0 ? "openslide" : "direct");
        g_assert_cmpstr(mt_case_format(c), ==, vendor);
        g_assert_cmpstr(mt_case_modality(c), ==, "SM");
        g_assert_cmpint(mt_case_get_kind(c), ==, MT_CASE_SLIDE);
        g_assert_cmpstr(mt_case_quickhash(c), ==, json_string_value(json_object_get(entry, "quickhash1")));
        g_assert_cmpfloat(mt_case_objective_power(c), ==, text_number(entry, "objective_power"));
        check_levels(c, json_object_get(entry, "levels"));
        check_spacing(c, entry);
        check_sums(c, entry);
        n++;
    }
    json_decref(root);
    g_assert_cmpint(n, >=, 5);
}

/* The whole directory through libtiff's own RGBA reader, top row first.  `overhang`: its tiles are larger than it, and not
 * JPEG, so OpenSlide misreads it (source_openslide.h). */
static uint8_t *whole_directory(const char *path, const mt_level *l, bool *overhang)
{
    TIFF                *tiff = TIFFOpen(path, "r");
    g_autofree uint32_t *abgr = g_malloc((gsize)(l->width * l->height) * sizeof *abgr);
    uint8_t             *rgb = g_malloc((gsize)(l->width * l->height) * 3);
    uint32_t             width = 0, height = 0, tile_width = 0, tile_height = 0;
    uint16_t             compression = 0;

    g_assert_nonnull(tiff);
    do {
        TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
        TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
    } while ((width != l->width || height != l->height) && TIFFReadDirectory(tiff));
    g_assert_cmpint(width, ==, l->width);
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
    TIFFGetField(tiff, TIFFTAG_COMPRESSION, &compression);
    *overhang = compression != COMPRESSION_JPEG && (tile_width > width || tile_height > height);
    g_assert_true(TIFFReadRGBAImageOriented(tiff, width, height, abgr, ORIENTATION_TOPLEFT, 1));
    for (int64_t i = 0; i < l->width * l->height; i++) {
        rgb[3 * i] = TIFFGetR(abgr[i]);
        rgb[3 * i + 1] = TIFFGetG(abgr[i]);
        rgb[3 * i + 2] = TIFFGetB(abgr[i]);
    }
    TIFFClose(tiff);
    return rgb;
}

/* The whole level at once has a whole address, (0, 0): OpenSlide gives its stored pixels, unless tiles overhang. */
static uint8_t *whole_level(const char *path, int level, const mt_level *l)
{
    openslide_t         *handle = openslide_open(path);
    g_autofree uint32_t *argb = g_malloc((gsize)(l->width * l->height) * sizeof *argb);
    uint8_t             *rgb = g_malloc((gsize)(l->width * l->height) * 3);

    openslide_read_region(handle, argb, 0, 0, level, l->width, l->height);
    g_assert_null(openslide_get_error(handle));
    mt_argb_over_white(argb, l->width, l->height, rgb, (size_t)l->width * 3);
    openslide_close(handle);
    return rgb;
}

static void check_crop(mt_case *c, int level, const uint8_t *whole, int64_t x, int64_t y, int64_t width, int64_t height)
{
    const mt_level     *l = mt_case_level(c, level);
    g_autofree uint8_t *rgb = read_rgb(c, level, x, y, width, height);

    for (int64_t row = 0; row < height; row++) {
        for (int64_t column = 0; column < width; column++) {
            static const uint8_t white[3] = {255, 255, 255};
            bool                 inside = x + column >= 0 && x + column < l->width && y + row >= 0 && y + row < l->height;
            const uint8_t       *wanted = inside ? whole + ((y + row) * l->width + x + column) * 3 : white;

            g_assert_cmpmem(rgb + (row * width + column) * 3, 3, wanted, 3);
        }
    }
}

static void test_stored_pixels(gconstpointer name)
{
    const char *dir = data_dir();

    if (dir == NULL)
        return;
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(mt_case) c = open_sample(dir, name);
    for (int level = 0; level < mt_case_levels(c); level++) {
        const mt_level     *l = mt_case_level(c, level);
        bool                overhang = false, by_libtiff = strstr(name, "aperio") == NULL;
        g_autofree uint8_t *whole = by_libtiff ? whole_directory(path, l, &overhang) : whole_level(path, level, l);

        if (by_libtiff && !overhang) {
            g_autofree uint8_t *same = whole_level(path, level, l);
            g_assert_cmpmem(whole, (gsize)(l->width * l->height * 3), same, (gsize)(l->width * l->height * 3));
        }
        check_crop(c, level, whole, 0, 0, MIN(97, l->width), 31);
        check_crop(c, level, whole, 1, 1, 64, 64);
        check_crop(c, level, whole, l->width / 3 + 1, l->height / 3 + 2, 129, 57);
        check_crop(c, level, whole, l->width / 2, 7, 1, 1);
        check_crop(c, level, whole, l->width - 17, l->height - 19, 40, 40);
        check_crop(c, level, whole, -5, -3, 20, 30);
        check_crop(c, level, whole, l->width + 1, 0, 8, 8);
    }
}

/* What a lab sees as the rectangle of a picture: the crop that was stored losslessly. */
static void test_same_crop(void)
{
    const char *dir = data_dir();

    if (dir == NULL)
        return;
    g_autoptr(mt_case) png = open_sample(dir, "wsi/derived/cmu-crop.png");
    g_autoptr(mt_case) tiff = open_sample(dir, "wsi/derived/cmu-crop-bigtiff-deflate.tif");
    g_autoptr(mt_case) svs = open_sample(dir, "wsi/aperio-cmu-1-small-region.svs");
    g_autofree uint8_t *a = read_rgb(png, 0, 0, 0, 768, 768);
    g_autofree uint8_t *b = read_rgb(tiff, 0, 0, 0, 768, 768);
    g_autofree uint8_t *crop = read_rgb(svs, 0, 600, 900, 768, 768);

    g_assert_cmpstr(mt_case_backend(png), ==, "vips");
    g_assert_cmpmem(a, 768 * 768 * 3, b, 768 * 768 * 3);
    g_assert_cmpmem(a, 768 * 768 * 3, crop, 768 * 768 * 3);
}

static void test_over_white(void)
{
    /* transparent, opaque, half-transparent black and red, broken (colour above alpha) */
    const uint32_t argb[] = {0x00000000, 0xff102030, 0x80000000, 0x80800000, 0x10ff0000, 0xffffffff};
    const uint8_t  wanted[] = {255, 255, 255, 0x10, 0x20, 0x30, 127, 127, 127, 255, 127, 127, 255, 239, 239, 255, 255, 255};
    uint8_t        rgb[20];

    memset(rgb, 7, sizeof rgb);
    mt_argb_over_white(argb, 6, 1, rgb, 18);
    g_assert_cmpmem(rgb, 18, wanted, 18);
    g_assert_cmpint(rgb[18], ==, 7);
    memset(rgb, 7, sizeof rgb);
    mt_argb_over_white(argb, 1, 2, rgb, 10);
    g_assert_cmpint(rgb[3], ==, 7);
    g_assert_cmpint(rgb[12], ==, 0x30);
}

/* Opens, but its pixels cannot be decoded: each read fails, and the case lives on. */
static void test_unreadable(void)
{
    const char *dir = data_dir();

    if (dir == NULL)
        return;
    g_autoptr(mt_case) c = open_sample(dir, "malformed/wsi/unreadable.svs");
    const mt_level     *l = mt_case_level(c, 0);
    g_autofree uint8_t *rgb = g_malloc((gsize)(l->width * l->height * 3));

    for (int attempt = 0; attempt < 3; attempt++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *wanted =
            g_strdup_printf("read %s: level 0, %d x %d pixels at (0, 0): tile 0 cannot be decoded: Bogus marker length", mt_case_path(c),
                            (int)l->width, (int)l->height);

        g_assert_false(mt_case_read(c, 0, 0, 0, 0, l->width, l->height, rgb, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
        g_assert_cmpstr(error->message, ==, wanted);
        g_assert_true(mt_case_read(c, 0, 0, l->width, 0, 1, 1, rgb, NULL));
    }
}

static void test_refused(void)
{
    const char *dir = data_dir();

    if (dir == NULL)
        return;
    g_autofree char *path = g_build_filename(dir, "malformed/wsi/unopenable.tiff", NULL);
    g_autofree char *prefix = g_strdup_printf("open %s: no backend reads it: openslide: Unsupported TIFF compression: 52479; vips: ", path);
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_case_open(path, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_test_message("%s", error->message);
    g_assert_true(g_str_has_prefix(error->message, prefix));
}

static void expect_open_error(const char *path, const mt_case_options *options, int code, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_case_open(path, options, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_open_errors(void)
{
    mt_case_options backend = {.backend = "magic"}, half = {.mpp_y = 0.5}, negative = {.mpp_x = -1, .mpp_y = 0.5}, nan = {.mpp_x = NAN};

    expect_open_error("/nonexistent/slide.svs", NULL, MT_ERROR_MISSING, "open /nonexistent/slide.svs: no such file");
    expect_open_error("/", NULL, MT_ERROR_INPUT, "open /: it is a folder; name the file of one case");
    expect_open_error("/dev/null", NULL, MT_ERROR_INPUT, "open /dev/null: it is not a regular file");
    expect_open_error("/", &backend, MT_ERROR_USAGE,
                      "backend \"magic\" is not known: direct, openslide, vips, nifti, metaimage, nrrd or dicom");
    expect_open_error("/", &half, MT_ERROR_RANGE, "the case's own µm/px: 0 x 0.5 is not a pair of positive numbers");
    expect_open_error("/", &negative, MT_ERROR_RANGE, "the case's own µm/px: -1 x 0.5 is not a pair of positive numbers");
    expect_open_error("/", &nan, MT_ERROR_RANGE, "the case's own µm/px: nan x 0 is not a pair of positive numbers");
}

static void test_options(void)
{
    const char *dir = data_dir();

    if (dir == NULL)
        return;
    g_autofree char *path = g_build_filename(dir, "wsi/aperio-tiny-16px.svs", NULL);
    mt_case_options  options = {.mpp_x = 0.25, .mpp_source = "manifest", .modality = "CR;SM"};
    g_autoptr(GError) error = NULL;
    g_assert_null(mt_case_open(path, &options, &error)); /* the scanner says otherwise */
    g_autofree char *message = g_strdup_printf(
        "open %s: 0.25 x 0.25 µm/px is stated and the file says 0.499 x 0.499 (openslide): leave the statement out for this case", path);
    g_assert_error(error, MT_ERROR, MT_ERROR_SPACING);
    g_assert_cmpstr(error->message, ==, message);
    g_clear_error(&error);
    options.mpp_x = 0.5; /* within 2 %: the file's own is kept */
    g_autoptr(mt_case) c = mt_case_open(path, &options, NULL);
    double  x, y;
    int64_t bounds[4];
    double  affine[16];

    g_assert_true(mt_case_mpp(c, &x, &y));
    g_assert_cmpfloat(x, ==, 0.499);
    g_assert_cmpfloat(y, ==, 0.499);
    g_assert_cmpstr(mt_case_mpp_source(c), ==, "openslide");
    g_assert_cmpstr(mt_case_modality(c), ==, "SM");
    mt_case_bounds(c, bounds);
    g_assert_cmpint(bounds[0], ==, 0);
    g_assert_cmpint(bounds[2], ==, 16);
    g_assert_cmpint(bounds[3], ==, 16);
    g_assert_false(mt_case_affine(c, affine));
    g_assert_cmpfloat(mt_case_plane_spacing_um(c), ==, 0);
    options.modality = "CR;DX"; /* the scanner's word stands against it */
    g_assert_null(mt_case_open(path, &options, &error));
    g_autofree char *modality =
        g_strdup_printf("open %s: its modality is SM, and the recipe is for CR;DX ([input] modality): leave this case out", path);
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, modality);
}

static void test_read_errors(void)
{
    const char *dir = data_dir();
    uint8_t     rgb[3];

    if (dir == NULL)
        return;
    g_autoptr(mt_case) c = open_sample(dir, "wsi/aperio-tiny-16px.svs");
    g_autoptr(GError) error = NULL;
    g_autofree char *no_level = g_strdup_printf("read %s: it has no plane 0 of level 1", mt_case_path(c));
    g_autofree char *no_area = g_strdup_printf("read %s: 0 x 1 pixels at (2, 3) are no rectangle", mt_case_path(c));

    g_assert_false(mt_case_read(c, 0, 1, 0, 0, 1, 1, rgb, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, no_level);
    g_clear_error(&error);
    g_assert_false(mt_case_read(c, 0, 0, 2, 3, 0, 1, rgb, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, no_area);
}

typedef struct reader {
    mt_case *c;
    uint32_t seed;
    char    *hash; /* of all that was read, in order */
} reader;

static void *read_at_random(void *data)
{
    reader    *r = data;
    GRand     *random = g_rand_new_with_seed(r->seed);
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);

    for (int i = 0; i < 40; i++) {
        int                 level = g_rand_int_range(random, 0, mt_case_levels(r->c));
        const mt_level     *l = mt_case_level(r->c, level);
        int64_t             x = g_rand_int_range(random, -20, (int)l->width), y = g_rand_int_range(random, -20, (int)l->height);
        int64_t             width = g_rand_int_range(random, 1, 200), height = g_rand_int_range(random, 1, 200);
        g_autofree uint8_t *rgb = read_rgb(r->c, level, x, y, width, height);

        g_checksum_update(sum, rgb, (gssize)(width * height * 3));
    }
    r->hash = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    g_rand_free(random);
    return NULL;
}

/* Four threads on one case read what one thread reads. */
static void test_threads(gconstpointer name)
{
    const char *dir = data_dir();
    GThread    *threads[4];
    reader      together[4], alone;

    if (dir == NULL)
        return;
    g_autoptr(mt_case) c = open_sample(dir, name);
    for (uint32_t i = 0; i < 4; i++) {
        together[i] = (reader){.c = c, .seed = i};
        threads[i] = g_thread_new("reader", read_at_random, &together[i]);
    }
    for (int i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    for (uint32_t i = 0; i < 4; i++) {
        g_autoptr(mt_case) fresh = open_sample(dir, name);

        alone = (reader){.c = fresh, .seed = i};
        read_at_random(&alone);
        g_assert_cmpstr(together[i].hash, ==, alone.hash);
        g_free(alone.hash);
        g_free(together[i].hash);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* g_test makes every warning fatal, also one that a handler drops. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/case/slide/expected", test_expected);
    g_test_add_data_func("/case/slide/stored-pixels/jpeg-pyramid", "wsi/derived/cmu-pyramid-jpeg.tif", test_stored_pixels);
    g_test_add_data_func("/case/slide/stored-pixels/boxes", "wsi/generic-pyramid-boxes.tiff", test_stored_pixels);
    g_test_add_data_func("/case/slide/stored-pixels/deflate", "wsi/derived/cmu-crop-bigtiff-deflate.tif", test_stored_pixels);
    g_test_add_data_func("/case/slide/stored-pixels/aperio", "wsi/aperio-tiny-16px.svs", test_stored_pixels);
    g_test_add_func("/case/slide/same-crop", test_same_crop);
    g_test_add_func("/case/slide/over-white", test_over_white);
    g_test_add_func("/case/slide/unreadable", test_unreadable);
    g_test_add_func("/case/slide/refused", test_refused);
    g_test_add_func("/case/slide/open-errors", test_open_errors);
    g_test_add_func("/case/slide/options", test_options);
    g_test_add_func("/case/slide/read-errors", test_read_errors);
    g_test_add_data_func("/case/slide/threads/jpeg-pyramid", "wsi/derived/cmu-pyramid-jpeg.tif", test_threads);
    g_test_add_data_func("/case/slide/threads/deflate", "wsi/derived/cmu-crop-bigtiff-deflate.tif", test_threads);
    g_test_add_data_func("/case/slide/threads/ndpi", "wsi/hamamatsu-test3-dapi.ndpi", test_threads);
    g_test_add_data_func("/case/slide/threads/image", "wsi/derived/cmu-crop.png", test_threads);
    return g_test_run();
}
