/* The generator of synthetic slides: same seed, same bytes on any number of threads; the truth is what was asked for. */
#include <microtome/case.h>

#include "samples/synthetic.h"
#include "src/base/csv.h"
#include "src/base/hash.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char *program; /* microtome-synthetic, from the build */

typedef struct folder {
    char *path;
} folder;

static void folder_set_up(folder *f, gconstpointer data)
{
    (void)data;
    f->path = g_dir_make_tmp("synthetic-XXXXXX", NULL);
    g_assert_nonnull(f->path);
}

static void remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_remove(path);
}

static void folder_tear_down(folder *f, gconstpointer data)
{
    (void)data;
    remove_tree(f->path);
    g_free(f->path);
}

/* Run the program with `options` (a format of one line) and return its exit code and last words. */
G_GNUC_PRINTF(2, 3)
static int run(char **words, const char *options, ...)
{
    va_list list;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;
    g_autofree char *standard = NULL;
    int              status = -1;

    va_start(list, options);
    g_autofree char *text = g_strdup_vprintf(options, list);
    va_end(list);
    g_autofree char *line = g_strconcat(program, " ", text, NULL);
    g_assert_true(g_shell_parse_argv(line, NULL, &argv, &error));
    g_assert_true(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, &standard, words, &status, &error));
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void must_run(const char *where, const char *options)
{
    g_autofree char *words = NULL;
    const int        code = run(&words, "-o %s %s", where, options);

    if (code != 0)
        g_test_message("%s", words);
    g_assert_cmpint(code, ==, 0);
}

static char *hash_of(const char *where, const char *name)
{
    g_autofree char *path = g_build_filename(where, name, NULL);
    g_autoptr(GError) error = NULL;
    char *hash = mt_hash_file(path, &error);

    g_assert_no_error(error);
    return hash;
}

static void test_same_bytes(folder *f, gconstpointer data)
{
    static const char *const names[] = {
        "slide-001.tif", "slide-002.tif", "truth/slide-001_mask.pgm", "truth/slide-001_tissue.pgm", "truth/slide-002_mask.pgm",
        "labels.csv",    "manifest.csv"};
    g_autofree char *one = g_build_filename(f->path, "one", NULL), *three = g_build_filename(f->path, "three", NULL);
    g_autofree char *other = g_build_filename(f->path, "other", NULL);

    (void)data;
    must_run(one, "--count 2 --size 900x1100 --seed 7 --threads 1");
    must_run(three, "--count 2 --size 900x1100 --seed 7 --threads 3");
    must_run(other, "--count 2 --size 900x1100 --seed 8 --threads 1");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *a = hash_of(one, names[i]), *b = hash_of(three, names[i]), *c = hash_of(other, names[i]);
        g_assert_cmpstr(a, ==, b);
        if (i < 2)
            g_assert_cmpstr(a, !=, c);
    }
}

static double number(const mt_csv *csv, guint row, const char *column)
{
    return g_ascii_strtod(mt_csv_cell(csv, row, mt_csv_column(csv, column)), NULL);
}

static mt_csv *read_labels(const char *where)
{
    g_autofree char *path = g_build_filename(where, "labels.csv", NULL);
    g_autoptr(GError) error = NULL;
    mt_csv *csv = mt_csv_read(path, &error);

    g_assert_no_error(error);
    return csv;
}

/* Share, prevalence, areas: as asked for, and as the masks say. */
static void test_truth(folder *f, gconstpointer data)
{
    int tumours = 0;

    (void)data;
    must_run(f->path, "--count 5 --size 1536 --prevalence 0.6 --tumour-share 0.2 --blank 1 --seed 3");
    g_autoptr(mt_csv) csv = read_labels(f->path);
    g_assert_cmpuint(csv->rows->len, ==, 6);
    for (guint i = 0; i < 6; i++) {
        const char      *id = mt_csv_cell(csv, i, mt_csv_column(csv, "id"));
        const bool       tumour = strcmp(mt_csv_cell(csv, i, mt_csv_column(csv, "label")), "tumour") == 0;
        const double     tumour_mm2 = number(csv, i, "tumour_mm2"), tissue_mm2 = number(csv, i, "tissue_mm2");
        g_autofree char *name = g_strdup_printf("%s_mask.pgm", id), *path = g_build_filename(f->path, "truth", name, NULL);
        g_autofree char *mask = NULL;
        gsize            bytes, cells = 0;
        g_assert_true(g_file_get_contents(path, &mask, &bytes, NULL));
        g_assert_true(g_str_has_prefix(mask, "P5\n48 48\n255\n"));
        g_assert_cmpuint(bytes, ==, strlen("P5\n48 48\n255\n") + 48 * 48);
        for (gsize k = bytes - 48 * 48; k < bytes; k++)
            cells += (unsigned char)mask[k] == 255;
        g_assert_cmpfloat_with_epsilon((double)cells * 0.000256, tumour_mm2, 1e-6);
        g_assert_cmpfloat_with_epsilon(tumour_mm2, tumour ? 0.2 * tissue_mm2 : 0, 0.000257);
        if (g_str_has_prefix(id, "blank"))
            g_assert_cmpfloat(tissue_mm2, ==, 0);
        else
            g_assert_cmpfloat(tissue_mm2, >, 0.1 * 1536 * 1536 * 0.25e-6);
        tumours += tumour;
    }
    g_assert_cmpint(tumours, ==, 3);
}

/* The engine opens them, knows their spacing and reads what was rendered. */
static void test_opens(folder *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->path, "slide-001.tif", NULL);
    g_autoptr(GError) error = NULL;
    double mpp_x, mpp_y;

    (void)data;
    must_run(f->path, "--count 1 --size 1300x900 --mpp 0.25");
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mt_case_backend(c), ==, "direct");
    g_assert_cmpstr(mt_case_format(c), ==, "generic-tiff");
    g_assert_cmpint(mt_case_levels(c), ==, 4);
    g_assert_cmpint(mt_case_level(c, 0)->width, ==, 1300);
    g_assert_cmpint(mt_case_level(c, 0)->height, ==, 900);
    g_assert_true(mt_case_mpp(c, &mpp_x, &mpp_y));
    g_assert_cmpfloat_with_epsilon(mpp_x, 0.25, 1e-5);
    g_assert_cmpfloat_with_epsilon(mpp_y, 0.25, 1e-5);
    g_assert_cmpstr(mt_case_mpp_source(c), ==, "tiff-resolution");
}

static void test_no_spacing(folder *f, gconstpointer data)
{
    g_autofree char   *path = g_build_filename(f->path, "blank-001.tif", NULL);
    g_autofree guint8 *rgb = g_malloc((gsize)600 * 600 * 3);
    g_autoptr(GError) error = NULL;
    double mpp_x, mpp_y;

    (void)data;
    must_run(f->path, "--count 0 --blank 1 --size 600 --no-spacing --seed 2");
    g_autoptr(mt_case) c = mt_case_open(path, NULL, &error);
    g_assert_no_error(error);
    g_assert_false(mt_case_mpp(c, &mpp_x, &mpp_y));
    g_assert_true(mt_case_read(c, 0, 0, 0, 0, 600, 600, rgb, &error));
    for (int i = 0; i < 600 * 600 * 3; i++)
        g_assert_cmpint(rgb[i], >, 215); /* this seed has no pen: nothing but glass */
}

static syn_slide *slide_of(const syn_textures *textures, double mpp, double share)
{
    const syn_params params = {.seed = 99, .width = 1200, .height = 1000, .mpp = mpp, .tumour_share = share};

    return syn_slide_new(&params, textures);
}

/* The same pixels, whatever the rectangles they are asked for in. */
static void test_any_rectangle(void)
{
    static const int64_t cuts[] = {0, 1, 130, 387, 400, 777, 1000};
    syn_textures        *textures = syn_textures_new();
    g_autofree uint8_t  *whole = g_malloc((gsize)1200 * 1000 * 3), *part = g_malloc((gsize)1200 * 1000 * 3);

    for (int k = 0; k < 2; k++) {
        syn_slide *slide = slide_of(textures, k == 0 ? 0.5 : 0.37, 0.3);
        g_assert_true(syn_slide_render(slide, 0, 0, 1200, 1000, whole, NULL));
        for (guint j = 0; j + 1 < G_N_ELEMENTS(cuts); j++)
            for (guint i = 0; i + 1 < G_N_ELEMENTS(cuts); i++) {
                const int64_t w = cuts[i + 1] - cuts[i], h = cuts[j + 1] - cuts[j];
                g_assert_true(syn_slide_render(slide, cuts[i], cuts[j], w, h, part, NULL));
                for (int64_t y = 0; y < h; y++)
                    g_assert_cmpint(memcmp(part + y * w * 3, whole + ((cuts[j] + y) * 1200 + cuts[i]) * 3, (size_t)w * 3), ==, 0);
            }
        syn_slide_free(slide);
    }
    syn_textures_free(textures);
}

/* Pixels obey the truth: tumour absorbs more red (nuclei) than other tissue, tissue more green than glass. */
static void test_pixels_follow_truth(void)
{
    syn_textures       *textures = syn_textures_new();
    syn_slide          *slide = slide_of(textures, 0.5, 0.3);
    g_autofree uint8_t *rgb = g_malloc((gsize)1200 * 1000 * 3);
    double              red[3] = {0}, green[3] = {0}, n[3] = {0};

    g_assert_true(syn_slide_render(slide, 0, 0, 1200, 1000, rgb, NULL));
    for (int y = 0; y < 1000; y++)
        for (int x = 0; x < 1200; x++) {
            const int64_t cell = (int64_t)(y / 32) * slide->plan->width + x / 32;
            const int     what = syn_plan_is_tumour(slide->plan, cell) ? 2 : syn_plan_is_tissue(slide->plan, cell) ? 1 : 0;
            red[what] += rgb[3 * (y * 1200 + x)];
            green[what] += rgb[3 * (y * 1200 + x) + 1];
            n[what]++;
        }
    g_assert_cmpfloat(red[2] / n[2], <, red[1] / n[1] - 15);
    g_assert_cmpfloat(green[1] / n[1], <, green[0] / n[0] - 50);
    syn_slide_free(slide);
    syn_textures_free(textures);
}

static void test_errors(folder *f, gconstpointer data)
{
    static const struct {
        const char *options, *words;
    } cases[] = {
        {"--count 1", "microtome-synthetic: -o DIR is missing; see --help\n"},
        {"-o x --size 12", "microtome-synthetic: --size wants PX or WxH, each 256..200000; see --help\n"},
        {"-o x --size 512x", "microtome-synthetic: --size wants PX or WxH, each 256..200000; see --help\n"},
        {"-o x --count -1", "microtome-synthetic: --count, --large and --blank are at least 0, and 100000 together at most; see --help\n"},
        {"-o x --tumour-share 0.95", "microtome-synthetic: --tumour-share is within (0, 0.9]; see --help\n"},
        {"-o x --prevalence 2", "microtome-synthetic: --prevalence is within [0, 1]; see --help\n"},
        {"-o x --mpp 0", "microtome-synthetic: --mpp is within 0.1..4; see --help\n"},
        {"-o x y", "microtome-synthetic: 'y' is no option; see --help\n"},
        {"-o x --colour", "microtome-synthetic: Unknown option --colour\n"},
    };

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *words = NULL;
        g_assert_cmpint(run(&words, "%s", cases[i].options), ==, 64);
        g_assert_cmpstr(words, ==, cases[i].words);
    }
    g_autofree char *words = NULL, *file = g_build_filename(f->path, "file", NULL);
    g_autofree char *expected = g_strdup_printf("microtome-synthetic: make folder %s/truth: Not a directory\n", file);
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_assert_cmpint(run(&words, "-o %s --count 1 --size 256", file), ==, 74);
    g_assert_cmpstr(words, ==, expected);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    program = g_getenv("MICROTOME_SYNTHETIC");
    if (program == NULL) {
        g_printerr("MICROTOME_SYNTHETIC is not set: run through meson test\n");
        return 77;
    }
    g_test_add("/synthetic/same-bytes", folder, NULL, folder_set_up, test_same_bytes, folder_tear_down);
    g_test_add("/synthetic/truth", folder, NULL, folder_set_up, test_truth, folder_tear_down);
    g_test_add("/synthetic/opens", folder, NULL, folder_set_up, test_opens, folder_tear_down);
    g_test_add("/synthetic/no-spacing", folder, NULL, folder_set_up, test_no_spacing, folder_tear_down);
    g_test_add_func("/synthetic/any-rectangle", test_any_rectangle);
    g_test_add_func("/synthetic/pixels-follow-truth", test_pixels_follow_truth);
    g_test_add("/synthetic/errors", folder, NULL, folder_set_up, test_errors, folder_tear_down);
    return g_test_run();
}
