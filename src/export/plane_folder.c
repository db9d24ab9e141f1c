#include "src/export/plane_folder.h"

#include "src/base/alloc.h"
#include "src/base/publish.h"
#include "src/export/packed_stream.h"
#include "src/export/plane_png.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

static GBytes *draw_plane(mt_plane_feed *f, int64_t k, const mt_plane_look *look, int64_t size[2], GError **error)
{
    uint8_t *plane = mt_alloc((int64_t)mt_plane_feed_bytes(f), 1, error);
    GBytes  *png = plane != NULL && mt_plane_feed_read(f, k, plane, error) ? mt_plane_png(f, plane, k, look, size, error) : NULL;

    mt_free(plane);
    return png;
}

static bool write_single(mt_plane_feed *f, int64_t k, const mt_plane_look *look, const char *path, bool replace, int64_t size[2],
                         GError **error)
{
    g_autoptr(GBytes) png = draw_plane(f, k, look, size, error);
    g_autoptr(mt_packed_stream) s = png != NULL ? mt_packed_stream_begin(path, false, error) : NULL;
    size_t         n = 0;
    const uint8_t *bytes = png != NULL ? g_bytes_get_data(png, &n) : NULL;

    return s != NULL && mt_packed_stream_write(s, bytes, n, error) && mt_packed_stream_commit(s, replace, error);
}

/* No fsync: the folder is synced as a whole. */
static bool write_member(const char *path, GBytes *png, GError **error)
{
    int              fd;
    size_t           n;
    const uint8_t   *bytes = g_bytes_get_data(png, &n);
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);

    if (temporary == NULL)
        return false;
    if (mt_publish_write(fd, bytes, n, path, error))
        return mt_publish_rename(temporary, fd, path, false, error);
    mt_publish_abandon(temporary, fd);
    return false;
}

static bool write_members(mt_plane_feed *f, const mt_plane_look *look, const char *folder, const mt_convert_params *p, int64_t size[2],
                          GError **error)
{
    for (int64_t k = 0; k < f->size[2]; k++) {
        g_autofree char *name = g_strdup_printf("plane-%04" G_GINT64_FORMAT ".png", k), *path = g_build_filename(folder, name, NULL);
        g_autoptr(GBytes) png = draw_plane(f, k, look, size, error);

        if (png == NULL || !write_member(path, png, error))
            return false;
        if (p->progress != NULL)
            p->progress(p->user, k + 1, f->size[2]);
    }
    return mt_publish_sync(folder, error);
}

static bool is_member(const char *name)
{
    size_t digits = g_str_has_prefix(name, "plane-") ? strspn(name + 6, "0123456789") : 0;

    return digits >= 4 && strcmp(name + 6 + digits, ".png") == 0;
}

/* Removes a folder of planes; one with anything else in it stays as it is. */
static bool remove_folder(const char *folder, GError **error)
{
    const char *name;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (!is_member(name)) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                        "write %s: it is no folder of planes alone (%s), and stays as it is: take another name", folder, name);
            return false;
        }
    if (dir != NULL)
        g_dir_rewind(dir);
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    if (g_rmdir(folder) == 0 || errno == ENOENT)
        return true;
    mt_publish_io_error(error, "remove", folder, errno);
    return false;
}

static char *begin_folder(const char *target, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(target);
    g_autofree char *name = g_strdup_printf(".tmp-%08x%08x", g_random_int(), g_random_int());
    char            *path = g_build_filename(parent, name, NULL);

    if (g_mkdir(path, 0755) == 0)
        return path;
    mt_publish_io_error(error, "create a temporary folder for", target, errno);
    g_free(path);
    return NULL;
}

/* A plane that was begun and could not be written may have left its temporary. */
static void drop_folder(const char *folder)
{
    const char *name;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
}

static bool write_folder(mt_plane_feed *f, const mt_plane_look *look, const char *path, const mt_convert_params *p, int64_t size[2],
                         GError **error)
{
    g_autofree char *temporary = begin_folder(path, error);

    if (temporary == NULL)
        return false;
    if (write_members(f, look, temporary, p, size, error) && (!p->replace || remove_folder(path, error))) {
        if (mt_publish_move(temporary, path))
            return true;
        mt_publish_io_error(error, "publish", path, errno);
    }
    drop_folder(temporary);
    return false;
}

static bool check_plane(const mt_plane_feed *f, const char *path, const mt_convert_params *p, GError **error)
{
    if (p->plane >= f->size[2]) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "it has planes 0 to %" G_GINT64_FORMAT ", no %" G_GINT64_FORMAT, f->size[2] - 1,
                    p->plane);
        return false;
    }
    if (p->plane < 0 && f->size[2] > 1 && g_str_has_suffix(path, ".png")) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "it has %" G_GINT64_FORMAT " planes and %s is one picture: pick one by --slice, or name a folder and --to png",
                    f->size[2], path);
        return false;
    }
    return true;
}

bool mt_plane_folder_write(mt_plane_feed *f, const char *path, const mt_convert_params *p, mt_convert_facts *facts, GError **error)
{
    mt_plane_look look;
    int64_t       size[2] = {0};
    bool          all = p->plane < 0 && f->size[2] > 1;

    if (!check_plane(f, path, p, error) || !mt_plane_look_choose(f, p, &look, error))
        return false;
    if (!(all ? write_folder(f, &look, path, p, size, error) : write_single(f, MAX(p->plane, 0), &look, path, p->replace, size, error)))
        return false;
    facts->dtype = look.bits == 16 ? MT_U16 : MT_U8;
    facts->hounsfield = false;
    for (int d = 0; d < 2; d++) {
        facts->spacing_mm[d] *= (double)f->size[d] / (double)size[d];
        facts->size[d] = size[d];
    }
    facts->size[2] = all ? f->size[2] : 1;
    return true;
}
