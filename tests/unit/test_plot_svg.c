/* Plots: well-formed, deterministic, nothing that is not a number, and drawn as PNG. */
#include "src/export/plot_svg.h"
#include "src/export/svg_png.h"

#include <math.h>
#include <string.h>

static const double X[] = {0, 0.2, 0.5, 1}, Y[] = {0, 0.7, NAN, 1}, LOW[] = {0, 0.5, 0.6, 0.9}, HIGH[] = {0.1, 0.8, 0.9, 1};

static char *draw(void)
{
    const mt_plot_series series[] = {
        {.name = "R<O>C & more", .kind = MT_PLOT_STEP, .x = X, .y = Y, .n = 4},
        {.name = "chance", .kind = MT_PLOT_LINE, .x = X, .y = X, .n = 4, .color = 8, .dashed = true},
        {.name = "95 %", .kind = MT_PLOT_BAND, .x = X, .low = LOW, .high = HIGH, .n = 4},
        {.kind = MT_PLOT_BARS, .x = X, .y = Y, .n = 4},
        {.name = "points", .kind = MT_PLOT_POINTS, .x = X, .y = Y, .low = LOW, .high = HIGH, .n = 4},
    };
    const mt_plot plot = {.title = "ROC <1>", .x_label = "1 - specificity", .y_label = "sensitivity", .series = series, .n_series = 5};

    return mt_plot_svg(&plot);
}

static void test_well_formed(void)
{
    const GMarkupParser parser = {0};
    g_autofree char    *first = draw(), *second = draw();
    g_autoptr(GError) error = NULL;
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, NULL, NULL);

    g_assert_true(g_markup_parse_context_parse(context, first, -1, &error) && g_markup_parse_context_end_parse(context, &error));
    g_assert_no_error(error);
    g_markup_parse_context_free(context);
    g_assert_cmpstr(first, ==, second);
    g_assert_null(strstr(first, "nan"));
    g_assert_null(strstr(first, "inf"));
    g_assert_nonnull(strstr(first, "R&lt;O&gt;C &amp; more"));
}

static void count_ticks(double low, double high, int at_least, int at_most, const char *shown)
{
    const double         xs[] = {low, high};
    const mt_plot_series series = {.kind = MT_PLOT_LINE, .x = xs, .y = xs, .n = 2};
    const mt_plot        plot = {.series = &series, .n_series = 1, .y_min = 0, .y_max = 1};
    g_autofree char     *svg = mt_plot_svg(&plot);
    int                  n = -6; /* of the y axis */

    for (const char *at = svg; (at = strstr(at, "<text")) != NULL; at++)
        n++;
    g_assert_cmpint(n, >=, at_least);
    g_assert_cmpint(n, <=, at_most);
    g_assert_nonnull(strstr(svg, shown));
}

static void test_ticks(void)
{
    count_ticks(0, 1, 6, 6, ">0.2<");
    count_ticks(0, 100, 6, 6, ">80<");
    count_ticks(-0.003, 0.004, 4, 9, ">-0.002<");
    count_ticks(12345, 12346, 4, 8, ">12345.2<");
    count_ticks(0, 3e8, 4, 8, ">1e+08<");
    count_ticks(5, 5, 4, 8, ">5.0<"); /* one value alone has a range all the same */
}

static void test_png(void)
{
    g_autofree char *svg = draw();
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) png = mt_svg_png(svg, 2, &error);

    g_assert_no_error(error);
    g_assert_cmpint(memcmp(g_bytes_get_data(png, NULL), "\x89PNG", 4), ==, 0);
    const uint8_t *header = g_bytes_get_data(png, NULL);
    g_assert_cmpint(header[18] * 256 + header[19], ==, 920);
    g_assert_cmpint(header[22] * 256 + header[23], ==, 720);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plot/well_formed", test_well_formed);
    g_test_add_func("/plot/ticks", test_ticks);
    g_test_add_func("/plot/png", test_png);
    return g_test_run();
}
