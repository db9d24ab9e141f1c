/* Artefacts against drawings of known truth, and against hand-drawn masks of real pen marks. */
#include <microtome/masker.h>

#include <math.h>
#include <omp.h>
#include <string.h>

#include "tests/unit/tiling_samples.h"
#include <microtome/geojson.h>
#include <microtome/mask_png.h>

#define SIDE 800

typedef struct drawing {
    double  *light; /* transmitted, 3 a pixel, of 1 */
    uint8_t *truth;
} drawing;

static uint32_t noise_state;

static double noise(void)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return (double)(noise_state >> 8) / 16777216.0;
}

static void stain(drawing *d, int x, int y, const double od[3], double times)
{
    for (int c = 0; c < 3; c++)
        d->light[3 * (y * SIDE + x) + c] *= pow(10, -od[c] * times);
}

/* Two stains in patches of a few pixels, on a disc: H&E, or DAB with haematoxylin. */
static drawing draw_tissue(bool dab)
{
    static const double stains[2][2][3] = {{{0.16, 0.20, 0.08}, {0.02, 0.14, 0.08}}, {{0.17, 0.16, 0.10}, {0.12, 0.22, 0.30}}};
    drawing             d = {g_new(double, SIDE *SIDE * 3), g_new0(uint8_t, SIDE * SIDE)};

    noise_state = 7;
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        d.light[i] = 0.95;
    for (int y = 0; y < SIDE; y += 2)
        for (int x = 0; x < SIDE; x += 2) {
            double first = noise(), second = noise();
            for (int k = 0; k < 4 && hypot(x - 400, y - 400) < 300; k++) {
                stain(&d, x + k % 2, y + k / 2, stains[dab][0], 1.4 * first);
                stain(&d, x + k % 2, y + k / 2, stains[dab][1], 0.4 + 1.2 * second);
            }
        }
    return d;
}

static mt_case *open_drawing(drawing *d, mt_tiling_sample *sample)
{
    uint8_t *pixels = g_malloc(SIDE * SIDE * 3);

    for (int i = 0; i < SIDE * SIDE * 3; i++)
        pixels[i] = (uint8_t)(255 * d->light[i] + 0.5);
    *sample = mt_tiling_sample_new(SIDE, SIDE, 3, false, pixels);
    g_free(d->light);
    return mt_tiling_sample_open(sample, 8);
}

static mt_mask *find(mt_case *c, const char *method, const char *exclude)
{
    unsigned set = 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_masker) masker = mt_masker_new(method, &error);

    g_assert_true(mt_artefacts_parse(exclude, &set));
    mt_masker_exclude(masker, set);
    mt_mask *mask = mt_masker_run(masker, c, NULL, &error);
    g_assert_no_error(error);
    return mask;
}

static double share_of(const uint8_t *pixels, int64_t n)
{
    int64_t found = 0;

    for (int64_t i = 0; i < n; i++)
        found += pixels[i] != 0;
    return (double)found / (double)n;
}

static double dice(const uint8_t *a, const uint8_t *b, int64_t n)
{
    int64_t both = 0, sum = 0;

    for (int64_t i = 0; i < n; i++) {
        both += a[i] && b[i];
        sum += (a[i] != 0) + (b[i] != 0);
    }
    return sum ? 2 * (double)both / (double)sum : 1;
}

static double distance_to_line(double x, double y, double x0, double y0, double x1, double y1)
{
    double t = CLAMP(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)), 0, 1);

    return hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0));
}

/* A stroke from the glass over the tissue, `half` px to either side; what is drawn is the truth. */
static void draw_stroke(drawing *d, const double od[3], double half)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            if (distance_to_line(x, y, 40, 120, 700, 640) < half) {
                stain(d, x, y, od, 1);
                d->truth[y * SIDE + x] = 255;
            }
}

static void test_strokes(void)
{
    static const struct {
        const char *name;
        double      od[3];
    } inks[] = {{"green", {0.32, 0.15, 0.17}},     {"dark green", {0.85, 0.36, 0.45}}, {"blue", {0.75, 0.52, 0.18}},
                {"light blue", {0.44, 0.28, 0.1}}, {"navy", {0.91, 0.88, 0.3}},        {"red", {0.1, 0.9, 0.7}},
                {"scarlet", {0.06, 0.7, 0.6}},     {"black", {0.9, 0.92, 0.98}}};

    for (size_t k = 0; k < 2 * G_N_ELEMENTS(inks); k++) {
        drawing          d = draw_tissue(k % 2);
        mt_tiling_sample sample;
        draw_stroke(&d, inks[k / 2].od, 14);
        g_autoptr(mt_case) c = open_drawing(&d, &sample);
        g_autoptr(mt_mask) mask = find(c, "otsu", "pen");
        double got = dice(mt_mask_artefact_pixels(mask, MT_ARTEFACT_PEN), d.truth, SIDE * SIDE);
        g_test_message("%s on %s: %.3f", inks[k / 2].name, k % 2 ? "DAB" : "H&E", got);
        g_assert_cmpfloat(got, >=, 0.8);
        g_free(d.truth);
        mt_tiling_sample_clear(&sample);
    }
}

/* Tissue without anything: next to nothing is found, whatever it is stained with. */
static void test_clean(void)
{
    for (int dab = 0; dab < 2; dab++) {
        drawing          d = draw_tissue(dab);
        mt_tiling_sample sample;
        g_autoptr(mt_case) c = open_drawing(&d, &sample);
        g_autoptr(mt_mask) mask = find(c, "otsu", "pen,folds,blur,bubbles"), bare = find(c, "otsu", "");
        for (int kind = 0; kind < MT_ARTEFACT_KINDS; kind++) {
            g_assert_cmpfloat(share_of(mt_mask_artefact_pixels(mask, (mt_artefact)kind), SIDE * SIDE), <, 0.002);
            g_assert_null(mt_mask_artefact_pixels(bare, (mt_artefact)kind));
            g_assert_cmpfloat(mt_mask_artefact_area_mm2(bare, (mt_artefact)kind), ==, -1);
        }
        g_assert_cmpfloat(mt_mask_area_mm2(mask), >, 0.99 * mt_mask_area_mm2(bare));
        g_free(d.truth);
        mt_tiling_sample_clear(&sample);
    }
}

/* The foreground loses exactly what was found, and what was before is still known. */
static void test_account(void)
{
    static const double ink[3] = {0.75, 0.52, 0.18};
    drawing             d = draw_tissue(false);
    mt_tiling_sample    sample;

    draw_stroke(&d, ink, 14);
    g_autoptr(mt_case) c = open_drawing(&d, &sample);
    g_autoptr(mt_mask) mask = find(c, "none", "pen"), whole = find(c, "none", NULL);
    double stroke = mt_mask_artefact_area_mm2(mask, MT_ARTEFACT_PEN);
    g_assert_cmpuint(mt_mask_excluded(mask), ==, 1u << MT_ARTEFACT_PEN);
    g_assert_cmpfloat(fabs(stroke + mt_mask_area_mm2(mask) - mt_mask_area_mm2(whole)), <, 1e-9);
    g_assert_cmpfloat(fabs(stroke / (share_of(d.truth, SIDE * SIDE) * SIDE * SIDE * 64e-6) - 1), <, 0.2);
    g_assert_cmpfloat(mt_mask_share(mask, 350, 350, 40, 40), <, mt_mask_share_before(mask, 350, 350, 40, 40));
    g_assert_cmpfloat(mt_mask_share_before(mask, 0, 0, SIDE, SIDE), ==, 1);
    g_assert_cmpfloat(mt_mask_share_before(whole, 0, 0, SIDE, SIDE), ==, 1);
    g_assert_cmpint(mt_mask_artefact_n_rings(mask, MT_ARTEFACT_PEN), >, 0);
    g_assert_cmpint(mt_mask_artefact_n_rings(mask, MT_ARTEFACT_BLUR), ==, 0);
    g_free(d.truth);
    mt_tiling_sample_clear(&sample);
}

/* Tissue lying double: the stains of a strip count twice. */
static void test_fold(void)
{
    drawing          d = draw_tissue(false);
    mt_tiling_sample sample;

    for (int y = 300; y < 500; y++)
        for (int x = 330; x < 346; x++) {
            d.truth[y * SIDE + x] = 255;
            for (int k = 0; k < 3; k++)
                d.light[3 * (y * SIDE + x) + k] *= d.light[3 * (y * SIDE + x) + k] / 0.95;
        }
    g_autoptr(mt_case) c = open_drawing(&d, &sample);
    g_autoptr(mt_mask) mask = find(c, "otsu", "folds;bubbles");
    g_assert_cmpfloat(dice(mt_mask_artefact_pixels(mask, MT_ARTEFACT_FOLDS), d.truth, SIDE * SIDE), >, 0.8);
    g_assert_cmpfloat(share_of(mt_mask_artefact_pixels(mask, MT_ARTEFACT_BUBBLES), SIDE * SIDE), ==, 0);
    g_free(d.truth);
    mt_tiling_sample_clear(&sample);
}

/* Half of the tissue passes through a lens that is off: repeated means over 5 x 5. */
static void test_blur(void)
{
    drawing          d = draw_tissue(false);
    mt_tiling_sample sample;

    for (int pass = 0; pass < 4; pass++) {
        double *copy = g_memdup2(d.light, SIDE * SIDE * 3 * sizeof(double));
        for (int y = 2; y < SIDE - 2; y++)
            for (int x = 2; x < 384 * 3; x++) {
                double sum = 0;
                for (int k = 0; k < 25; k++)
                    sum += copy[3 * (y + k / 5 - 2) * SIDE + MAX(x + 3 * (k % 5 - 2), x % 3)];
                d.light[3 * y * SIDE + x] = sum / 25;
            }
        g_free(copy);
    }
    g_autoptr(mt_case) c = open_drawing(&d, &sample);
    g_autoptr(mt_mask) mask = find(c, "otsu", "blur"), before = find(c, "otsu", NULL);
    for (int i = 0; i < SIDE * SIDE; i++)
        d.truth[i] = i % SIDE < 384 ? mt_mask_pixels(before)[i] : 0;
    g_assert_cmpfloat(dice(mt_mask_artefact_pixels(mask, MT_ARTEFACT_BLUR), d.truth, SIDE * SIDE), >, 0.8);
    g_free(d.truth);
    mt_tiling_sample_clear(&sample);
}

/* A thin grey ring is a bubble with all it holds; a thick one is a pen's, and what it holds is tissue. */
static void test_bubble(void)
{
    for (int thick = 0; thick < 2; thick++) {
        drawing          d = draw_tissue(false);
        mt_tiling_sample sample;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                double r = hypot(x - 400, y - 400);
                if (r < 110 && r > (thick ? 70 : 104))
                    stain(&d, x, y, (double[3]){0.8, 0.8, 0.8}, 1);
                d.truth[y * SIDE + x] = r < 110 && !thick ? 255 : 0;
            }
        g_autoptr(mt_case) c = open_drawing(&d, &sample);
        g_autoptr(mt_mask) mask = find(c, "otsu", "bubbles");
        g_assert_cmpfloat(dice(mt_mask_artefact_pixels(mask, MT_ARTEFACT_BUBBLES), d.truth, SIDE * SIDE), >, 0.9); /* 1: neither */
        g_free(d.truth);
        mt_tiling_sample_clear(&sample);
    }
}

static void test_threads(void)
{
    static const double ink[3] = {0.1, 0.9, 0.7};
    drawing             d = draw_tissue(false);
    mt_tiling_sample    sample;
    int                 threads = omp_get_max_threads();

    draw_stroke(&d, ink, 14);
    g_autoptr(mt_case) c = open_drawing(&d, &sample);
    omp_set_num_threads(1);
    g_autoptr(mt_mask) one = find(c, "otsu", "pen,folds,blur,bubbles");
    omp_set_num_threads(5);
    g_autoptr(mt_mask) five = find(c, "otsu", "pen,folds,blur,bubbles");
    omp_set_num_threads(threads);
    g_assert_cmpmem(mt_mask_pixels(one), SIDE * SIDE, mt_mask_pixels(five), SIDE * SIDE);
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++)
        g_assert_cmpmem(mt_mask_artefact_pixels(one, (mt_artefact)k), SIDE * SIDE, mt_mask_artefact_pixels(five, (mt_artefact)k),
                        SIDE * SIDE);
    g_free(d.truth);
    mt_tiling_sample_clear(&sample);
}

static void test_names(void)
{
    unsigned set = 99;

    g_assert_true(mt_artefacts_parse(NULL, &set) && set == 0);
    g_assert_true(mt_artefacts_parse("blur, pen;", &set) && set == (1u << MT_ARTEFACT_PEN | 1u << MT_ARTEFACT_BLUR));
    g_autofree char *text = mt_artefacts_text(set);
    g_assert_cmpstr(text, ==, "pen;blur");
    g_assert_false(mt_artefacts_parse("pen;hair", &set));
}

static void test_refusals(void)
{
    mt_tiling_sample sample = mt_tiling_sample_u16(64, 64);
    g_autoptr(mt_case) c = mt_tiling_sample_open(&sample, 0.5);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_masker) masker = mt_masker_new("none", &error);
    g_autofree char *expected =
        g_strdup_printf("find artefacts of %s: it needs 8-bit RGB, and the case has 1 channel(s) of uint16: exclude "
                        "nothing",
                        sample.path);

    mt_masker_exclude(masker, 1);
    g_assert_null(mt_masker_run(masker, c, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, expected);
    g_clear_error(&error);
    mt_masker_exclude(masker, 16);
    g_assert_null(mt_masker_run(masker, c, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_autofree char *kinds = g_strdup_printf("find artefacts of %s: 16 names kinds that do not exist", sample.path);
    g_assert_cmpstr(error->message, ==, kinds);
    g_clear_error(&error);
    g_autoptr(mt_mask) mask = mt_mask_new(c, "none", &error);
    g_assert_false(mt_mask_png_write_artefact(mask, MT_ARTEFACT_PEN, "/nowhere/pen.png", false, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_RANGE);
    g_assert_cmpstr(error->message, ==, "write /nowhere/pen.png: the mask was made without looking for pen");
    mt_tiling_sample_clear(&sample);
}

static mt_mask *find_real(const char *path, const char *exclude)
{
    const char *folder = g_getenv("MICROTOME_TEST_DATA");
    g_autoptr(GError) error = NULL;
    g_autofree char *full = g_build_filename(folder, path, NULL);
    g_autoptr(mt_case) c = mt_case_open(full, NULL, &error);

    g_assert_no_error(error);
    return find(c, "otsu", exclude);
}

/* The hand-drawn mask at level 0, pen_red's and pen_black's are images of one level. */
static double dice_with_png(const mt_mask *mask, const char *path)
{
    g_autofree char *full = g_build_filename(g_getenv("MICROTOME_TEST_DATA"), path, NULL);
    VipsImage       *png = vips_image_new_from_file(full, NULL), *gray = NULL;
    size_t           bytes;
    int64_t          width, height;

    mt_mask_size(mask, &width, &height);
    g_assert_cmpint(vips_thumbnail_image(png, &gray, (int)width, "height", (int)height, "size", VIPS_SIZE_FORCE, NULL), ==, 0);
    uint8_t *pixels = vips_image_write_to_memory(gray, &bytes);
    int      bands = vips_image_get_bands(gray);
    uint8_t *truth = g_malloc((size_t)(width * height));
    for (int64_t i = 0; i < width * height; i++)
        truth[i] = pixels[i * bands] > 127;
    double got = dice(mt_mask_artefact_pixels(mask, MT_ARTEFACT_PEN), truth, width * height);
    g_free(truth);
    g_free(pixels);
    g_object_unref(gray);
    g_object_unref(png);
    return got;
}

static void test_real_pen(void)
{
    if (g_getenv("MICROTOME_TEST_DATA") == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    g_autoptr(mt_mask) black = find_real("tissue/histoqc/pen_black.png", "pen"), red = find_real("tissue/histoqc/pen_red.png", "pen");
    g_assert_cmpfloat(dice_with_png(black, "tissue/histoqc/pen_black_mask.png"), >, 0.9);
    g_assert_cmpfloat(dice_with_png(red, "tissue/histoqc/pen_red_mask.png"), >, 0.85);
}

static void test_real_clean(void)
{
    static const char *const clean[] = {"tiles/he/instanseg-HE_example.tif", "tiles/ihc/immunohistochemistry.png",
                                        "tiles/stain/tiatoolbox-target.png", "wsi/aperio-cmu-1-small-region.svs",
                                        "wsi/derived/composed-open.tif",     "wsi/hamamatsu-test3-dapi.ndpi"};

    if (g_getenv("MICROTOME_TEST_DATA") == NULL) {
        g_test_skip("MICROTOME_TEST_DATA is not set");
        return;
    }
    for (size_t k = 0; k < G_N_ELEMENTS(clean); k++) {
        g_autoptr(mt_mask) mask = find_real(clean[k], "pen,blur,bubbles");
        int64_t width, height;
        mt_mask_size(mask, &width, &height);
        for (int kind = 0; kind < MT_ARTEFACT_KINDS; kind++)
            if (kind != MT_ARTEFACT_FOLDS)
                g_assert_cmpfloat(share_of(mt_mask_artefact_pixels(mask, (mt_artefact)kind), width * height), <, 0.003);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!mt_tiling_sample_start(argv[0]))
        return 1;
    g_test_add_func("/artefacts/strokes", test_strokes);
    g_test_add_func("/artefacts/clean", test_clean);
    g_test_add_func("/artefacts/account", test_account);
    g_test_add_func("/artefacts/fold", test_fold);
    g_test_add_func("/artefacts/blur", test_blur);
    g_test_add_func("/artefacts/bubble", test_bubble);
    g_test_add_func("/artefacts/threads", test_threads);
    g_test_add_func("/artefacts/names", test_names);
    g_test_add_func("/artefacts/refusals", test_refusals);
    g_test_add_func("/artefacts/real-pen", test_real_pen);
    g_test_add_func("/artefacts/real-clean", test_real_clean);
    return g_test_run();
}
