/* The pyramid writer: what libtiff reads back is what was rendered, with the right tags, and nothing is left on failure. */
#include <microtome/pyramid.h>

#include "src/base/hash.h"
#include "src/export/jpeg_tile.h"
#include "src/export/pyramid_tiff.h"
#include "src/export/tiff_stream.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <tiffio.h>

typedef struct folder {
    char *path, *file;
} folder;

static void folder_set_up(folder *f, gconstpointer data)
{
    (void)data;
    f->path = g_dir_make_tmp("pyramid-XXXXXX", NULL);
    g_assert_nonnull(f->path);
    f->file = g_build_filename(f->path, "p.tif", NULL);
}

static int files_in(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    int n = 0;

    while (g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static void folder_tear_down(folder *f, gconstpointer data)
{
    (void)data;
    g_unlink(f->file);
    g_assert_cmpint(g_rmdir(f->path), ==, 0); /* fails when a temporary was left behind */
    g_free(f->path);
    g_free(f->file);
}

/* A smooth picture, so that JPEG keeps it within a few steps. */
static void colour_at(int64_t x, int64_t y, uint8_t *rgb)
{
    rgb[0] = (uint8_t)(128 + 100 * sin((double)x / 90));
    rgb[1] = (uint8_t)(128 + 100 * sin((double)y / 70));
    rgb[2] = (uint8_t)(128 + 100 * sin((double)(x + y) / 110));
}

static bool render_smooth(void *user, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *rgb, GError **error)
{
    gint *calls = user;

    (void)error;
    if (calls != NULL)
        g_atomic_int_inc(calls);
    for (int64_t j = 0; j < height; j++)
        for (int64_t i = 0; i < width; i++)
            colour_at(x + i, y + j, rgb + 3 * (j * width + i));
    return true;
}

static bool render_fails_low(void *user, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *rgb, GError **error)
{
    (void)user;
    if (y + height > 700) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "pixels below 700 are lost");
        return false;
    }
    return render_smooth(NULL, x, y, width, height, rgb, error);
}

static bool render_silent(void *user, int64_t x, int64_t y, int64_t width, int64_t height, uint8_t *rgb, GError **error)
{
    (void)user, (void)x, (void)y, (void)width, (void)height, (void)rgb, (void)error;
    return false;
}

static uint32_t tag_u32(TIFF *tiff, uint32_t tag)
{
    uint32_t value = 0;

    TIFFGetField(tiff, tag, &value);
    return value;
}

static void check_level(TIFF *tiff, uint32_t width, uint32_t height, int down)
{
    g_autofree uint32_t *rgba = g_new(uint32_t, (gsize)width * height);
    int                  worst = 0;

    g_assert_cmpuint(tag_u32(tiff, TIFFTAG_IMAGEWIDTH), ==, width);
    g_assert_cmpuint(tag_u32(tiff, TIFFTAG_IMAGELENGTH), ==, height);
    g_assert_cmpuint(tag_u32(tiff, TIFFTAG_TILEWIDTH), ==, 256);
    g_assert_cmpuint(tag_u32(tiff, TIFFTAG_TILELENGTH), ==, 256);
    g_assert_cmpint(TIFFReadRGBAImageOriented(tiff, width, height, rgba, ORIENTATION_TOPLEFT, 1), ==, 1);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint8_t  want[3];
            uint32_t got = rgba[(gsize)y * width + x];
            colour_at((int64_t)x * down + down / 2, (int64_t)y * down + down / 2, want);
            worst = MAX(worst, ABS((int)TIFFGetR(got) - want[0]));
            worst = MAX(worst, ABS((int)TIFFGetG(got) - want[1]));
            worst = MAX(worst, ABS((int)TIFFGetB(got) - want[2]));
        }
    g_assert_cmpint(worst, <=, 8 + 2 * down);
}

static void test_levels(folder *f, gconstpointer data)
{
    const mt_pyramid_params params = {.width = 1000, .height = 777, .mpp = 0.5, .quality = 95};
    static const uint32_t   sizes[][2] = {{1000, 777}, {500, 388}, {250, 194}};
    g_autoptr(GError) error = NULL;
    float    resolution = 0;
    uint16_t unit = 0, compression = 0;

    (void)data;
    g_assert_true(mt_pyramid_write(f->file, &params, render_smooth, NULL, &error));
    g_assert_no_error(error);
    g_assert_cmpint(files_in(f->path), ==, 1);
    TIFF *tiff = TIFFOpen(f->file, "r");
    g_assert_nonnull(tiff);
    g_assert_cmpint(TIFFNumberOfDirectories(tiff), ==, G_N_ELEMENTS(sizes)); /* plain directories, no SubIFDs */
    for (int i = 0; i < (int)G_N_ELEMENTS(sizes); i++) {
        g_assert_cmpint(TIFFSetDirectory(tiff, (tdir_t)i), ==, 1);
        TIFFGetField(tiff, TIFFTAG_COMPRESSION, &compression);
        g_assert_cmpint(compression, ==, COMPRESSION_JPEG);
        check_level(tiff, sizes[i][0], sizes[i][1], 1 << i);
    }
    TIFFSetDirectory(tiff, 0);
    TIFFGetField(tiff, TIFFTAG_RESOLUTIONUNIT, &unit);
    TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &resolution);
    g_assert_cmpint(unit, ==, RESUNIT_CENTIMETER);
    g_assert_cmpfloat_with_epsilon(10000.0 / (double)resolution, 0.5, 1e-6);
    TIFFClose(tiff);
}

static void test_threads(folder *f, gconstpointer data)
{
    mt_pyramid_params params = {.width = 1500, .height = 1100, .mpp = 0.25, .replace = true};
    g_autofree char  *first = NULL;

    (void)data;
    for (int threads = 1; threads <= 4; threads++) {
        g_autoptr(GError) error = NULL;
        gint calls = 0;
        params.threads = threads;
        g_assert_true(mt_pyramid_write(f->file, &params, render_smooth, &calls, &error));
        g_assert_no_error(error);
        g_assert_cmpint(calls, >, 1); /* never the whole image at once */
        g_autofree char *hash = mt_hash_file(f->file, &error);
        if (first == NULL)
            first = g_strdup(hash);
        g_assert_cmpstr(hash, ==, first);
    }
}

static void test_unknown_spacing(folder *f, gconstpointer data)
{
    const mt_pyramid_params params = {.width = 300, .height = 40};
    g_autoptr(GError) error = NULL;
    uint16_t unit = 0;

    (void)data;
    g_assert_true(mt_pyramid_write(f->file, &params, render_smooth, NULL, &error));
    TIFF *tiff = TIFFOpen(f->file, "r");
    g_assert_nonnull(tiff);
    TIFFGetField(tiff, TIFFTAG_RESOLUTIONUNIT, &unit);
    g_assert_cmpint(unit, ==, RESUNIT_NONE);
    TIFFClose(tiff);
}

/* Odd edges, one pixel, one row, one column: each level has the floor of half the size, never less than one. */
static void test_odd_sizes(folder *f, gconstpointer data)
{
    static const int64_t sizes[][2] = {{1, 1}, {1, 700}, {700, 1}, {257, 513}, {33, 16}, {513, 255}};

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const mt_pyramid_params params = {
            .width = sizes[i][0], .height = sizes[i][1], .tile_px = 64, .mpp = 0.5, .quality = 95, .replace = true};
        int64_t width = params.width, height = params.height;
        g_autoptr(GError) error = NULL;
        g_assert_true(mt_pyramid_write(f->file, &params, render_smooth, NULL, &error));
        g_assert_no_error(error);
        TIFF *tiff = TIFFOpen(f->file, "r");
        g_assert_nonnull(tiff);
        for (int level = 0;; level++) {
            g_autofree uint32_t *rgba = g_new(uint32_t, (gsize)(width * height));
            g_assert_cmpint(TIFFSetDirectory(tiff, (tdir_t)level), ==, 1);
            g_assert_cmpint(tag_u32(tiff, TIFFTAG_IMAGEWIDTH), ==, width);
            g_assert_cmpint(tag_u32(tiff, TIFFTAG_IMAGELENGTH), ==, height);
            g_assert_cmpint(TIFFReadRGBAImageOriented(tiff, (uint32_t)width, (uint32_t)height, rgba, ORIENTATION_TOPLEFT, 1), ==, 1);
            if (width <= 64 && height <= 64)
                break;
            width = MAX(1, width / 2);
            height = MAX(1, height / 2);
        }
        g_assert_cmpint(TIFFLastDirectory(tiff), ==, 1);
        TIFFClose(tiff);
    }
}

static void write_big(const char *path, uint8_t *rgb)
{
    const mt_jpeg_params jpeg = {.quality = 95, .full_colour = true};
    mt_jpeg_bytes        tables, tile;
    uint64_t             offset, count;
    mt_tiff_level        level = {.width = 60,
                                  .height = 50,
                                  .tile_px = 64,
                                  .full_colour = true,
                                  .px_per_cm = 40000,
                                  .offsets = &offset,
                                  .counts = &count,
                                  .n_tiles = 1};
    mt_tiff_stream       stream = {.path = path, .big = true};
    g_autoptr(GError) error = NULL;

    stream.fd = g_open(path, O_RDWR | O_CREAT, 0644);
    g_assert_cmpint(stream.fd, >=, 0);
    g_assert_true(mt_jpeg_write_tables(&jpeg, &tables, &error));
    g_assert_true(mt_jpeg_write_tile(&jpeg, rgb, (size_t)64 * 3, 64, &tile, &error));
    g_assert_true(mt_tiff_stream_begin(&stream, &error));
    count = tile.size;
    g_assert_true(mt_tiff_stream_append(&stream, tile.data, tile.size, &offset, &error));
    g_assert_true(mt_tiff_stream_end(&stream, &level, 1, &(mt_tiff_layout){.tables = tables.data, .table_bytes = tables.size}, &error));
    g_close(stream.fd, NULL);
    free(tables.data);
    free(tile.data);
}

/* The stream alone, since a pyramid becomes a BigTIFF from half a gigapixel only. */
static void test_bigtiff_stream(folder *f, gconstpointer data)
{
    g_autofree uint8_t  *rgb = g_new(uint8_t, (gsize)64 * 64 * 3);
    g_autofree uint32_t *rgba = g_new(uint32_t, (gsize)60 * 50);
    float                resolution = 0;

    (void)data;
    render_smooth(NULL, 0, 0, 64, 64, rgb, NULL);
    write_big(f->file, rgb);
    TIFF *tiff = TIFFOpen(f->file, "r");
    g_assert_nonnull(tiff);
    g_assert_cmpint(TIFFIsBigTIFF(tiff), !=, 0);
    g_assert_cmpint(TIFFReadRGBAImageOriented(tiff, 60, 50, rgba, ORIENTATION_TOPLEFT, 1), ==, 1);
    for (int i = 0; i < 60 * 50; i++)
        g_assert_cmpint(ABS((int)TIFFGetG(rgba[i]) - rgb[3 * (i / 60 * 64 + i % 60) + 1]), <=, 8);
    TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &resolution);
    g_assert_cmpfloat_with_epsilon((double)resolution, 40000.0, 1e-2);
    TIFFClose(tiff);
}

static void test_render_error(folder *f, gconstpointer data)
{
    const mt_pyramid_params params = {.width = 900, .height = 900, .mpp = 0.5};
    g_autofree char        *message = g_strdup_printf("write %s: pixels below 700 are lost", f->file);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_false(mt_pyramid_write(f->file, &params, render_fails_low, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpint(files_in(f->path), ==, 0);
    g_clear_error(&error);
    g_assert_false(mt_pyramid_write(f->file, &params, render_silent, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INTERNAL);
    g_autofree char *silent = g_strdup_printf("write %s: rendering failed without saying why", f->file);
    g_assert_cmpstr(error->message, ==, silent);
    g_assert_cmpint(files_in(f->path), ==, 0);
}

static void test_exists(folder *f, gconstpointer data)
{
    const mt_pyramid_params params = {.width = 64, .height = 64, .mpp = 0.5};
    g_autofree char        *message = g_strdup_printf("write %s: it exists already, and is not to be replaced", f->file);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(mt_pyramid_write(f->file, &params, render_smooth, NULL, &error));
    g_assert_false(mt_pyramid_write(f->file, &params, render_smooth, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_ranges(folder *f, gconstpointer data)
{
    static const struct {
        mt_pyramid_params params;
        const char       *what;
    } cases[] = {
        {{.width = 0, .height = 5}, "a width of 0 is outside 1..10000000"},
        {{.width = 5, .height = 20000000}, "a height of 20000000 is outside 1..10000000"},
        {{.width = 5, .height = 5, .quality = 101}, "a JPEG quality of 101 is outside 1..100"},
        {{.width = 5, .height = 5, .threads = -1}, "a number of threads of -1 is outside 1..64"},
        {{.width = 5, .height = 5, .tile_px = 8}, "a tile of 8 is outside 16..4096"},
        {{.width = 5, .height = 5, .tile_px = 100}, "a tile of 100 px is no multiple of 16, which TIFF asks for"},
        {{.width = 5, .height = 5, .mpp = -0.5}, "-0.5 µm per pixel is neither 0 (unknown) nor within 0.001..1000"},
        {{.width = 5, .height = 5, .mpp = NAN}, "nan µm per pixel is neither 0 (unknown) nor within 0.001..1000"},
    };

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *message = g_strdup_printf("write %s: %s", f->file, cases[i].what);
        g_assert_false(mt_pyramid_write(f->file, &cases[i].params, render_smooth, NULL, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
        g_assert_cmpstr(error->message, ==, message);
    }
    g_assert_cmpint(files_in(f->path), ==, 0);
}

static void test_folder_missing(void)
{
    const mt_pyramid_params params = {.width = 64, .height = 64};
    g_autoptr(GError) error = NULL;

    g_assert_false(mt_pyramid_write("no-such-folder/p.tif", &params, render_smooth, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, "create a temporary file for no-such-folder/p.tif: No such file or directory");
}

/* A full disk, as a limit on file size in a process of its own. */
static void test_disk_full(folder *f, gconstpointer data)
{
    const mt_pyramid_params params = {.width = 2000, .height = 2000, .mpp = 0.5};
    const struct rlimit     limit = {20000, 20000};
    g_autoptr(GError) error = NULL;

    (void)data;
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        return;
    }
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_false(mt_pyramid_write(f->file, &params, render_smooth, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_autofree char *message = g_strdup_printf("write %s: File too large", f->file);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpint(files_in(f->path), ==, 0);
}

static void test_classic_limit(void)
{
    mt_tiff_stream stream = {.path = "p.tif", .fd = -1, .position = UINT32_MAX - 5};
    uint64_t       offset;
    g_autoptr(GError) error = NULL;

    g_assert_false(mt_tiff_stream_append(&stream, "123456789", 9, &offset, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INTERNAL);
    g_assert_cmpstr(error->message, ==, "write p.tif: its tiles passed the 4 GiB of a classic TIFF");
}

static void test_bigtiff(void)
{
    g_assert_false(mt_pyramid_needs_bigtiff(20000, 20000));
    g_assert_true(mt_pyramid_needs_bigtiff(24000, 24000));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/pyramid/levels", folder, NULL, folder_set_up, test_levels, folder_tear_down);
    g_test_add("/pyramid/threads", folder, NULL, folder_set_up, test_threads, folder_tear_down);
    g_test_add("/pyramid/unknown-spacing", folder, NULL, folder_set_up, test_unknown_spacing, folder_tear_down);
    g_test_add("/pyramid/odd-sizes", folder, NULL, folder_set_up, test_odd_sizes, folder_tear_down);
    g_test_add("/pyramid/bigtiff-stream", folder, NULL, folder_set_up, test_bigtiff_stream, folder_tear_down);
    g_test_add("/pyramid/render-error", folder, NULL, folder_set_up, test_render_error, folder_tear_down);
    g_test_add("/pyramid/exists", folder, NULL, folder_set_up, test_exists, folder_tear_down);
    g_test_add("/pyramid/ranges", folder, NULL, folder_set_up, test_ranges, folder_tear_down);
    g_test_add_func("/pyramid/folder-missing", test_folder_missing);
    g_test_add("/pyramid/disk-full", folder, NULL, folder_set_up, test_disk_full, folder_tear_down);
    g_test_add_func("/pyramid/classic-limit", test_classic_limit);
    g_test_add_func("/pyramid/bigtiff", test_bigtiff);
    return g_test_run();
}
