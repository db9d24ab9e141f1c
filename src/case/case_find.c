/* The source of a result in a folder. */
#include <microtome/case.h>

#include "src/base/refuse.h"

#include <glib/gstdio.h>
#include <string.h>

/* Of the files of `folder` that are called "STEM.anything" the largest (pictures and tables of a slide may lie beside it); else what is called
 * STEM, as the folder of a study. */
static char *largest_named(const char *folder, const char *stem, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, error);
    g_autofree char *found = NULL;
    goffset          most = -2;
    const char      *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        GStatBuf         about;
        const char      *rest = g_str_has_prefix(name, stem) ? name + strlen(stem) : NULL;
        if (rest == NULL || (*rest != '.' && *rest != '\0') || g_stat(path, &about) != 0)
            continue;
        goffset size = *rest == '\0' ? -1 : about.st_size;
        if (size < most || (size == most && strcmp(path, found) > 0))
            continue;
        most = size;
        g_free(found);
        found = g_steal_pointer(&path);
    }
    return g_steal_pointer(&found);
}

char *mt_case_find(const char *slides, const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *stem = g_path_get_basename(path);

    if (!g_file_test(slides, G_FILE_TEST_IS_DIR))
        return g_strdup(slides);
    if (g_str_has_suffix(stem, ".h5"))
        stem[strlen(stem) - 3] = '\0';
    g_autofree char *plain = g_uri_unescape_string(stem, NULL), *id = plain != NULL ? g_steal_pointer(&plain) : g_strdup(stem);
    g_autofree char *name = g_path_get_basename(id), *inside = g_path_get_dirname(id), *folder = g_build_filename(slides, inside, NULL);
    g_auto(GStrv) parts = g_strsplit(id, "/", -1);
    char *slide = g_path_is_absolute(id) || g_strv_contains((const char *const *)parts, "..") ? NULL : largest_named(folder, name, &cause);
    if (slide == NULL)
        mt_refuse(error, MT_ERROR_MISSING, "find the slide of %s: %s has no file %s.*", path, slides, id);
    return slide;
}
