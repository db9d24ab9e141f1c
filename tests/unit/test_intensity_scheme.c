/* Intensity schemes against numpy (intensity_scheme_expected.py), what fits a case and what is refused. */
#include "src/base/alloc.h"
#include "src/case/intensity_scheme.h"
#include "src/case/preparation.h"
#include "src/case/volume_crop.h"

#include <math.h>
#include <microtome/tensor.h>
#include <string.h>

static uint32_t noise_at(int64_t i)
{
    return (uint32_t)((uint64_t)i * 2654435761U + 12345) >> 12;
}

enum { REALS, BYTES, TWELVE_BITS };

static mt_volume *make_volume(int kind)
{
    mt_volume *v = mt_volume_new((int64_t[3]){9, 7, 5}, 2, NULL);

    for (int64_t i = 0; i < 315; i++) {
        double real = noise_at(i) % 5 == 0 ? 0 : (double)noise_at(i) / 512 - 1000;

        v->data[i] = 77;
        v->data[315 + i] = (float)(kind == REALS ? real : noise_at(i) % (kind == BYTES ? 256 : 4096));
    }
    return v;
}

static mt_tensor *load(const char *name)
{
    g_autofree char *file = g_strdup_printf("scheme_%s.npy", name);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "unit", "data", "volume", file, NULL);
    g_autoptr(GError) error = NULL;
    mt_tensor *t = mt_tensor_read_npy(path, &error);

    g_assert_no_error(error);
    return t;
}

static const struct {
    const char *name, *text;
    int         kind;
} schemes[] = {
    {"window", "window:40,80", REALS},
    {"ct", "ct:-958.5,327.25,101.5,147.25", REALS},
    {"range", "range:-500,500", REALS},
    {"zscore", "zscore", REALS},
    {"zscore_foreground", "zscore-foreground", REALS},
    {"percentile", "percentile:0.5,99.5", REALS},
    {"percentile_foreground", "percentile-foreground:2,98", REALS},
    {"rescale01", "rescale01", REALS},
    {"rgb01", "rgb01", BYTES},
    {"imagenet", "imagenet", BYTES},
    {"xrv", "xrv:4095", TWELVE_BITS},
};

static void check_scheme(const char *name, const char *text, int kind, int threads)
{
    g_autoptr(mt_tensor) wanted = load(name);
    g_autoptr(mt_volume) v = make_volume(kind);
    g_autoptr(GError) error = NULL;
    g_autofree char    *back = NULL;
    mt_intensity_scheme s;
    double              worst = 0, largest = 0;
    uint8_t            *mask = NULL;

    g_assert_true(mt_intensity_scheme_parse(text, &s, &error));
    back = mt_intensity_scheme_text(&s);
    g_assert_cmpstr(back, ==, text);
    if (mt_intensity_scheme_needs_mask(&s)) {
        mask = mt_alloc(315, 1, NULL);
        for (int i = 0; i < 315; i++)
            mask[i] = v->data[315 + i] != 0;
    }
    g_assert_true(mt_intensity_scheme_apply(&s, v, 1, mask, threads, &error));
    for (int i = 0; i < 315; i++) {
        double known = (double)((const float *)wanted->data)[i], off = fabs((double)v->data[315 + i] - known);

        g_assert_true(isfinite(off));
        worst = MAX(worst, off);
        largest = MAX(largest, fabs(known));
        g_assert_cmpfloat((double)v->data[i], ==, 77);
    }
    g_assert_cmpfloat(worst, <=, 1e-6 * largest);
    mt_free(mask);
}

static void test_values(void)
{
    for (size_t k = 0; k < G_N_ELEMENTS(schemes); k++)
        for (int threads = 1; threads < 8; threads += 3)
            check_scheme(schemes[k].name, schemes[k].text, schemes[k].kind, threads);
}

/* Bit for bit, whatever the threads. */
static void test_threads(void)
{
    mt_intensity_scheme s;
    g_autoptr(mt_volume) one = make_volume(REALS);

    g_assert_true(mt_intensity_scheme_parse("zscore", &s, NULL));
    g_assert_true(mt_intensity_scheme_apply(&s, one, 1, NULL, 1, NULL));
    for (int threads = 2; threads < 6; threads++) {
        g_autoptr(mt_volume) many = make_volume(REALS);

        g_assert_true(mt_intensity_scheme_apply(&s, many, 1, NULL, threads, NULL));
        g_assert_cmpmem(one->data, 2 * 315 * 4, many->data, 2 * 315 * 4);
    }
}

static void test_words(void)
{
    static const char *const known[] = {
        "none", "hu", "zscore-foreground", "window:-600,1500", "xrv", "xrv:255", "range:0.1,0.30000000000000004"};
    static const char *const wrong[][2] = {
        {"window:40,0", "a WIDTH above 0"},
        {"ct:5,5,1,1", "LOW below HIGH and no negative STD"},
        {"ct:1,5,1,-1", "LOW below HIGH and no negative STD"},
        {"percentile:-1,99", "0 <= LO < HI <= 100"},
        {"xrv:0", "a MAXVAL above 0"},
    };
    static const char *const unknown[] = {"",           "CT",     "hu:1", "window", "window:40", "window:40,80,1", "window:40,nan",
                                          "range:1,2x", "zscores"};

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        mt_intensity_scheme s;
        g_autoptr(GError) error = NULL;

        g_assert_true(mt_intensity_scheme_parse(known[i], &s, &error));
        g_autofree char *text = mt_intensity_scheme_text(&s);
        g_assert_cmpstr(text, ==, known[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wrong) + G_N_ELEMENTS(unknown); i++) {
        mt_intensity_scheme s;
        bool                is_number = i < G_N_ELEMENTS(wrong);
        const char         *given = is_number ? wrong[i][0] : unknown[i - G_N_ELEMENTS(wrong)];
        g_autoptr(GError) error = NULL;
        g_autofree char *message =
            g_strdup_printf("value=%s: %s is wanted", given,
                            is_number ? wrong[i][1]
                                      : "none, hu, window:CENTRE,WIDTH, ct:LOW,HIGH,MEAN,STD, range:LOW,HIGH, zscore[-foreground], "
                                        "percentile[-foreground][:LO,HI], rescale01, rgb01, imagenet or xrv[:MAXVAL]");

        g_assert_false(mt_intensity_scheme_parse(given, &s, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
        g_assert_cmpstr(error->message, ==, message);
    }
}

static void check_plans(const char *name, bool use_mask, const double *properties, const char *wanted)
{
    mt_intensity_scheme s;
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_intensity_scheme_from_plans(name, use_mask, properties, &s, &error));
    g_autofree char *text = mt_intensity_scheme_text(&s);
    g_assert_cmpstr(text, ==, wanted);
}

static void test_plans(void)
{
    mt_intensity_scheme s;
    g_autoptr(GError) error = NULL;

    check_plans("CTNormalization", false, (double[4]){-958, 327, 101.5, 147}, "ct:-958,327,101.5,147");
    check_plans("ZScoreNormalization", false, NULL, "zscore");
    check_plans("ZScoreNormalization", true, NULL, "zscore-foreground");
    check_plans("NoNormalization", true, NULL, "none");
    check_plans("RescaleTo01Normalization", false, NULL, "rescale01");
    check_plans("RGBTo01Normalization", false, NULL, "rgb01");
    g_assert_false(mt_intensity_scheme_from_plans("Mine", false, NULL, &s, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==,
                    "normalization_schemes: \"Mine\" is not known: CTNormalization, ZScoreNormalization, NoNormalization, "
                    "RescaleTo01Normalization or RGBTo01Normalization");
    g_clear_error(&error);
    g_assert_false(mt_intensity_scheme_from_plans("CTNormalization", false, NULL, &s, &error));
    g_assert_cmpstr(error->message, ==,
                    "normalization_schemes: CTNormalization wants percentile_00_5 below percentile_99_5, mean and std in "
                    "foreground_intensity_properties_per_channel");
}

static void check_fit(const char *text, mt_intensity_facts facts, const char *reason)
{
    mt_intensity_scheme s;
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = reason != NULL ? g_strdup_printf("intensities of a.nii for value=%s: %s", text, reason) : NULL;

    facts.name = "a.nii";
    g_assert_true(mt_intensity_scheme_parse(text, &s, NULL));
    g_assert_cmpint(mt_intensity_scheme_fit(&s, &facts, &error), ==, reason == NULL);
    if (reason == NULL)
        return;
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void test_fit(void)
{
    const mt_intensity_facts ct = {.modality = "CT", .dtype = MT_I16, .channels = 1},
                             mr = {.modality = "MR", .dtype = MT_U16, .channels = 1};
    const mt_intensity_facts silent = {.modality = "unknown", .dtype = MT_I16, .channels = 1};
    const mt_intensity_facts png = {.modality = "unknown", .dtype = MT_U8, .channels = 1, .stored_bits = 8};
    const mt_intensity_facts photograph = {.modality = "OP", .dtype = MT_U8, .channels = 3, .stored_bits = 8};

    check_fit("window:40,80", ct, NULL);
    check_fit("hu", mr, "the model wants Hounsfield units, which are of CT, and the case is MR: choose a CT series or another model");
    check_fit("ct:-10,10,0,1", silent, "the model wants Hounsfield units, and the file does not say that it is a CT: state its modality");
    check_fit("hu", (mt_intensity_facts){.modality = "CT", .dtype = MT_U8, .channels = 1},
              "the model wants Hounsfield units, and 8-bit samples or colours are none: bring the series as it was made");
    check_fit("zscore", mr, NULL);
    check_fit("imagenet", photograph, NULL);
    check_fit("imagenet", png, "the model wants colours, and the case has one channel");
    check_fit("rgb01", mr, "the model wants 8-bit samples, and the case has 16-bit or float ones");
    check_fit("xrv", png, NULL);
    check_fit("xrv", ct, "the model wants a radiograph (CR or DX), and the case is CT");
    check_fit("xrv", (mt_intensity_facts){.modality = "unknown", .dtype = MT_U8, .channels = 3, .stored_bits = 8},
              "the model wants one channel, and the case has colours: save it in gray");
    check_fit("xrv", (mt_intensity_facts){.modality = "DX", .dtype = MT_F32, .channels = 1, .stored_bits = 12},
              "its samples are signed or rescaled: their largest value is not that of their bits");
    check_fit("xrv", (mt_intensity_facts){.modality = "CR", .dtype = MT_U16, .channels = 1},
              "the file does not say how many of its bits count: bring the DICOM file, or state the largest value in the card "
              "(value=xrv:4095)");
    check_fit("range:0,1024", png, NULL);
    check_fit("range:0,4095", png, "the case has 8-bit samples, which hold less than a quarter of that: bring it as it was made");
    check_fit("xrv:4095", (mt_intensity_facts){.modality = "CR", .dtype = MT_U16, .channels = 1}, NULL);
}

/* The depth of the file makes the largest value. */
static void test_depth(void)
{
    mt_intensity_scheme s;

    g_assert_true(mt_intensity_scheme_parse("xrv", &s, NULL));
    g_assert_true(mt_intensity_scheme_fit(
        &s, &(mt_intensity_facts){.name = "x", .modality = "DX", .dtype = MT_U16, .channels = 1, .stored_bits = 12}, NULL));
    g_assert_cmpfloat(s.high, ==, 4095);
    g_autoptr(mt_volume) v = mt_volume_new((int64_t[3]){2, 1, 1}, 1, NULL);
    v->data[1] = 4095;
    g_assert_true(mt_intensity_scheme_apply(&s, v, 0, NULL, 1, NULL));
    g_assert_cmpfloat((double)v->data[0], ==, -1024);
    g_assert_cmpfloat((double)v->data[1], ==, 1024);
}

static void check_refused(const char *text, mt_volume *v, const uint8_t *mask, const char *reason)
{
    mt_intensity_scheme s;
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = g_strdup_printf("intensities for value=%s: %s", text, reason);

    g_assert_true(mt_intensity_scheme_parse(text, &s, NULL));
    g_assert_false(mt_intensity_scheme_apply(&s, v, 0, mask, 2, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(error->message, ==, wanted);
}

static void test_refused(void)
{
    g_autoptr(mt_volume) v = mt_volume_new((int64_t[3]){2, 2, 3}, 1, NULL);
    const uint8_t nothing[12] = {0};

    check_refused("zscore-foreground", v, nothing, "the foreground is empty: every sample is 0");
    check_refused("percentile:0.5,99.5", v, NULL, "both percentiles are one value: nothing to scale by");
    v->data[3] = 256;
    check_refused("rgb01", v, NULL, "0 to 255 was promised, and there are samples of 0 to 256");
    check_refused("xrv:255", v, NULL, "0 to 255 was promised, and there are samples of 0 to 256");
    v->data[9] = NAN;
    v->data[11] = INFINITY;
    check_refused("none", v, NULL, "plane 2 has a sample that is not finite; replace such samples");
}

/* One value everywhere: nnU-Net divides by 1e-8, and 0 stays 0. */
static void test_constant(void)
{
    static const char *const texts[] = {"zscore", "rescale01"};

    for (size_t k = 0; k < 2; k++) {
        mt_intensity_scheme s;
        g_autoptr(mt_volume) v = mt_volume_new((int64_t[3]){3, 3, 3}, 1, NULL);

        for (int i = 0; i < 27; i++)
            v->data[i] = 0.5f;
        g_assert_true(mt_intensity_scheme_parse(texts[k], &s, NULL));
        g_assert_true(mt_intensity_scheme_apply(&s, v, 0, NULL, 1, NULL));
        for (int i = 0; i < 27; i++)
            g_assert_cmpfloat((double)v->data[i], ==, 0);
    }
}

static void test_preparation(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_preparation_check(NULL, NULL, "a", &error));
    g_assert_true(mt_preparation_check("", "template", "a", &error));
    g_assert_true(mt_preparation_check("template; skull_stripped", "skull_stripped;bias_corrected;template;", "a", &error));
    g_assert_false(mt_preparation_check("skull_stripped;template;bias_corrected", "template", "a.nii", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_INPUT);
    g_assert_cmpstr(
        error->message, ==,
        "prepare a.nii: the model requires skull_stripped;bias_corrected, and nothing says that it was done to this case: do it, "
        "then say preparation=skull_stripped;bias_corrected in the manifest or the recipe");
    g_clear_error(&error);
    g_assert_false(mt_preparation_check("skull", NULL, "a", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, "requires=skull: \"skull\" is not known: skull_stripped, template, bias_corrected");
    g_clear_error(&error);
    g_assert_false(mt_preparation_check("template", "template;done", "a", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, "preparation=template;done: \"done\" is not known: skull_stripped, template, bias_corrected");
}

static void test_refused_memory(void)
{
    for (int k = 1; k < 4; k++) {
        mt_intensity_scheme s;
        g_autoptr(mt_volume) v = make_volume(REALS);
        g_autoptr(GError) error = NULL;

        g_assert_true(mt_intensity_scheme_parse("percentile", &s, NULL));
        mt_alloc_fail_at(k);
        g_assert_false(mt_intensity_scheme_apply(&s, v, 1, NULL, 1, &error));
        mt_alloc_fail_at(0);
        g_assert_error(error, MT_ERROR, MT_ERROR_MEMORY);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/intensity/values", test_values);
    g_test_add_func("/intensity/threads", test_threads);
    g_test_add_func("/intensity/words", test_words);
    g_test_add_func("/intensity/plans", test_plans);
    g_test_add_func("/intensity/fit", test_fit);
    g_test_add_func("/intensity/depth", test_depth);
    g_test_add_func("/intensity/refused", test_refused);
    g_test_add_func("/intensity/constant", test_constant);
    g_test_add_func("/intensity/preparation", test_preparation);
    g_test_add_func("/intensity/refused-memory", test_refused_memory);
    return g_test_run();
}
