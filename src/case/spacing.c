#include "src/case/spacing.h"

#include <math.h>
#include <string.h>

#define UM_PER_CM 10000.0
#define CM_PER_INCH 2.54

void mt_spacing_init(mt_spacing *spacing)
{
    *spacing = (mt_spacing){.source = g_strdup("no spacing in the file")};
}

void mt_spacing_clear(mt_spacing *spacing)
{
    g_clear_pointer(&spacing->source, g_free);
}

void mt_spacing_set_unknown(mt_spacing *spacing, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    char *reason = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_free(spacing->source);
    *spacing = (mt_spacing){.source = reason};
}

static bool is_length(double um)
{
    return isfinite(um) && um > 0;
}

void mt_spacing_set(mt_spacing *spacing, double x, double y, const char *source)
{
    if (!is_length(x) || !is_length(y)) {
        mt_spacing_set_unknown(spacing, "the spacing in the file (%s) is %g x %g, not a length", source, x, y);
        return;
    }
    char *copy = g_strdup(source);
    g_free(spacing->source);
    *spacing = (mt_spacing){.known = true, .x = x, .y = y, .source = copy};
}

static double parse(const char *text)
{
    char *end = NULL;

    if (text == NULL || *text == '\0')
        return NAN;
    double value = g_ascii_strtod(text, &end);
    return *end == '\0' ? value : NAN;
}

bool mt_spacing_set_text(mt_spacing *spacing, const char *x, const char *y, const char *source)
{
    if (x == NULL && y == NULL)
        return false;
    /* One axis alone says nothing about the other. */
    mt_spacing_set(spacing, parse(x), parse(y), source);
    return true;
}

static bool is_plausible(double um)
{
    return um >= MT_SPACING_MIN_UM && um <= MT_SPACING_MAX_UM;
}

static char *dpi_text(double dpi)
{
    return g_strdup_printf("%.*f", dpi < 10 ? 2 : 0, dpi);
}

void mt_spacing_set_resolution(mt_spacing *spacing, const char *file_kind, double x, double y, const char *unit, const char *source)
{
    double cm = g_strcmp0(unit, "inch") == 0 ? CM_PER_INCH : g_strcmp0(unit, "centimeter") == 0 ? 1 : 0;

    if (cm == 0) {
        mt_spacing_set_unknown(spacing, "%s resolution without a unit", file_kind);
    } else if (!is_length(x) || !is_length(y)) {
        mt_spacing_set_unknown(spacing, "%s resolution of %g x %g is no number of pixels", file_kind, x, y);
    } else if (!is_plausible(UM_PER_CM * cm / x) || !is_plausible(UM_PER_CM * cm / y)) {
        double           per_inch = CM_PER_INCH / cm;
        g_autofree char *across = dpi_text(x * per_inch), *down = dpi_text(y * per_inch);
        bool             square = strcmp(across, down) == 0;

        mt_spacing_set_unknown(spacing, "%s resolution of %s%s%s dpi is no microscope's", file_kind, across, square ? "" : " x ",
                               square ? "" : down);
    } else {
        mt_spacing_set(spacing, UM_PER_CM * cm / x, UM_PER_CM * cm / y, source);
    }
}
