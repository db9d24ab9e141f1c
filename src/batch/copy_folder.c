#include "src/batch/copy_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_PREFIX "microtome-copies-"
#define OWNER_NAME "OWNER"
#define FIRST_LINE "microtome copies 1"
#define OWNER_BYTES (1 << 26)

/* OWNER holds the first line, "host H", "pid P START" and a line "file NAME" for each file, written before the file is made;
 * NAME is escaped as in C.  It is locked as long as the owner lives. */
struct mt_copy_folder {
    char           *path;
    int             owner_fd;
    pthread_mutex_t lock;
    GPtrArray      *files; /* relative */
};

/* When a process began, in the kernel's ticks: tells it from a later one of the same number.  0: there is none. */
static unsigned long long start_of_process(long pid)
{
    g_autofree char   *path = g_strdup_printf("/proc/%ld/stat", pid), *text = NULL;
    unsigned long long start = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    const char *after_name = strrchr(text, ')');
    if (after_name == NULL ||
        sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start) != 1)
        return 0;
    return start;
}

static bool write_line(int fd, const char *line)
{
    size_t n = strlen(line);

    return write(fd, line, n) == (ssize_t)n;
}

static bool is_inside(const char *relative)
{
    g_auto(GStrv) parts = g_strsplit(relative, "/", -1);

    for (char **part = parts; *part != NULL; part++)
        if (**part == '\0' || strcmp(*part, ".") == 0 || strcmp(*part, "..") == 0)
            return false;
    return parts[0] != NULL && parts[1] != NULL; /* NUMBER/name at least: never OWNER */
}

/* The file, then the folders above it that are empty now. */
static void delete_file(const char *folder, const char *relative)
{
    g_autofree char *path = g_build_filename(folder, relative, NULL), *above = g_path_get_dirname(path);

    if (!is_inside(relative))
        return;
    unlink(path);
    while (strlen(above) > strlen(folder) && rmdir(above) == 0) {
        char *next = g_path_get_dirname(above);
        g_free(above);
        above = next;
    }
}

/* `text` is what an OWNER says: is it ours to judge, and is the owner dead? */
static bool is_of_dead(char **lines)
{
    long               pid = 0;
    unsigned long long start = 0;

    if (g_strv_length(lines) < 3 || strcmp(lines[0], FIRST_LINE) != 0 || !g_str_has_prefix(lines[1], "host ") ||
        sscanf(lines[2], "pid %ld %llu", &pid, &start) != 2)
        return false;
    return strcmp(lines[1] + strlen("host "), g_get_host_name()) == 0 && start_of_process(pid) != start;
}

static void delete_listed(const char *folder, char **lines)
{
    for (char **line = lines; *line != NULL; line++) {
        if (line[1] == NULL || !g_str_has_prefix(*line, "file ")) /* the last one may be half a line */
            continue;
        g_autofree char *relative = g_strcompress(*line + strlen("file "));
        delete_file(folder, relative);
    }
}

/* Only a folder of our own user, and only with its lock. */
static void delete_left_behind(const char *folder)
{
    g_autofree char *owner = g_build_filename(folder, OWNER_NAME, NULL);
    struct stat      status;
    int              fd = lstat(folder, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid()
                              ? open(owner, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
                              : -1;

    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 && status.st_size < OWNER_BYTES) {
        g_autofree char *text = g_malloc0((gsize)status.st_size + 1);
        ssize_t          n = pread(fd, text, (size_t)status.st_size, 0);
        g_auto(GStrv) lines = g_strsplit(n > 0 ? text : "", "\n", -1);
        if (is_of_dead(lines)) {
            delete_listed(folder, lines);
            unlink(owner);
            rmdir(folder);
        }
    }
    close(fd);
}

static void delete_all_left_behind(const char *parent)
{
    g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *folder = g_build_filename(parent, name, NULL);
        if (g_str_has_prefix(name, FOLDER_PREFIX))
            delete_left_behind(folder);
    }
}

/* Under its name only once it is locked: no other run finds it without an owner. */
static int make_owner(const char *folder)
{
    g_autofree char *owner = g_build_filename(folder, OWNER_NAME, NULL), *temporary = g_strconcat(owner, ".tmp", NULL);
    g_autofree char *text =
        g_strdup_printf(FIRST_LINE "\nhost %s\npid %ld %llu\n", g_get_host_name(), (long)getpid(), start_of_process(getpid()));
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0)
        return -1;
    /* a file system without locks: the process's number and start have to do */
    bool ok = (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS) && write_line(fd, text) &&
              rename(temporary, owner) == 0;
    if (ok)
        return fd;
    int code = errno;
    unlink(temporary);
    close(fd);
    errno = code;
    return -1;
}

mt_copy_folder *mt_copy_folder_new(const char *parent, GError **error)
{
    g_autofree char *folder = g_build_filename(parent, FOLDER_PREFIX "XXXXXX", NULL);
    bool             made = g_mkdir_with_parents(parent, 0755) == 0;

    if (made) {
        delete_all_left_behind(parent);
        made = mkdtemp(folder) != NULL; /* 0700: nobody else puts links there */
    }
    int fd = made ? make_owner(folder) : -1;
    if (fd < 0) {
        int code = errno;
        if (made)
            rmdir(folder);
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "make local copies in %s: %s: choose a folder that can be written", parent,
                    g_strerror(code));
        return NULL;
    }
    mt_copy_folder *self = g_new0(mt_copy_folder, 1);
    self->path = g_steal_pointer(&folder);
    self->owner_fd = fd;
    self->files = g_ptr_array_new_with_free_func(g_free);
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

static void delete_under(mt_copy_folder *self, const char *prefix)
{
    pthread_mutex_lock(&self->lock);
    for (guint i = self->files->len; i-- > 0;) {
        const char *relative = self->files->pdata[i];
        if (!g_str_has_prefix(relative, prefix))
            continue;
        delete_file(self->path, relative);
        g_ptr_array_remove_index(self->files, i);
    }
    pthread_mutex_unlock(&self->lock);
}

void mt_copy_folder_free(mt_copy_folder *self)
{
    if (self == NULL)
        return;
    g_autofree char *owner = g_build_filename(self->path, OWNER_NAME, NULL);
    delete_under(self, "");
    unlink(owner);
    rmdir(self->path); /* stays when somebody else put a file there */
    close(self->owner_fd);
    pthread_mutex_destroy(&self->lock);
    g_ptr_array_unref(self->files);
    g_free(self->path);
    g_free(self);
}

char *mt_copy_folder_path(const mt_copy_folder *self, int number, const char *relative)
{
    g_autofree char *name = g_strdup_printf("%d", number);

    return g_build_filename(self->path, name, relative, NULL);
}

/* On disk first: what is made can always be found again. */
static bool list_file(mt_copy_folder *self, const char *relative)
{
    g_autofree char *escaped = g_strescape(relative, NULL), *line = g_strconcat("file ", escaped, "\n", NULL);

    pthread_mutex_lock(&self->lock);
    bool ok = write_line(self->owner_fd, line);
    if (ok)
        g_ptr_array_add(self->files, g_strdup(relative));
    pthread_mutex_unlock(&self->lock);
    return ok;
}

bool mt_copy_folder_create(mt_copy_folder *self, int number, const char *relative, int *fd, GError **error)
{
    g_autofree char *path = mt_copy_folder_path(self, number, relative), *above = g_path_get_dirname(path);
    g_autofree char *listed = g_strdup_printf("%d/%s", number, relative);

    *fd = -1;
    if (is_inside(listed) && list_file(self, listed) && g_mkdir_with_parents(above, 0700) == 0)
        *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*fd < 0)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "%s", g_strerror(errno));
    return *fd >= 0;
}

void mt_copy_folder_delete(mt_copy_folder *self, int number)
{
    g_autofree char *prefix = g_strdup_printf("%d/", number);

    delete_under(self, prefix);
}
