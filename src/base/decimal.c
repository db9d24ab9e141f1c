#include "src/base/decimal.h"

#include <glib.h>

static double round_to(double value, int n_digits, char digits[MT_DECIMAL_BYTES])
{
    char format[8];

    g_snprintf(format, sizeof format, "%%.%dg", n_digits);
    return g_ascii_strtod(g_ascii_formatd(digits, MT_DECIMAL_BYTES, format, value), NULL);
}

const char *mt_decimal_text(double value, char digits[MT_DECIMAL_BYTES])
{
    for (int n = 6; n <= 17; n++)
        if (round_to(value, n, digits) == value)
            break;
    return digits;
}

double mt_decimal_of_float(float value)
{
    char   digits[MT_DECIMAL_BYTES];
    double decimal = value;

    for (int n = 6; n <= 9; n++)
        if ((float)(decimal = round_to(value, n, digits)) == value)
            break;
    return decimal;
}
