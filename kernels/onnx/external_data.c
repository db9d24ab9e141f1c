#include "kernels/onnx/external_data.h"

#include "src/base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct mt_external_data {
    char       *folder;
    GHashTable *by_location; /* location -> GBytes, owned by `files` */
    GPtrArray  *files;
};

mt_external_data *mt_external_data_new(const char *folder)
{
    mt_external_data *external = g_new0(mt_external_data, 1);

    external->folder = g_strdup(folder);
    external->by_location = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    external->files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return external;
}

void mt_external_data_free(mt_external_data *external)
{
    if (external == NULL)
        return;
    g_free(external->folder);
    g_hash_table_unref(external->by_location);
    g_ptr_array_unref(external->files);
    g_free(external);
}

bool mt_external_data_has_folder(const mt_external_data *external)
{
    return external->folder != NULL;
}

GPtrArray *mt_external_data_files(mt_external_data *external)
{
    return external->files;
}

static bool refuse(const char *location, const char *why, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "external data '%s': %s", location, why);
    return false;
}

static bool check_location(const char *location, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(location, "/", -1);
    bool below = *location != '\0' && !g_path_is_absolute(location);

    for (char **part = parts; *part != NULL; part++)
        below = below && strcmp(*part, "..") != 0;
    return below || refuse(location, "only files below the model's own folder are followed", error);
}

/* Folder by folder from a descriptor, each without following links, so that no swap of a folder leads outside. */
static int open_below(const char *folder, const char *location)
{
    g_auto(GStrv) parts = g_strsplit(location, "/", -1);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (char **part = parts; *part != NULL && fd >= 0; part++) {
        if (**part == '\0' || strcmp(*part, ".") == 0)
            continue;
        int kind = part[1] != NULL ? O_DIRECTORY : O_NONBLOCK; /* a pipe must not make us wait */
        int next = openat(fd, *part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind);
        int saved = errno;

        close(fd);
        errno = saved;
        fd = next;
    }
    return fd;
}

static bool check_file(int fd, const char *location, GError **error)
{
    struct stat status;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return refuse(location, "not a regular file", error);
    if (status.st_nlink > 1)
        return refuse(location, "a file with hard links may belong to another folder; copy it", error);
    if (status.st_size > MT_LIMIT_EXTERNAL_BYTES)
        return refuse(location, "larger than the limit of 64 GiB", error);
    return true;
}

static GBytes *map_file(mt_external_data *external, const char *location, GError **error)
{
    int fd = open_below(external->folder, location);

    if (fd < 0) {
        refuse(location, errno == ELOOP || errno == ENOTDIR ? "symbolic links are not followed" : g_strerror(errno), error);
        return NULL;
    }
    GError *local = NULL;
    bool    ok = check_file(fd, location, error);
    g_autoptr(GMappedFile) map = ok ? g_mapped_file_new_from_fd(fd, FALSE, &local) : NULL;
    close(fd);
    if (ok && map == NULL)
        refuse(location, local->message, error);
    g_clear_error(&local);
    return map == NULL ? NULL : g_mapped_file_get_bytes(map);
}

static GBytes *find_file(mt_external_data *external, const char *location, GError **error)
{
    GBytes *file = g_hash_table_lookup(external->by_location, location);

    if (file != NULL)
        return file;
    if (external->folder == NULL) {
        refuse(location, "a model in memory has no folder to look in; load it from its file", error);
        return NULL;
    }
    if (!check_location(location, error) || (file = map_file(external, location, error)) == NULL)
        return NULL;
    g_ptr_array_add(external->files, file);
    g_hash_table_insert(external->by_location, g_strdup(location), file);
    return file;
}

GBytes *mt_external_data_slice(mt_external_data *external, const char *location, int64_t offset, int64_t length, GError **error)
{
    GBytes *file = find_file(external, location, error);

    if (file == NULL)
        return NULL;
    int64_t bytes = (int64_t)g_bytes_get_size(file);
    if (offset < 0 || offset > bytes || length < -1 || length > bytes - offset) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "external data '%s': %" G_GINT64_FORMAT " bytes at %" G_GINT64_FORMAT " are wanted, the file has %" G_GINT64_FORMAT,
                    location, length, offset, bytes);
        return NULL;
    }
    return g_bytes_new_from_bytes(file, (gsize)offset, (gsize)(length < 0 ? bytes - offset : length));
}
