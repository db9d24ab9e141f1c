/* µm per pixel: what counts as known, and the reason given where it does not. */
#include "src/case/spacing.h"

#include <math.h>

static void expect_resolution(double x, double y, const char *unit, double um_x, double um_y, const char *source)
{
    mt_spacing s;

    mt_spacing_init(&s);
    mt_spacing_set_resolution(&s, "TIFF", x, y, unit, "tiff-resolution");
    g_assert_cmpint(s.known, ==, um_x > 0);
    g_assert_cmpfloat_with_epsilon(s.x, um_x, 1e-12);
    g_assert_cmpfloat_with_epsilon(s.y, um_y, 1e-12);
    g_assert_cmpstr(s.source, ==, source);
    mt_spacing_clear(&s);
}

static void test_resolution(void)
{
    expect_resolution(20000, 40000, "centimeter", 0.5, 0.25, "tiff-resolution");
    expect_resolution(50800, 50800, "inch", 0.5, 0.5, "tiff-resolution");
    expect_resolution(2540, 2540, "inch", 10, 10, "tiff-resolution");
    expect_resolution(28.34, 28.34, "centimeter", 0, 0, "TIFF resolution of 72 dpi is no microscope's");
    expect_resolution(72, 72, "inch", 0, 0, "TIFF resolution of 72 dpi is no microscope's");
    expect_resolution(300, 300, "inch", 0, 0, "TIFF resolution of 300 dpi is no microscope's");
    expect_resolution(1200, 1200, "inch", 0, 0, "TIFF resolution of 1200 dpi is no microscope's");
    expect_resolution(1, 1, "inch", 0, 0, "TIFF resolution of 1.00 dpi is no microscope's");
    expect_resolution(1e9, 1e9, "centimeter", 0, 0, "TIFF resolution of 2540000000 dpi is no microscope's");
    expect_resolution(20000, 72, "centimeter", 0, 0, "TIFF resolution of 50800 x 183 dpi is no microscope's");
    expect_resolution(20000, 20000, "none", 0, 0, "TIFF resolution without a unit");
    expect_resolution(20000, 20000, NULL, 0, 0, "TIFF resolution without a unit");
    expect_resolution(0, 20000, "centimeter", 0, 0, "TIFF resolution of 0 x 20000 is no number of pixels");
    expect_resolution(NAN, 20000, "centimeter", 0, 0, "TIFF resolution of nan x 20000 is no number of pixels");
}

static void expect_text(const char *x, const char *y, double um, const char *source)
{
    mt_spacing s;

    mt_spacing_init(&s);
    g_assert_true(mt_spacing_set_text(&s, x, y, "openslide"));
    g_assert_cmpfloat(s.x, ==, um);
    g_assert_cmpstr(s.source, ==, source);
    mt_spacing_clear(&s);
}

static void test_text(void)
{
    mt_spacing s;

    expect_text("0.499", "0.499", 0.499, "openslide");
    expect_text("0.499", NULL, 0, "the spacing in the file (openslide) is 0.499 x nan, not a length");
    expect_text("0.499 um", "0.499", 0, "the spacing in the file (openslide) is nan x 0.499, not a length");
    expect_text("-0.5", "0.5", 0, "the spacing in the file (openslide) is -0.5 x 0.5, not a length");
    expect_text("inf", "0.5", 0, "the spacing in the file (openslide) is inf x 0.5, not a length");
    expect_text("", "0.5", 0, "the spacing in the file (openslide) is nan x 0.5, not a length");
    mt_spacing_init(&s);
    g_assert_false(mt_spacing_set_text(&s, NULL, NULL, "openslide"));
    g_assert_false(s.known);
    g_assert_cmpstr(s.source, ==, "no spacing in the file");
    mt_spacing_clear(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case/spacing/resolution", test_resolution);
    g_test_add_func("/case/spacing/text", test_text);
    return g_test_run();
}
