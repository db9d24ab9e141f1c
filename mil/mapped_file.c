#include "mil/mapped_file.h"

#include <errno.h>
#include <sys/stat.h>

GMappedFile *mt_map_plain_file(const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    struct stat status;

    if (stat(path, &status) != 0) {
        int saved = errno;
        g_set_error(error, MT_ERROR, saved == ENOENT ? MT_ERROR_MISSING : MT_ERROR_IO, "%s",
                    saved == ENOENT ? "no such file" : g_strerror(saved));
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "not a plain file");
        return NULL;
    }
    GMappedFile *map = g_mapped_file_new(path, FALSE, &cause);
    if (map == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "%s", cause->message);
    return map;
}
