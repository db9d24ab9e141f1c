#include "src/batch/control.h"

#include <string.h>

static bool parse_number(const char *text, double *value)
{
    char *end;

    *value = g_ascii_strtod(text, &end);
    return *text != '\0' && *end == '\0' && isfinite(*value);
}

bool mt_control_parse(const char *text, mt_control_wish *wish)
{
    g_auto(GStrv) parts = g_strsplit(text, "..", 2);
    double number;

    *wish = (mt_control_wish){.low = NAN, .high = NAN};
    if (*text == '\0' || parse_number(text, &number)) /* a lone number is no interval, and no label that could be meant */
        return false;
    if (parts[1] != NULL)
        return parse_number(g_strstrip(parts[0]), &wish->low) && parse_number(g_strstrip(parts[1]), &wish->high) && wish->low <= wish->high;
    wish->label = g_strdup(text);
    return true;
}

void mt_control_wish_clear(mt_control_wish *wish)
{
    g_clear_pointer(&wish->label, g_free);
}
