/* Folders that appear whole. */
#include "src/base/publish_folder.h"

#include "src/base/publish.h"

#include <errno.h>
#include <glib/gstdio.h>

void mt_publish_folder_remove(const char *path)
{
    g_autoptr(GDir) dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *inside = g_build_filename(path, name, NULL);
        mt_publish_folder_remove(inside);
    }
    g_remove(path);
}

static char *beside(const char *target, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(target);
    char            *pattern = g_build_filename(parent, ".tmp-XXXXXX", NULL);

    if (g_mkdtemp_full(pattern, 0755) != NULL)
        return pattern;
    mt_publish_io_error(error, "write", target, errno);
    g_free(pattern);
    return NULL;
}

char *mt_publish_folder_begin(const char *target, bool replace, GError **error)
{
    if (replace || !g_file_test(target, G_FILE_TEST_EXISTS))
        return beside(target, error);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write %s: it exists already, and is not to be replaced", target);
    return NULL;
}

static bool move_over(const char *temporary, const char *target, GError **error)
{
    g_autofree char *old = g_file_test(target, G_FILE_TEST_EXISTS) ? beside(target, error) : NULL;

    if (old != NULL && g_rename(target, old) != 0) { /* over the empty folder */
        mt_publish_io_error(error, "replace", target, errno);
        g_rmdir(old);
        return false;
    }
    if (g_rename(temporary, target) == 0) {
        if (old != NULL)
            mt_publish_folder_remove(old);
        return true;
    }
    mt_publish_io_error(error, "write", target, errno);
    if (old != NULL)
        g_rename(old, target);
    return false;
}

bool mt_publish_folder_commit(const char *temporary, const char *target, bool replace, GError **error)
{
    bool ok = mt_publish_sync(temporary, error);

    if (ok && replace)
        ok = move_over(temporary, target, error);
    else if (ok && !mt_publish_move(temporary, target)) {
        mt_publish_io_error(error, "write", target, errno);
        ok = false;
    }
    if (!ok)
        mt_publish_folder_remove(temporary);
    return ok;
}
