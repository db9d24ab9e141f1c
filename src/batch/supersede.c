#include "src/batch/supersede.h"

#include "src/base/publish.h"

#include <errno.h>

#define VERSIONS 10000

char *mt_supersede(const char *out, const char *name, const char *target, GError **error)
{
    g_autofree char *folder = g_build_filename(out, "superseded", NULL);

    if (g_mkdir_with_parents(folder, 0755) != 0) {
        mt_publish_io_error(error, "create folder", folder, errno);
        return NULL;
    }
    for (int n = 1; n < VERSIONS; n++) {
        g_autofree char *below = g_strdup_printf("superseded/%s.%d.h5", name, n), *path = g_build_filename(out, below, NULL);
        if (mt_publish_move(target, path))
            return g_steal_pointer(&below);
        if (errno != EEXIST) {
            g_set_error(error, MT_ERROR, MT_ERROR_IO, "move %s to %s: %s", target, path, g_strerror(errno));
            return NULL;
        }
    }
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "move %s: superseded/ is full of its older versions", target);
    return NULL;
}
