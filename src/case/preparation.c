#include "src/case/preparation.h"

#include <string.h>

static const char *const known[] = {"skull_stripped", "template", "bias_corrected", NULL};

/* Stripped, empty ones left out; NULL and an error at one that is not known. */
static char **read_list(const char *text, const char *key, mt_error code, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ";", -1);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (char **part = parts; *part != NULL; part++) {
        g_strstrip(*part);
        if (**part == '\0')
            continue;
        if (!g_strv_contains(known, *part)) {
            g_set_error(error, MT_ERROR, code, "%s=%s: \"%s\" is not known: skull_stripped, template, bias_corrected", key, text, *part);
            return NULL;
        }
        g_ptr_array_add(list, g_strdup(*part));
    }
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

bool mt_preparation_check(const char *required, const char *done, const char *case_name, GError **error)
{
    g_auto(GStrv) wanted = read_list(required, "requires", MT_ERROR_MODEL, error);
    g_auto(GStrv) had = wanted != NULL ? read_list(done, "preparation", MT_ERROR_USAGE, error) : NULL;
    g_autoptr(GString) missing = g_string_new(NULL);

    if (had == NULL)
        return false;
    for (char **one = wanted; *one != NULL; one++)
        if (!g_strv_contains((const char *const *)had, *one))
            g_string_append_printf(missing, "%s%s", missing->len > 0 ? ";" : "", *one);
    if (missing->len == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "prepare %s: the model requires %s, and nothing says that it was done to this case: do it, then say preparation=%s in the "
                "manifest or the recipe",
                case_name, missing->str, missing->str);
    return false;
}
