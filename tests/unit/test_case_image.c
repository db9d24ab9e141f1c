/* Plain images: sample types, colours, orientation, spacing, broken files, limits, intensities. */
#include "src/case/intensity.h"
#include "src/case/source.h"
#include "tests/unit/made_tiff.h"

#include <vips/vips.h>

static mt_case *open_path(const char *path)
{
    g_autoptr(GError) error = NULL;
    mt_case *c = mt_case_open(path, NULL, &error);

    g_assert_no_error(error);
    return c;
}

/* Take ownership of `path`: open it, check its type. */
static mt_case *open_tiff(char *path, mt_dtype dtype, int channels)
{
    g_autofree char *own = path;
    mt_case         *c = open_path(own);

    g_assert_cmpstr(mt_case_backend(c), ==, "vips");
    g_assert_cmpstr(mt_case_format(c), ==, "tiff");
    g_assert_cmpint(mt_case_dtype(c), ==, dtype);
    g_assert_cmpint(mt_case_channels(c), ==, channels);
    return c;
}

static void expect_open_error(const char *path, int code, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_case_open(path, NULL, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

/* ---- samples ---- */

static void check_sum(const char *dir, const char *name, const char *format, int channels, int64_t width, int64_t height, int64_t sum,
                      int64_t tolerance)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(mt_case) c = open_path(path);
    g_autofree uint8_t *pixels = g_malloc((gsize)(width * height * channels));
    int64_t             got = 0;
    double              x, y;

    g_assert_cmpstr(mt_case_format(c), ==, format);
    g_assert_cmpint(mt_case_get_kind(c), ==, MT_CASE_IMAGE);
    g_assert_cmpint(mt_case_channels(c), ==, channels);
    g_assert_cmpint(mt_case_level(c, 0)->width, ==, width);
    g_assert_cmpint(mt_case_level(c, 0)->height, ==, height);
    g_assert_false(mt_case_mpp(c, &x, &y));
    g_assert_cmpstr(mt_case_modality(c), ==, "unknown");
    g_assert_true(mt_case_read(c, 0, 0, 0, 0, width, height, pixels, NULL));
    for (int64_t i = 0; i < width * height * channels; i++)
        got += pixels[i];
    g_assert_cmpint(ABS(got - sum), <=, tolerance);
}

/* Sums by Pillow (expected.json); a JPEG's depend on the decoder. */
static void test_samples(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    check_sum(dir, "radiology/xray/nih-00000001_000.png", "png", 1, 512, 512, 33590126, 0);
    check_sum(dir, "fundus/microaneurysms.png", "png", 1, 102, 102, 1033532, 0);
    check_sum(dir, "wsi/derived/cmu-crop.png", "png", 3, 768, 768, 304857544, 0);
    /* RGBA, alpha 255 throughout: the sum less the alpha */
    check_sum(dir, "tiles/background/no-tissue.png", "png", 3, 512, 512, INT64_C(255619310) - 512 * 512 * 255, 0);
    check_sum(dir, "fundus/retina.jpg", "jpeg", 3, 1411, 1411, 535744832, 1411 * 1411 * 3 / 4);
    check_sum(dir, "fundus/HRF_07_dr.jpg", "jpeg", 3, 3504, 2336, 1736763064, INT64_C(3504) * 2336 * 3 / 4);
    check_sum(dir, "tiles/nuclei/00ae65c1c663.png", "png", 3, 320, 256, 42971358, 0);
}

static void test_stack(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(dir, "wsi/ome/multi-channel-z-series.ome.tif", NULL);
    g_autofree char *wanted =
        g_strdup_printf("open %s: no backend reads it: openslide: not a slide; vips: it is a stack of 15 pages; save the one "
                        "to analyse as a file of its own; nifti: not a NIfTI file",
                        path);
    expect_open_error(path, MT_ERROR_INPUT, wanted);
}

/* ---- sample types and colours ---- */

static void test_types(void)
{
    const uint16_t u16[] = {0, 1, 40000, 65535};
    const int16_t  i16[] = {-32768, -1, 0, 32767};
    const int8_t   i8[] = {-128, -1, 0, 127};
    const float    f32[] = {-1.5f, 0, 1e-6f, 3e8f};
    const int16_t  i8_kept[] = {-128, -1, 0, 127};
    const struct {
        page        stored;
        mt_dtype    dtype;
        const void *kept;
    } types[] = {
        {{.bits = 16, .pixels = u16}, MT_U16, u16},
        {{.bits = 16, .format = SAMPLEFORMAT_INT, .pixels = i16}, MT_I16, i16},
        {{.format = SAMPLEFORMAT_INT, .pixels = i8}, MT_I16, i8_kept},
        {{.bits = 32, .format = SAMPLEFORMAT_IEEEFP, .pixels = f32}, MT_F32, f32},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        page p = types[i].stored;
        p.width = p.height = 2;
        g_autoptr(mt_case) c = open_tiff(write_tiff("type.tif", &p, 1), types[i].dtype, 1);
        size_t  bytes = mt_source_sample_bytes(types[i].dtype);
        uint8_t pixels[16];

        g_assert_true(mt_case_read(c, 0, 0, 0, 0, 2, 2, pixels, NULL));
        g_assert_cmpmem(pixels, 4 * bytes, types[i].kept, 4 * bytes);
    }
}

/* Outside of an image is white: the type's largest integer, 1 in float. */
static void test_background(void)
{
    const uint16_t u16[] = {7};
    const float    f32[] = {7};
    const int16_t  i16[] = {7};
    page           a = {.width = 1, .height = 1, .bits = 16, .pixels = u16};
    page           b = {.width = 1, .height = 1, .bits = 32, .format = SAMPLEFORMAT_IEEEFP, .pixels = f32};
    page           d = {.width = 1, .height = 1, .bits = 16, .format = SAMPLEFORMAT_INT, .pixels = i16};
    g_autoptr(mt_case) integer = open_tiff(write_tiff("u16.tif", &a, 1), MT_U16, 1);
    g_autoptr(mt_case) real = open_tiff(write_tiff("f32.tif", &b, 1), MT_F32, 1);
    g_autoptr(mt_case) signed_integer = open_tiff(write_tiff("i16.tif", &d, 1), MT_I16, 1);
    uint16_t got_u16[2];
    int16_t  got_i16[2];
    float    got_f32[2];

    g_assert_true(mt_case_read(integer, 0, 0, 0, 0, 2, 1, got_u16, NULL));
    g_assert_cmpint(got_u16[0], ==, 7);
    g_assert_cmpint(got_u16[1], ==, 65535);
    g_assert_true(mt_case_read(signed_integer, 0, 0, -1, 0, 2, 1, got_i16, NULL));
    g_assert_cmpint(got_i16[0], ==, 32767);
    g_assert_cmpint(got_i16[1], ==, 7);
    g_assert_true(mt_case_read(real, 0, 0, 5, 5, 2, 1, got_f32, NULL));
    g_assert_cmpfloat(got_f32[0], ==, 1);
}

static void expect_pixels(mt_case *c, int64_t width, const uint8_t *wanted, size_t n)
{
    uint8_t pixels[32];

    g_assert_true(mt_case_read(c, 0, 0, 0, 0, width, 1, pixels, NULL));
    g_assert_cmpmem(pixels, n, wanted, n);
}

static void test_colours(void)
{
    const uint8_t  rgba[] = {10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128}, flat[] = {10, 20, 30, 255, 255, 255, 127, 127, 127};
    const uint8_t  gray_alpha[] = {9, 255, 9, 0}, gray[] = {9, 255}, inverted[] = {255, 0, 200}, upright[] = {0, 255, 55};
    const uint8_t  cmyk[] = {0, 0, 0, 0, 0, 0, 0, 255};
    const uint16_t deep[] = {1000, 2000, 3000, 65535, 1000, 2000, 3000, 0}, deep_flat[] = {1000, 2000, 3000, 65535, 65535, 65535};
    page           a = {.width = 3, .height = 1, .samples = 4, .extra = 1, .photometric = PHOTOMETRIC_RGB, .pixels = rgba};
    page           b = {.width = 2, .height = 1, .samples = 2, .extra = 1, .pixels = gray_alpha};
    page           d = {.width = 3, .height = 1, .photometric = WHITE_AT_0, .pixels = inverted};
    page           e = {.width = 2, .height = 1, .samples = 4, .photometric = PHOTOMETRIC_SEPARATED, .pixels = cmyk};
    page           f = {.width = 2, .height = 1, .samples = 4, .bits = 16, .extra = 1, .photometric = PHOTOMETRIC_RGB, .pixels = deep};
    g_autoptr(mt_case) colour = open_tiff(write_tiff("rgba.tif", &a, 1), MT_U8, 3);
    g_autoptr(mt_case) grey = open_tiff(write_tiff("ga.tif", &b, 1), MT_U8, 1);
    g_autoptr(mt_case) white = open_tiff(write_tiff("inverted.tif", &d, 1), MT_U8, 1);
    g_autoptr(mt_case) print = open_tiff(write_tiff("cmyk.tif", &e, 1), MT_U8, 3);
    g_autoptr(mt_case) wide = open_tiff(write_tiff("deep.tif", &f, 1), MT_U16, 3);
    uint8_t  ink[6];
    uint16_t samples[6];

    expect_pixels(colour, 3, flat, sizeof flat);
    expect_pixels(grey, 2, gray, sizeof gray);
    expect_pixels(white, 3, upright, sizeof upright);
    g_assert_true(mt_case_read(print, 0, 0, 0, 0, 2, 1, ink, NULL));
    g_assert_cmpint(ink[0], >=, 250);
    g_assert_cmpint(ink[3], <=, 60);
    g_assert_true(mt_case_read(wide, 0, 0, 0, 0, 2, 1, samples, NULL));
    g_assert_cmpmem(samples, sizeof samples, deep_flat, sizeof deep_flat);
}

/* Tag 6: the stored rows are the picture's columns, from the right. */
static void test_orientation(void)
{
    const uint8_t stored[] = {1, 2, 3, 4, 5, 6}, turned[] = {4, 1, 5, 2, 6, 3};
    page          p = {.width = 3, .height = 2, .orientation = ORIENTATION_RIGHTTOP, .pixels = stored};
    g_autoptr(mt_case) c = open_tiff(write_tiff("turned.tif", &p, 1), MT_U8, 1);
    uint8_t pixels[6];

    g_assert_cmpint(mt_case_level(c, 0)->width, ==, 2);
    g_assert_cmpint(mt_case_level(c, 0)->height, ==, 3);
    g_assert_true(mt_case_read(c, 0, 0, 0, 0, 2, 3, pixels, NULL));
    g_assert_cmpmem(pixels, 6, turned, 6);
}

static void expect_spacing(float resolution, int unit, double um, const char *source)
{
    const uint8_t one[] = {1};
    page          p = {.width = 1, .height = 1, .resolution = resolution, .unit = unit, .pixels = one};
    g_autoptr(mt_case) c = open_tiff(write_tiff("spacing.tif", &p, 1), MT_U8, 1);
    double x, y;

    g_assert_cmpint(mt_case_mpp(c, &x, &y), ==, um > 0);
    g_assert_cmpfloat_with_epsilon(x, um, 1e-6);
    g_assert_cmpfloat_with_epsilon(y, um, 1e-6);
    g_assert_cmpstr(mt_case_mpp_source(c), ==, source);
}

static void test_spacing(void)
{
    expect_spacing(20000, RESUNIT_CENTIMETER, 0.5, "tiff-resolution");
    expect_spacing(50800, RESUNIT_INCH, 0.5, "tiff-resolution");
    expect_spacing(300, RESUNIT_INCH, 0, "TIFF resolution of 300 dpi is no microscope's");
    expect_spacing(20000, RESUNIT_NONE, 0, "TIFF resolution without a unit");
    expect_spacing(0, 0, 0, "no spacing in the file");
}

/* ---- broken files ---- */

static void save_waves(const char *path)
{
    g_autofree uint8_t *pixels = waves(200, 150, 3);
    VipsImage          *image = vips_image_new_from_memory(pixels, 200 * 150 * 3, 200, 150, 3, VIPS_FORMAT_UCHAR);

    g_assert_cmpint(vips_image_write_to_file(image, path, NULL), ==, 0);
    g_object_unref(image);
}

static void cut_file(const char *path, double share)
{
    g_autofree char *text = NULL;
    gsize            n;

    g_assert_true(g_file_get_contents(path, &text, &n, NULL));
    g_assert_true(g_file_set_contents(path, text, (gssize)((double)n * share), NULL));
}

static void test_truncated(gconstpointer name)
{
    for (double share = 0.3; share < 1; share += 0.3) {
        g_autofree char *path = in_test_folder(name);
        g_autoptr(GError) error = NULL;

        save_waves(path);
        g_autoptr(mt_case) whole = open_path(path);
        g_assert_cmpint(mt_case_level(whole, 0)->width, ==, 200);
        cut_file(path, share);
        g_assert_null(mt_case_open(path, NULL, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
        g_test_message("%s", error->message);
    }
}

static void test_refusals(void)
{
    const uint32_t   deep[] = {1, 2, 3, 4};
    const uint8_t    five[] = {1, 2, 3, 4, 5};
    page             a = {.width = 2, .height = 2, .bits = 32, .pixels = deep};
    page             b = {.width = 1, .height = 1, .samples = 5, .pixels = five};
    g_autofree char *integers = write_tiff("u32.tif", &a, 1), *channels = write_tiff("five.tif", &b, 1),
                    *text = in_test_folder("notes.txt");
    g_autofree char *no_integers =
        g_strdup_printf("open %s: no backend reads it: openslide: not a slide; vips: samples of type uint; 8 and 16 "
                        "bits and 32-bit float are read; nifti: not a NIfTI file",
                        integers);
    g_autofree char *no_channels =
        g_strdup_printf("open %s: no backend reads it: openslide: not a slide; vips: 5 channels; 1 (grey) or 3 (RGB) are "
                        "read; nifti: not a NIfTI file",
                        channels);
    g_autofree char *no_image =
        g_strdup_printf("open %s: no backend reads it: openslide: not a slide; vips: not a readable PNG, JPEG, TIFF, WebP or PNM "
                        "image; nifti: not a NIfTI file",
                        text);
    g_autofree char *empty = in_test_folder("empty.png"), *is_empty = g_strdup_printf("open %s: the file is empty", empty);

    expect_open_error(integers, MT_ERROR_INPUT, no_integers);
    expect_open_error(channels, MT_ERROR_INPUT, no_channels);
    g_assert_true(g_file_set_contents(text, "tissue", -1, NULL));
    expect_open_error(text, MT_ERROR_INPUT, no_image);
    g_assert_true(g_file_set_contents(empty, "", 0, NULL));
    expect_open_error(empty, MT_ERROR_INPUT, is_empty);
}

/* A name that libvips would take apart as options. */
static void test_odd_name(void)
{
    g_autofree char *plain = in_test_folder("plain.png"), *odd = in_test_folder("odd[page=3].png");

    save_waves(plain);
    g_assert_cmpint(g_rename(plain, odd), ==, 0);
    g_autoptr(mt_case) c = open_path(odd);
    g_assert_cmpint(mt_case_level(c, 0)->height, ==, 150);
}

/* Fuzzers' findings: opened or refused, read or refused; nothing else may happen. */
static void test_malformed(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA"), *name;

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *malformed = g_build_filename(dir, "malformed", "tiff", NULL);
    g_autoptr(GDir) files = g_dir_open(malformed, 0, NULL);
    int n = 0;
    while ((name = g_dir_read_name(files)) != NULL) {
        g_autofree char *path = g_build_filename(malformed, name, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
        uint8_t pixels[64 * 64 * 12];

        g_test_message("%s: %s", name, c != NULL ? mt_case_backend(c) : error->message);
        g_assert_true((c != NULL) == (error == NULL));
        if (c != NULL)
            mt_case_read(c, 0, 0, 0, 0, 64, 64, pixels, NULL);
        n++;
    }
    g_assert_cmpint(n, >=, 26);
}

/* ---- limits ---- */

static void write_empty_directory(const char *path, uint32_t width, uint32_t height, int samples, uint32_t tile)
{
    TIFF *tiff = TIFFOpen(path, "w");

    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, samples);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, samples == 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_LZW);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    if (tile > 0) {
        TIFFSetField(tiff, TIFFTAG_TILEWIDTH, tile);
        TIFFSetField(tiff, TIFFTAG_TILELENGTH, tile);
    } else {
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 1000);
    }
    g_assert_true(TIFFWriteCheck(tiff, tile > 0, "write"));
    TIFFWriteDirectory(tiff);
    TIFFClose(tiff);
}

/* Claims that nothing is allocated for. */
static void test_limits(void)
{
    g_autofree char *tiles = in_test_folder("tiles.tif"), *strips = in_test_folder("strips.tif");
    g_autofree char *large_tiles =
        g_strdup_printf("open %s: openslide: level 0 is stored in tiles of 8192 x 8192 pixels, over the limit of 64 MiB a tile", tiles);
    g_autofree char *large_picture = g_strdup_printf(
        "open %s: vips: 40000 x 40000 pixels without tiles decode to 4577 MiB, over the limit of 4096 MiB; convert it to a tiled TIFF",
        strips);

    write_empty_directory(tiles, 9000, 9000, 3, 8192);
    write_empty_directory(strips, 40000, 40000, 3, 0);
    expect_open_error(tiles, MT_ERROR_LIMIT, large_tiles);
    expect_open_error(strips, MT_ERROR_LIMIT, large_picture);
}

/* Too large to be held in memory: read by regions. */
static void test_large_image(void)
{
    const uint32_t      edge = 17408, tile = 1024;
    g_autofree char    *path = in_test_folder("large.tif");
    g_autofree uint8_t *block = g_malloc(tile * tile);
    mt_case_options     options = {.backend = "vips"};
    g_autoptr(GError) error = NULL;
    TIFF   *tiff = TIFFOpen(path, "w");
    uint8_t pixels[20 * 10];

    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, edge);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, edge);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_PACKBITS);
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, tile);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, tile);
    for (uint32_t i = 0; i < (edge / tile) * (edge / tile); i++) {
        memset(block, (int)(i % 256), tile * tile);
        TIFFWriteEncodedTile(tiff, i, block, -1);
    }
    TIFFClose(tiff);

    g_autoptr(mt_case) c = mt_case_open(path, &options, &error);
    g_assert_no_error(error);
    g_assert_true(mt_case_read(c, 0, 0, 1014, 1019, 20, 10, pixels, NULL));
    for (int y = 0; y < 10; y++)
        for (int x = 0; x < 20; x++)
            g_assert_cmpint(pixels[y * 20 + x], ==, (y >= 5 ? 17 : 0) + (x >= 10 ? 1 : 0));
}

/* ---- intensities ---- */

static void test_intensity(void)
{
    /* numpy: np.percentile(v, [0.5, 99.5]), v.mean(), v.std() */
    const float  v[] = {-3.5f, 0, -0.0f, 2.25f, 1e6f, -1e-6f, 7, 7, 7};
    page         p = {.width = 9, .height = 1, .bits = 32, .format = SAMPLEFORMAT_IEEEFP, .pixels = v};
    mt_intensity got;

    g_autoptr(mt_case) c = open_tiff(write_tiff("values.tif", &p, 1), MT_F32, 1);
    g_assert_true(mt_case_intensity(c, &got, NULL));
    g_assert_cmpfloat_with_epsilon(got.low, -3.36000004, 1e-12);
    g_assert_cmpfloat_with_epsilon(got.high, 960000.2799999999, 1e-6);
    g_assert_cmpfloat_with_epsilon(got.mean, 111113.30555544444, 1e-8);
    g_assert_cmpfloat_with_epsilon(got.std, 314268.9046945474, 1e-6);
}

static void test_intensity_nan(void)
{
    const float      v[] = {1, NAN};
    page             p = {.width = 2, .height = 1, .bits = 32, .format = SAMPLEFORMAT_IEEEFP, .pixels = v};
    g_autofree char *path = write_tiff("nan.tif", &p, 1);
    g_autofree char *wanted = g_strdup_printf("intensities of %s: plane 0 has a sample that is not finite; replace such samples", path);
    g_autoptr(GError) error = NULL;
    mt_intensity got;

    g_autoptr(mt_case) c = open_path(path);
    g_assert_false(mt_case_intensity(c, &got, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, wanted);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* g_test makes every warning fatal, also one that a handler drops. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    make_test_folder("mt-image-XXXXXX");
    g_assert_null(mt_case_open("/nonexistent", NULL, NULL)); /* starts libvips, which the tests write with */
    g_test_add_func("/case/image/samples", test_samples);
    g_test_add_func("/case/image/stack", test_stack);
    g_test_add_func("/case/image/types", test_types);
    g_test_add_func("/case/image/background", test_background);
    g_test_add_func("/case/image/colours", test_colours);
    g_test_add_func("/case/image/orientation", test_orientation);
    g_test_add_func("/case/image/spacing", test_spacing);
    g_test_add_data_func("/case/image/truncated/png", "cut.png", test_truncated);
    g_test_add_data_func("/case/image/truncated/jpeg", "cut.jpg", test_truncated);
    g_test_add_data_func("/case/image/truncated/tiff", "cut.tif", test_truncated);
    g_test_add_data_func("/case/image/truncated/webp", "cut.webp", test_truncated);
    g_test_add_func("/case/image/refusals", test_refusals);
    g_test_add_func("/case/image/odd-name", test_odd_name);
    g_test_add_func("/case/image/malformed", test_malformed);
    g_test_add_func("/case/image/limits", test_limits);
    g_test_add_func("/case/image/large", test_large_image);
    g_test_add_func("/case/intensity/values", test_intensity);
    g_test_add_func("/case/intensity/not-finite", test_intensity_nan);
    int result = g_test_run();

    remove_test_folder();
    return result;
}
