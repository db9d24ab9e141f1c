/* A folder seen through storage that is slow and fails: a read-only FUSE file system for the tests.
 * usage: slow_fs FOLDER MOUNTPOINT -f [-o delay_ms=N,bad=FROM-TO,bad_times=N,stale_times=N,gone_at=OFFSET,gone_times=N,direct,log=FILE] */
#define FUSE_USE_VERSION 35
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct slow_fs {
    char     *folder;
    int       folder_fd;
    long long gone_at;
    /* options */
    int   delay_ms;    /* of each read */
    char *bad;         /* bytes FROM-TO of every file give EIO */
    int   bad_times;   /* only so often; 0: for ever */
    int   stale_times; /* the first reads give ESTALE */
    int   gone_times;  /* the file system dies at this read of the byte `gone_at`; 0: never */
    int   direct;      /* past the page cache */
    char *log;         /* a line "offset size path" for each read */
    /* under the lock */
    pthread_mutex_t lock;
    FILE           *log_file;
    long long       bad_from, bad_to, reads, bad_reads, gone_reads;
} slow_fs;

static slow_fs *fs(void)
{
    return fuse_get_context()->private_data;
}

/* Relative to the folder's descriptor: the mount may lie over it. */
static const char *inner(const char *path)
{
    return path[1] == '\0' ? "." : path + 1;
}

static int get_attributes(const char *path, struct stat *status, struct fuse_file_info *info)
{
    (void)info;
    return fstatat(fs()->folder_fd, inner(path), status, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

static int read_link(const char *path, char *out, size_t size)
{
    ssize_t n = readlinkat(fs()->folder_fd, inner(path), out, size - 1);

    if (n < 0)
        return -errno;
    out[n] = '\0';
    return 0;
}

static int read_folder(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info,
                       enum fuse_readdir_flags flags)
{
    int            fd = openat(fs()->folder_fd, inner(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR           *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    (void)offset, (void)info, (void)flags;
    if (folder == NULL)
        return -errno;
    while ((entry = readdir(folder)) != NULL)
        fill(buffer, entry->d_name, NULL, 0, 0);
    closedir(folder);
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
    if ((info->flags & O_ACCMODE) != O_RDONLY)
        return -EROFS;
    int fd = openat(fs()->folder_fd, inner(path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    info->fh = (uint64_t)fd;
    info->direct_io = fs()->direct != 0;
    return 0;
}

/* The fault of this read, 0 when it has none. */
static int next_fault(slow_fs *s, const char *path, long long from, long long to)
{
    int fault = 0;

    pthread_mutex_lock(&s->lock);
    s->reads++;
    if (s->log_file != NULL)
        fprintf(s->log_file, "%lld %lld %s\n", from, to - from, path);
    if (from <= s->gone_at && to > s->gone_at && ++s->gone_reads == s->gone_times)
        kill(getpid(), SIGKILL);
    if (s->reads <= s->stale_times)
        fault = ESTALE;
    else if (from < s->bad_to && to > s->bad_from && (s->bad_times == 0 || s->bad_reads++ < s->bad_times))
        fault = EIO;
    pthread_mutex_unlock(&s->lock);
    return fault;
}

static int read_file(const char *path, char *out, size_t size, off_t offset, struct fuse_file_info *info)
{
    slow_fs        *s = fs();
    struct timespec left = {.tv_sec = s->delay_ms / 1000, .tv_nsec = (long)(s->delay_ms % 1000) * 1000000};
    int             fault = next_fault(s, path, offset, offset + (long long)size);

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    if (fault != 0)
        return -fault;
    ssize_t n = pread((int)info->fh, out, size, offset);
    return n >= 0 ? (int)n : -errno;
}

static int close_file(const char *path, struct fuse_file_info *info)
{
    (void)path;
    close((int)info->fh);
    return 0;
}

static void *start(struct fuse_conn_info *connection, struct fuse_config *config)
{
    config->use_ino = 1;
    config->kernel_cache = 1; /* as of a file that does not change */
    connection->max_background = 64;
    return fs();
}

static const struct fuse_operations operations = {
    .getattr = get_attributes,
    .readlink = read_link,
    .readdir = read_folder,
    .open = open_file,
    .read = read_file,
    .release = close_file,
    .init = start,
};

#define OPTION(text, member)                                                                                                               \
    {                                                                                                                                      \
        text, offsetof(slow_fs, member), 1                                                                                                 \
    }
static const struct fuse_opt options[] = {
    OPTION("delay_ms=%d", delay_ms),
    OPTION("bad=%s", bad),
    OPTION("bad_times=%d", bad_times),
    OPTION("stale_times=%d", stale_times),
    OPTION("gone_at=%lld", gone_at),
    OPTION("gone_times=%d", gone_times),
    OPTION("direct", direct),
    OPTION("log=%s", log),
    FUSE_OPT_END,
};

/* The first word that is no option is the folder; FUSE gets the rest. */
static int keep_folder(void *data, const char *word, int key, struct fuse_args *rest)
{
    slow_fs *s = data;

    (void)rest;
    if (key != FUSE_OPT_KEY_NONOPT || s->folder != NULL)
        return 1;
    s->folder = strdup(word);
    return 0;
}

int main(int argc, char **argv)
{
    struct fuse_args arguments = FUSE_ARGS_INIT(argc, argv);
    slow_fs          s = {.lock = PTHREAD_MUTEX_INITIALIZER};

    if (fuse_opt_parse(&arguments, &s, options, keep_folder) != 0 || s.folder == NULL) {
        fprintf(stderr, "usage: slow_fs FOLDER MOUNTPOINT -f [-o options]\n");
        return 64;
    }
    s.folder_fd = open(s.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s.log_file = s.log != NULL ? fopen(s.log, "w") : NULL;
    if (s.folder_fd < 0 || (s.log != NULL && s.log_file == NULL) ||
        (s.bad != NULL && sscanf(s.bad, "%lld-%lld", &s.bad_from, &s.bad_to) != 2)) {
        fprintf(stderr, "slow_fs: %s, %s, %s: %s\n", s.folder, s.log != NULL ? s.log : "", s.bad != NULL ? s.bad : "", strerror(errno));
        return 66;
    }
    if (s.log_file != NULL)
        setlinebuf(s.log_file);
    fuse_opt_add_arg(&arguments, "-omax_threads=128,max_idle_threads=128,ro");
    int result = fuse_main(arguments.argc, arguments.argv, &operations, &s);
    fuse_opt_free_args(&arguments);
    return result;
}
