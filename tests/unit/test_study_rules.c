/* What a series is for by its words, times and contrast, and what rules take: made series, without files. */
#include "src/case/study.h"

#include <string.h>

typedef struct told {
    const char *words, *scanning;
    double      tr, te, ti;
    bool        agent;
    unsigned    roles;
} told;

static void test_roles(void)
{
    static const told all[] = {
        {"AX T1", "SE", 500, 10, 0, false, MT_ROLE_T1},
        {"t1_se_tra", "SE", 600, 12, 0, true, MT_ROLE_T1C},
        {"AX T1 POST GD", NULL, 0, 0, 0, false, MT_ROLE_T1C},
        {"T1+C", NULL, 0, 0, 0, false, MT_ROLE_T1C},
        {"sub_t1ce", NULL, 0, 0, 0, false, MT_ROLE_T1C},
        {"AX T1 post-op", NULL, 0, 0, 0, false, MT_ROLE_T1},
        {"AX T1 without contrast", NULL, 0, 0, 0, false, MT_ROLE_T1},
        {"AX T1 pre", NULL, 0, 0, 0, true, MT_ROLE_T1 | MT_ROLE_T1C},
        {"AX T1 pre and post", NULL, 0, 0, 0, false, MT_ROLE_T1 | MT_ROLE_T1C},
        {"MPRAGE", "GR\\IR", 2300, 3, 900, false, MT_ROLE_T1},
        {"SAG 3D BRAVO", NULL, 0, 0, 0, false, MT_ROLE_T1},
        {"AX T2 FSE", "SE", 4000, 95, 0, false, MT_ROLE_T2},
        {"AX T2 FLAIR", "SE\\IR", 9000, 120, 2500, false, MT_ROLE_FLAIR},
        {"AX T2 FLAIR", NULL, 0, 0, 0, false, MT_ROLE_FLAIR},
        {"t2_tirm_dark-fluid", NULL, 0, 0, 0, false, MT_ROLE_FLAIR},
        {"AX T1 FLAIR", "SE\\IR", 2000, 20, 860, false, MT_ROLE_T1},
        {"AX T1 FLAIR", NULL, 0, 0, 0, false, MT_ROLE_T1 | MT_ROLE_FLAIR},
        {"AX PD", "SE", 3000, 15, 0, false, MT_ROLE_PD},
        {"AX T2*", "GR", 600, 20, 0, false, MT_ROLE_OTHER},
        {"SWI", NULL, 0, 0, 0, false, MT_ROLE_OTHER},
        {"TOF MRA T1", NULL, 0, 0, 0, false, MT_ROLE_OTHER},
        {"DWI b1000", "EP", 5000, 90, 0, false, MT_ROLE_DWI},
        /* by times alone */
        {"AX BRAIN", "SE", 500, 10, 0, false, MT_ROLE_T1},
        {"AX BRAIN", "SE", 500, 10, 0, true, MT_ROLE_T1C},
        {"AX BRAIN", "SE", 4500, 100, 0, false, MT_ROLE_T2},
        {"AX BRAIN", "IR", 9000, 110, 2500, false, MT_ROLE_FLAIR},
        {"AX BRAIN", "GR", 30, 5, 0, false, MT_ROLE_T1},
        /* words against times; neither */
        {"AX T1", "SE", 4500, 100, 0, false, MT_ROLE_T1 | MT_ROLE_T2},
        {"AX BRAIN", NULL, 0, 0, 0, false, MT_ROLE_ANY},
        {"AX BRAIN", "SE", 1500, 50, 0, false, MT_ROLE_ANY},
        /* no words in words */
        {"POSTERIOR FOSSA", "SE", 4500, 100, 0, false, MT_ROLE_T2},
        {"CERVICAL T12 L1", "SE", 500, 10, 0, false, MT_ROLE_T1},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        const told *t = &all[i];
        mt_series   s = {.modality = (char *)"MR",
                         .description = (char *)t->words,
                         .scanning = (char *)t->scanning,
                         .repetition_ms = t->tr,
                         .echo_ms = t->te,
                         .inversion_ms = t->ti,
                         .b_value = -1};

        s.contrast = mt_series_contrast_of(&s, t->agent);
        g_test_message("%s: %u", t->words, mt_series_roles(&s));
        g_assert_cmpuint(mt_series_roles(&s), ==, t->roles);
        s.modality = (char *)"CT";
        g_assert_cmpuint(mt_series_roles(&s) & (MT_ROLE_T1 | MT_ROLE_T1C | MT_ROLE_T2 | MT_ROLE_FLAIR), ==, 0);
    }
}

static const mt_series chest = {.number = 1,
                                .modality = (char *)"CT",
                                .body_part = (char *)"CHEST",
                                .description = (char *)"Thorax 1.0 Br40",
                                .protocol = (char *)"Routine",
                                .image_type = (char *)"ORIGINAL\\PRIMARY\\AXIAL",
                                .orientation = "axial",
                                .images = 300,
                                .thickness_mm = 1,
                                .contrast = MT_CONTRAST_GIVEN,
                                .b_value = -1};

static void expect_fit(const mt_series *s, const char *pair, mt_series_fit fit, const char *why)
{
    const char *const pairs[] = {pair, NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_series_rule) rule = mt_series_rule_new(NULL, NULL, pairs, &error);
    g_autofree char *said = NULL;

    g_assert_no_error(error);
    g_test_message("%s", pair);
    g_assert_cmpint(mt_series_rule_fits(rule, s, &said), ==, fit);
    g_assert_cmpstr(said, ==, why);
}

static void test_fits(void)
{
    expect_fit(&chest, "modality=ct;MR", MT_FITS, NULL);
    expect_fit(&chest, "modality=MR", MT_FITS_NOT, "modality is CT");
    expect_fit(&chest, "body_part=TH*;CH*", MT_FITS, NULL);
    expect_fit(&chest, "orientation=coronal;sagittal", MT_FITS_NOT, "orientation is axial");
    expect_fit(&chest, "thickness=1", MT_FITS, NULL);
    expect_fit(&chest, "thickness=-0.9", MT_FITS_NOT, "thickness is 1 mm");
    expect_fit(&chest, "thickness=1.5-", MT_FITS_NOT, "thickness is 1 mm");
    expect_fit(&chest, "contrast=no", MT_FITS_NOT, "contrast is given");
    expect_fit(&chest, "description=routine", MT_FITS, NULL);
    expect_fit(&chest, "description=*br40;!rout*", MT_FITS_NOT, "description does not fit");
    expect_fit(&chest, "description=!*lung*", MT_FITS, NULL);
    expect_fit(&chest, "view=PA", MT_FITS_NOT, "view is not said");
    expect_fit(&chest, "image_type=original", MT_FITS, NULL);
    expect_fit(&chest, "image_type=!primary", MT_FITS_NOT, "image_type does not fit");
    expect_fit(&chest, "min_images=301", MT_FITS_NOT, "300 of at least 301 images");
    expect_fit(&chest, "role=T1", MT_FITS_NOT, "role is not T1");
}

static void test_skipped(void)
{
    mt_series s = chest;

    s.skip = MT_SERIES_TYPE;
    s.reason = (char *)"derived";
    s.image_type = (char *)"DERIVED\\PRIMARY";
    expect_fit(&s, "modality=CT", MT_FITS_NOT, "derived");
    expect_fit(&s, "image_type=any", MT_FITS, NULL);
    expect_fit(&s, "image_type=derived", MT_FITS, NULL);
    s.skip = MT_SERIES_ALONE;
    expect_fit(&s, "image_type=any", MT_FITS_NOT, "derived");
    expect_fit(&s, "min_images=1", MT_FITS, NULL);
    s.skip = MT_SERIES_NO_IMAGE;
    expect_fit(&s, "min_images=1", MT_FITS_NOT, "derived");
    s = chest;
    s.thickness_mm = 0;
    expect_fit(&s, "thickness=1-3", MT_FITS_NOT, "thickness is not said");
    s.spacing_mm = 2;
    expect_fit(&s, "thickness=1-3", MT_FITS, NULL);
    s.contrast = MT_CONTRAST_UNSURE;
    expect_fit(&s, "contrast=yes", MT_FITS_UNSURE, "its words and its header disagree about contrast");
    expect_fit(&s, "contrast=no", MT_FITS_UNSURE, "its words and its header disagree about contrast");
}

static void expect_wrong(const char *pair, const char *message)
{
    const char *const pairs[] = {pair, NULL};
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_series_rule_new(NULL, NULL, pairs, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_wrong(void)
{
    expect_wrong("thickness=-", "thickness=-: MIN-MAX in mm is wanted");
    expect_wrong("thickness=", "thickness=: MIN-MAX in mm is wanted");
    expect_wrong("thickness=1-2-3", "thickness=1-2-3: MIN-MAX in mm is wanted");
    expect_wrong("thickness=nan", "thickness=nan: MIN-MAX in mm is wanted");
    expect_wrong("thickness=-1-2", "thickness=-1-2: MIN-MAX in mm is wanted");
    expect_wrong("min_images=1.5", "min_images=1.5: a whole number from 1 to 1000000 is wanted");
    expect_wrong("modality=;", "modality=;: a modality is wanted");
    expect_wrong("colour=red",
                 "key 'colour' is not known: modality, body_part, orientation, thickness, contrast, description, view, laterality, "
                 "image_type, role, min_images, prefer");
}

static void test_order(void)
{
    const char *const pairs[] = {"prefer=thinnest;newest", NULL};
    g_autoptr(mt_series_rule) rule = mt_series_rule_new(NULL, NULL, pairs, NULL);
    mt_series thin = chest, thick = chest, unknown = chest;

    thick.thickness_mm = 5;
    unknown.thickness_mm = 0;
    g_assert_cmpint(mt_series_rule_order(rule, &thin, &thick), <, 0);
    g_assert_cmpint(mt_series_rule_order(rule, &thick, &thin), >, 0);
    g_assert_cmpint(mt_series_rule_order(rule, &unknown, &thick), >, 0);
    g_assert_cmpint(mt_series_rule_order(rule, &thin, &chest), ==, 0);
    thin.series_number = 7;
    g_assert_cmpint(mt_series_rule_order(rule, &thin, &chest), <, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/study/roles", test_roles);
    g_test_add_func("/study/fits", test_fits);
    g_test_add_func("/study/skipped", test_skipped);
    g_test_add_func("/study/wrong", test_wrong);
    g_test_add_func("/study/order", test_order);
    return g_test_run();
}
