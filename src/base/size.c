#include "src/base/size.h"

#include <math.h>
#include <string.h>

bool mt_size_parse(const char *text, int64_t *bytes)
{
    static const char units[] = "KMGT";
    char             *end;
    double            value = g_ascii_isdigit(*text) ? g_ascii_strtod(text, &end) : NAN;

    if (isnan(value))
        return false;
    const char *unit = *end != '\0' ? strchr(units, g_ascii_toupper(*end)) : NULL;
    if (unit != NULL) {
        value = ldexp(value, 10 * (int)(unit - units + 1));
        end++;
    }
    if (*end != '\0' || !(value >= 1 && value <= 1e15))
        return false;
    *bytes = (int64_t)value;
    return true;
}
