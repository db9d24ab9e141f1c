/* The direct path against OpenSlide: the same facts, the same pixels. */
#include "tests/unit/made_tiff.h"

#include <microtome/case.h>
#include <microtome/error.h>
#include <microtome/tile_reader.h>

#include <openjpeg.h>
#include <string.h>

static mt_case *open_with(const char *path, const char *backend)
{
    mt_case_options options = {.backend = backend};
    g_autoptr(GError) error = NULL;
    mt_case *c = mt_case_open(path, &options, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(mt_case_backend(c), ==, backend);
    return c;
}

static int largest_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    int largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = MAX(largest, ABS(a[i] - b[i]));
    return largest;
}

/* Rectangles all over a level, across its edges too. */
static int compare_level(mt_case *a, mt_case *b, int level, uint32_t seed)
{
    const mt_level     *l = mt_case_level(a, level);
    g_autofree uint8_t *one = g_malloc(600 * 600 * 3), *two = g_malloc(600 * 600 * 3);
    GRand              *random = g_rand_new_with_seed(seed);
    int                 largest = 0;

    for (int i = 0; i < 40; i++) {
        int64_t width = g_rand_int_range(random, 1, 600), height = g_rand_int_range(random, 1, 600);
        int64_t x = g_rand_int_range(random, -50, (gint32)l->width), y = g_rand_int_range(random, -50, (gint32)l->height);
        g_autoptr(GError) error = NULL;
        bool once = i % 2 == 0;

        g_assert_true((once ? mt_case_read_once : mt_case_read)(a, 0, level, x, y, width, height, one, &error));
        g_assert_no_error(error);
        g_assert_true(mt_case_read(b, 0, level, x, y, width, height, two, &error));
        largest = MAX(largest, largest_difference(one, two, (size_t)(width * height * 3)));
    }
    g_rand_free(random);
    return largest;
}

static bool is_whole(double value)
{
    return value == (double)(int64_t)value;
}

/* OpenSlide is exact at whole downsamples only. */
static void compare_case(const char *path, int bound)
{
    g_autoptr(mt_case) direct = open_with(path, "direct");
    g_autoptr(mt_case) openslide = open_with(path, "openslide");
    double x1, y1, x2, y2;

    g_assert_cmpint(mt_case_levels(direct), >=, mt_case_levels(openslide));
    g_assert_cmpint(mt_case_mpp(direct, &x1, &y1), ==, mt_case_mpp(openslide, &x2, &y2));
    g_assert_cmpfloat(x1, ==, x2);
    g_assert_cmpstr(mt_case_mpp_source(direct), ==, mt_case_mpp_source(openslide));
    g_assert_cmpstr(mt_case_format(direct), ==, mt_case_format(openslide));
    g_assert_cmpstr(mt_case_quickhash(direct), ==, mt_case_quickhash(openslide));
    for (int level = 0; level < mt_case_levels(openslide); level++) {
        const mt_level *l = mt_case_level(direct, level);

        g_assert_cmpint(l->width, ==, mt_case_level(openslide, level)->width);
        if (is_whole(l->downsample_x) && is_whole(l->downsample_y))
            g_assert_cmpint(compare_level(direct, openslide, level, (uint32_t)level), <=, bound);
    }
}

static void test_samples(void)
{
    static const char *const names[] = {"wsi/aperio-cmu-1-small-region.svs", "wsi/aperio-tiny-16px.svs",
                                        "wsi/derived/cmu-crop-bigtiff-deflate.tif", "wsi/derived/cmu-pyramid-jpeg.tif",
                                        "wsi/derived/composed-open.tif"};
    const char              *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(dir, names[i], NULL);
        compare_case(path, 0);
    }
}

typedef struct packing {
    int compression, photometric, subsampling, bound;
} packing;

/* Shared JPEG tables, chroma whole, halved across, halved both ways; lossless ones with their predictors. */
static void test_packings(void)
{
    static const packing packings[] = {
        {COMPRESSION_JPEG, PHOTOMETRIC_YCBCR, 22, 0}, {COMPRESSION_JPEG, PHOTOMETRIC_YCBCR, 21, 0},
        {COMPRESSION_JPEG, PHOTOMETRIC_YCBCR, 11, 0}, {COMPRESSION_JPEG, PHOTOMETRIC_RGB, 0, 0},
        {COMPRESSION_LZW, PHOTOMETRIC_RGB, 0, 0},     {COMPRESSION_ADOBE_DEFLATE, PHOTOMETRIC_RGB, 0, 0},
        {COMPRESSION_NONE, PHOTOMETRIC_RGB, 0, 0},
    };
    g_autofree uint8_t *level0 = waves(700, 500, 3), *level1 = waves(350, 250, 3);

    for (size_t i = 0; i < G_N_ELEMENTS(packings); i++) {
        g_autofree char *name = g_strdup_printf("packing-%zu.tif", i);
        page             pages[] = {
                        {.width = 700,
                         .height = 500,
                         .samples = 3,
                         .photometric = packings[i].photometric,
                         .compression = packings[i].compression,
                         .subsampling = packings[i].subsampling,
                         .tile = 64,
                         .pixels = level0},
                        {.reduced = true,
                         .width = 350,
                         .height = 250,
                         .samples = 3,
                         .photometric = packings[i].photometric,
                         .compression = packings[i].compression,
                         .subsampling = packings[i].subsampling,
                         .tile = 64,
                         .pixels = level1},
        };
        g_autofree char *path = write_tiff(name, pages, 2);
        compare_case(path, packings[i].bound);
    }
}

typedef struct codestream {
    uint8_t *bytes;
    gsize    n, at;
} codestream;

static OPJ_SIZE_T put_bytes(void *bytes, OPJ_SIZE_T n, void *user)
{
    codestream *s = user;

    s->bytes = g_realloc(s->bytes, s->at + n);
    memcpy(s->bytes + s->at, bytes, n);
    s->at += n;
    s->n = MAX(s->n, s->at);
    return n;
}

static OPJ_OFF_T skip_bytes(OPJ_OFF_T n, void *user)
{
    g_autofree uint8_t *zeros = g_malloc0((gsize)n);

    return (OPJ_OFF_T)put_bytes(zeros, (OPJ_SIZE_T)n, user);
}

static OPJ_BOOL seek_bytes(OPJ_OFF_T at, void *user)
{
    ((codestream *)user)->at = (gsize)at;
    return OPJ_TRUE;
}

/* A lossless codestream of 64 x 64 pixels; chroma of every second column when `halved`. */
static codestream encode_tile(const uint8_t *rgb, bool halved)
{
    opj_cparameters_t    parameters;
    opj_image_cmptparm_t planes[3] = {0};
    codestream           out = {0};

    opj_set_default_encoder_parameters(&parameters);
    parameters.tcp_numlayers = 1;
    parameters.cp_disto_alloc = 1;
    parameters.numresolution = 4;
    for (int k = 0; k < 3; k++)
        planes[k] =
            (opj_image_cmptparm_t){.dx = k > 0 && halved ? 2 : 1, .dy = 1, .w = k > 0 && halved ? 32 : 64, .h = 64, .prec = 8, .bpp = 8};
    opj_image_t *image = opj_image_create(3, planes, halved ? OPJ_CLRSPC_SYCC : OPJ_CLRSPC_SRGB);
    image->x1 = image->y1 = 64;
    for (uint32_t k = 0; k < 3; k++)
        for (uint32_t i = 0; i < planes[k].w * planes[k].h; i++)
            image->comps[k].data[i] = rgb[(i / planes[k].w * 64 + i % planes[k].w * planes[k].dx) * 3 + k];
    opj_codec_t  *codec = opj_create_compress(OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_create(1 << 16, OPJ_FALSE);
    opj_stream_set_user_data(stream, &out, NULL);
    opj_stream_set_write_function(stream, put_bytes);
    opj_stream_set_skip_function(stream, skip_bytes);
    opj_stream_set_seek_function(stream, seek_bytes);
    g_assert_true(opj_setup_encoder(codec, &parameters, image));
    g_assert_true(opj_start_compress(codec, image, stream) && opj_encode(codec, stream) && opj_end_compress(codec, stream));
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    return out;
}

/* A slide of 4 x 3 tiles as Aperio's scanners write it with JPEG 2000. */
static char *write_aperio(const char *name, uint16_t compression, const uint8_t *pixels)
{
    char               *path = in_test_folder(name);
    TIFF               *tiff = TIFFOpen(path, "w");
    g_autofree uint8_t *tile = g_malloc(64 * 64 * 3);

    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 256);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 192);
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 64);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, 64);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 3);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, compression == 33003 ? PHOTOMETRIC_YCBCR : PHOTOMETRIC_RGB);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
    TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, "Aperio Image Library v1\n256x192 |AppMag = 20|MPP = 0.499");
    for (uint32_t i = 0; i < 12; i++) {
        for (int row = 0; row < 64; row++)
            memcpy(tile + row * 64 * 3, pixels + ((i / 4 * 64 + (uint32_t)row) * 256 + i % 4 * 64) * 3, 64 * 3);
        codestream bytes = encode_tile(tile, compression == 33003);
        g_assert_cmpint(TIFFWriteRawTile(tiff, i, bytes.bytes, (tmsize_t)bytes.n), >, 0);
        g_free(bytes.bytes);
    }
    TIFFClose(tiff);
    return path;
}

/* RGB is the lossless original; YCbCr with halved chroma is within OpenSlide's rounding. */
static void test_jpeg_2000(void)
{
    g_autofree uint8_t *pixels = waves(256, 192, 3), *read = g_malloc(256 * 192 * 3);
    g_autofree char    *rgb = write_aperio("rgb.svs", 33005, pixels), *ycbcr = write_aperio("ycbcr.svs", 33003, pixels);
    g_autoptr(mt_case) c = open_with(rgb, "direct");

    g_assert_cmpstr(mt_case_format(c), ==, "aperio");
    g_assert_true(mt_case_read(c, 0, 0, 0, 0, 256, 192, read, NULL));
    g_assert_cmpmem(read, 256 * 192 * 3, pixels, 256 * 192 * 3);
    compare_case(rgb, 0);
    compare_case(ycbcr, 2);
}

/* Levels from the sub-directories, which OpenSlide does not see; µm per pixel and power from the OME-XML, units per axis. */
static void test_ome(void)
{
    static const char xml[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\">"
                              "<Instrument ID=\"Instrument:0\"><Objective ID=\"Objective:0\" NominalMagnification=\"20.0\"/></Instrument>"
                              "<Image ID=\"Image:0\"><Pixels ID=\"Pixels:0\" PhysicalSizeX=\"0.499\" PhysicalSizeY=\"498\" "
                              "PhysicalSizeYUnit=\"nm\" SizeC=\"3\" SizeT=\"1\" SizeX=\"320\" SizeY=\"256\" SizeZ=\"1\" Type=\"uint8\">"
                              "<Channel ID=\"Channel:0:0\" SamplesPerPixel=\"3\"/><TiffData/></Pixels></Image></OME>";
    g_autofree uint8_t *level0 = waves(320, 256, 3), *level1 = waves(160, 128, 3), *pixels = g_malloc(160 * 128 * 3);
    page                first = {.width = 320, .height = 256, .samples = 3, .photometric = PHOTOMETRIC_RGB, .tile = 64, .pixels = level0};
    page                second = {.reduced = true,
                                  .width = 160,
                                  .height = 128,
                                  .samples = 3,
                                  .photometric = PHOTOMETRIC_RGB,
                                  .compression = COMPRESSION_LZW,
                                  .tile = 64,
                                  .pixels = level1};
    g_autofree char    *path = in_test_folder("ome.tif");
    TIFF               *tiff = TIFFOpen(path, "w");
    toff_t              places[1] = {0};
    double              x, y;

    TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, xml);
    TIFFSetField(tiff, TIFFTAG_SUBIFD, 1, places);
    write_page(tiff, &first);
    write_page(tiff, &second);
    TIFFClose(tiff);
    g_autoptr(mt_case) c = mt_case_open(path, NULL, NULL);
    g_assert_nonnull(c);
    g_assert_cmpstr(mt_case_backend(c), ==, "direct");
    g_assert_cmpstr(mt_case_format(c), ==, "ome-tiff");
    g_assert_cmpint(mt_case_levels(c), ==, 2);
    g_assert_true(mt_case_mpp(c, &x, &y));
    g_assert_cmpfloat(x, ==, 0.499);
    g_assert_cmpfloat_with_epsilon(y, 0.498, 1e-12);
    g_assert_cmpstr(mt_case_mpp_source(c), ==, "ome");
    g_assert_cmpfloat(mt_case_objective_power(c), ==, 20);
    g_assert_true(mt_case_read(c, 0, 1, 0, 0, 160, 128, pixels, NULL));
    g_assert_cmpmem(pixels, 160 * 128 * 3, level1, 160 * 128 * 3);
}

/* Each stored tile is decoded once for reads in row-major order, whatever their offset; none stays in a cache of nothing. */
static void test_counts(void)
{
    g_autofree uint8_t *level0 = waves(640, 640, 3), *pixels = g_malloc(56 * 56 * 3);
    page                pages[] = {{.width = 640,
                                    .height = 640,
                                    .samples = 3,
                                    .photometric = PHOTOMETRIC_RGB,
                                    .compression = COMPRESSION_LZW,
                                    .tile = 64,
                                    .pixels = level0}};
    g_autofree char    *path = write_tiff("counts.tif", pages, 1);
    mt_case_counts      counts;

    for (int round = 0; round < 2; round++) {
        mt_case_options options = {.backend = "direct", .cache_bytes = round == 0 ? 2 * 10 * 64 * 64 * 3 : -1};
        g_autoptr(mt_case) c = mt_case_open(path, &options, NULL);
        for (int64_t y = 0; y < 616; y += 56)
            for (int64_t x = 0; x < 616; x += 56) {
                g_assert_true(mt_case_read_ahead(c, 0, 0, x, y, 56, 56));
                g_assert_true(mt_case_read(c, 0, 0, x, y, 56, 56, pixels, NULL));
                for (int64_t row = 0; row < 56; row++)
                    g_assert_cmpmem(pixels + row * 56 * 3, 56 * 3, level0 + ((y + row) * 640 + x) * 3, 56 * 3);
            }
        mt_case_get_counts(c, &counts);
        if (round == 0)
            g_assert_cmpint(counts.tiles_decoded, ==, 100);
        else
            g_assert_cmpint(counts.tiles_reused, ==, 0);
        g_assert_cmpint(counts.decoded_bytes, ==, counts.tiles_decoded * 64 * 64 * 3);
    }
}

/* Tiles of 64 px read whole leave nothing behind; the same pixels come out. */
static void test_once(void)
{
    g_autofree uint8_t *level0 = waves(256, 256, 3), *pixels = g_malloc(128 * 128 * 3);
    page                pages[] = {{.width = 256,
                                    .height = 256,
                                    .samples = 3,
                                    .photometric = PHOTOMETRIC_RGB,
                                    .compression = COMPRESSION_ADOBE_DEFLATE,
                                    .tile = 64,
                                    .pixels = level0}};
    g_autofree char    *path = write_tiff("once.tif", pages, 1);
    g_autoptr(mt_case) c = open_with(path, "direct");
    mt_case_counts counts;

    for (int round = 1; round <= 2; round++) {
        g_assert_true(mt_case_read_once(c, 0, 0, 64, 64, 128, 128, pixels, NULL));
        for (int64_t row = 0; row < 128; row++)
            g_assert_cmpmem(pixels + row * 128 * 3, 128 * 3, level0 + ((64 + row) * 256 + 64) * 3, 128 * 3);
        mt_case_get_counts(c, &counts);
        g_assert_cmpint(counts.tiles_decoded, ==, 4 * round);
        g_assert_cmpint(counts.tiles_reused, ==, 0);
    }
}

/* Mean difference of all tiles at `mpp` with and without the levels that are cut in the DCT domain. */
static double approximate_difference(const char *path, double mpp, int *largest)
{
    mt_case_options options[] = {{0}, {.approximate = true}};
    mt_grid_params  params = {.tile_px = 128, .mpp = mpp};
    mt_case        *c[2];
    mt_grid        *grid[2];
    mt_tile_reader *reader[2];
    double          sum = 0;
    int64_t         n = 0;

    for (int i = 0; i < 2; i++) {
        c[i] = mt_case_open(path, &options[i], NULL);
        grid[i] = mt_grid_new(c[i], NULL, &params, NULL);
        reader[i] = mt_tile_reader_new(c[i], grid[i], MT_FILTER_BILINEAR, NULL);
    }
    g_assert_cmpint(mt_case_levels(c[1]), >, mt_case_levels(c[0]));
    g_assert_cmpint(mt_grid_count(grid[0]), ==, mt_grid_count(grid[1]));
    for (int64_t i = 0; i < mt_grid_count(grid[0]); i++) {
        mt_tile_pixels exact, fast;

        g_assert_true(mt_tile_reader_read(reader[0], i, &exact, NULL));
        g_assert_true(mt_tile_reader_read(reader[1], i, &fast, NULL));
        for (int64_t k = 0; k < 128 * 128 * 3; k++, n++) {
            int difference = ABS(((uint8_t *)exact.data)[k] - ((uint8_t *)fast.data)[k]);
            sum += difference;
            *largest = MAX(*largest, difference);
        }
    }
    for (int i = 0; i < 2; i++) {
        mt_tile_reader_free(reader[i]);
        mt_grid_free(grid[i]);
        mt_case_free(c[i]);
    }
    return sum / (double)n;
}

static void test_approximate(void)
{
    const char *dir = g_getenv("MICROTOME_TEST_DATA");

    if (dir == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autofree char *path = g_build_filename(dir, "wsi/aperio-cmu-1-small-region.svs", NULL);
    for (double mpp = 1; mpp <= 4.01; mpp += 0.5) {
        int    largest = 0;
        double mean = approximate_difference(path, mpp, &largest);

        g_test_message("%g um/px: mean %.3f, largest %d", mpp, mean, largest);
        g_assert_cmpfloat(mean, <, 3);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_test_folder("mt-case-direct-XXXXXX");
    g_test_add_func("/case/direct/samples", test_samples);
    g_test_add_func("/case/direct/packings", test_packings);
    g_test_add_func("/case/direct/jpeg-2000", test_jpeg_2000);
    g_test_add_func("/case/direct/ome", test_ome);
    g_test_add_func("/case/direct/counts", test_counts);
    g_test_add_func("/case/direct/once", test_once);
    g_test_add_func("/case/direct/approximate", test_approximate);
    int result = g_test_run();

    remove_test_folder();
    return result;
}
