#include "src/case/sequence_files.h"

#include <string.h>

/* "sub-01_t1c" of "sub-01_T1c.nii.gz" */
static char *stem_of(const char *name)
{
    static const char *const endings[] = {".nii.gz", ".nii", ".hdr", ".mha", ".mhd",  ".nrrd",
                                          ".nhdr",   ".dcm", ".png", ".tif", ".tiff", ".jpg"};
    g_autofree char         *lower = g_ascii_strdown(name, -1);

    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(lower, endings[i]) && strlen(lower) > strlen(endings[i])) {
            lower[strlen(lower) - strlen(endings[i])] = '\0';
            break;
        }
    return g_steal_pointer(&lower);
}

static bool is_of_role(const char *name, const char *role)
{
    g_autofree char *stem = stem_of(name), *lower = g_ascii_strdown(role, -1);
    size_t           n = strlen(stem), m = strlen(lower);

    return *name != '.' && n >= m && strcmp(stem + n - m, lower) == 0 && (n == m || strchr("_-. ", stem[n - m - 1]) != NULL);
}

static char *find_role(const char *folder, GPtrArray *names, const char *role, GError **error)
{
    const char *found = NULL;

    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        if (!is_of_role(name, role))
            continue;
        if (found != NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the sequences of %s: both %s and %s may be '%s': leave one in the folder",
                        folder, found, name, role);
            return NULL;
        }
        found = name;
    }
    if (found == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read the sequences of %s: none is called '%s', as ID_%s.nii.gz would be", folder,
                    role, role);
    return found != NULL ? g_build_filename(folder, found, NULL) : NULL;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **mt_sequence_files(const char *folder, const char *const *roles, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &cause);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    g_auto(GStrv) files = g_new0(char *, g_strv_length((char **)(uintptr_t)roles) + 1);

    if (dir == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read the sequences of %s: %s: a folder with a file for each is wanted", folder,
                    cause->message);
        return NULL;
    }
    while ((name = g_dir_read_name(dir)) != NULL)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_name);
    for (int i = 0; roles[i] != NULL; i++)
        if ((files[i] = find_role(folder, names, roles[i], error)) == NULL)
            return NULL;
    return g_steal_pointer(&files);
}
