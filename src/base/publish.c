#include "src/base/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

int64_t mt_publish_room(const char *target)
{
    g_autofree char *folder = g_path_get_dirname(target);
    struct statvfs   fs;
    int              failed;

    /* of what is there yet of the path */
    while ((failed = statvfs(folder, &fs)) != 0 && errno == ENOENT && strlen(folder) > 1) {
        char *above = g_path_get_dirname(folder);
        g_free(folder);
        folder = above;
    }
    if (failed != 0 || fs.f_blocks == 0) /* some of the network count nothing */
        return -1;
    return (int64_t)MIN((double)fs.f_bavail * (double)fs.f_frsize, 0x1p62);
}

bool mt_publish_check_room(const char *target, const char *what, int64_t bytes, GError **error)
{
    int64_t room = mt_publish_room(target);

    if (room < 0 || bytes <= room)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "write %s: %s take %.1f MB (%.1f MB free): make room and run again to resume", target, what,
                (double)bytes / 1e6, (double)room / 1e6);
    return false;
}

void mt_publish_io_error(GError **error, const char *doing, const char *path, int saved_errno)
{
    int64_t room = saved_errno == ENOSPC || saved_errno == EDQUOT ? mt_publish_room(path) : -1;

    if (room >= 0)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "%s %s: %s (%.1f MB free): make room and run again to resume", doing, path,
                    g_strerror(saved_errno), (double)room / 1e6);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "%s %s: %s", doing, path, g_strerror(saved_errno));
}

char *mt_publish_begin(const char *target, int *fd, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(target);
    uint64_t         tag;

    if (getrandom(&tag, sizeof tag, 0) != (ssize_t)sizeof tag)
        tag = ((uint64_t)g_random_int() << 32) | g_random_int();
    g_autofree char *name = g_strdup_printf(".tmp-%016" G_GINT64_MODIFIER "x", tag);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    return mt_publish_begin_as(path, target, fd, error) ? g_steal_pointer(&path) : NULL;
}

char *mt_publish_temporary_of(const char *target, int pid)
{
    g_autofree char *folder = g_path_get_dirname(target), *base = g_path_get_basename(target);
    g_autofree char *name = g_strdup_printf(".tmp-%s-%d-%s", g_get_host_name(), pid, base);

    return g_build_filename(folder, name, NULL);
}

bool mt_publish_begin_as(const char *temporary, const char *target, int *fd, GError **error)
{
    *fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (*fd < 0)
        mt_publish_io_error(error, "create a temporary file for", target, errno);
    return *fd >= 0;
}

static int rename_file(const char *temporary, const char *target, bool replace)
{
    if (replace)
        return rename(temporary, target);
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, target, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(temporary, target) != 0) /* file systems without renameat2 */
        return -1;
    unlink(temporary);
    return 0;
}

bool mt_publish_move(const char *from, const char *to)
{
    return rename_file(from, to, false) == 0;
}

/* A signal may come while a network's server is waited for. */
static int sync_file(int fd)
{
    int result;

    while ((result = fsync(fd)) != 0 && errno == EINTR)
        ;
    return result;
}

static bool sync_folder(const char *target, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(target);
    int              fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool             ok = fd >= 0 && (sync_file(fd) == 0 || errno == EINVAL);

    if (!ok)
        mt_publish_io_error(error, "sync folder", folder, errno);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Closes fd and gives the file its name; the temporary is removed on failure. */
static bool close_and_rename(const char *temporary, int fd, const char *target, bool replace, GError **error)
{
    if (close(fd) != 0) {
        mt_publish_io_error(error, "write", target, errno);
        mt_publish_abandon(temporary, -1);
        return false;
    }
    if (rename_file(temporary, target, replace) == 0)
        return true;
    if (errno == EEXIST)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "publish %s: it exists already, and results are never overwritten", target);
    else
        mt_publish_io_error(error, "publish", target, errno);
    mt_publish_abandon(temporary, -1);
    return false;
}

bool mt_publish_rename(const char *temporary, int fd, const char *target, bool replace, GError **error)
{
    return close_and_rename(temporary, fd, target, replace, error);
}

bool mt_publish_commit(const char *temporary, int fd, const char *target, bool replace, GError **error)
{
    if (sync_file(fd) != 0) {
        mt_publish_io_error(error, "write", target, errno);
        mt_publish_abandon(temporary, fd);
        return false;
    }
    if (!close_and_rename(temporary, fd, target, replace, error))
        return false;
    if (sync_folder(target, error))
        return true;
    if (!replace) /* a name that a power cut may take away is no result: it is made again */
        unlink(target);
    return false;
}

bool mt_publish_sync(const char *folder, GError **error)
{
    int  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && syncfs(fd) == 0;

    if (!ok)
        mt_publish_io_error(error, "sync folder", folder, errno);
    if (fd >= 0)
        close(fd);
    return ok;
}

void mt_publish_abandon(const char *temporary, int fd)
{
    if (fd >= 0)
        close(fd);
    unlink(temporary);
}

bool mt_publish_write(int fd, const void *data, size_t bytes, const char *target, GError **error)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, (const char *)data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            mt_publish_io_error(error, "write", target, errno);
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

bool mt_publish_text(const char *target, const char *text, bool replace, GError **error)
{
    int              fd;
    g_autofree char *temporary = mt_publish_begin(target, &fd, error);

    if (temporary == NULL)
        return false;
    if (!mt_publish_write(fd, text, strlen(text), target, error)) {
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_commit(temporary, fd, target, replace, error);
}
