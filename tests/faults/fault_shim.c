/* A library for LD_PRELOAD that makes the k-th change below a folder go wrong, counted over all processes of a batch.
 *   FAULT_UNDER   the folder, absolute            FAULT_STATE   a file of 4,096 bytes shared by the processes: the counts
 *   FAULT_AT      k, from 1; 0: none              FAULT_DO      kill, group, stop (the group), short, or an errno (ENOSPC, ...)
 *   FAULT_ALWAYS  1: every one from k on          FAULT_ONLY    sync, write: calls whose names hold that alone are counted
 *   FAULT_LOG     a file that gets one line per change: number, process, call, result, path [, new path]
 *   FAULT_BY_NAME 1: a process that writes the unfinished result of a case dies when the case's id ends in -segv, -abrt or -ill, waits
 *                 for ever for -hang, computes for ever for -spin, gets no more memory for -nomem, and the first time alone when it ends in -segv-once, ...
 * A change is what can be lost or half done: write, pwrite, writev, ftruncate, open that creates, mkdir, rename, link, unlink, fsync. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

typedef struct fault_state {
    _Atomic unsigned long changes, hits;
    _Atomic unsigned long crashed[510]; /* hashes of the names that have had theirs; a confined worker makes no files elsewhere */
} fault_state;

static struct {
    fault_state  *state;
    const char   *under;
    unsigned long at;
    const char   *only; /* part of the names of the calls that count */
    bool          always, kills, stops, whole_group, shortens, by_name, no_memory;
    int           errno_value, log_fd;
} shim = {.log_fd = -1};

static const struct {
    const char *name;
    int         value;
} ERRNOS[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO}, {"EINTR", EINTR}, {"EROFS", EROFS}};

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && *value == '1';
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULT_STATE"), *what = getenv("FAULT_DO"), *at = getenv("FAULT_AT"), *log = getenv("FAULT_LOG");
    const char *only = getenv("FAULT_ONLY");
    int         fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(fault_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    shim.under = getenv("FAULT_UNDER");
    if (mapped == MAP_FAILED || shim.under == NULL)
        return;
    shim.at = at != NULL ? strtoul(at, NULL, 10) : 0;
    shim.always = is_set("FAULT_ALWAYS");
    shim.only = only != NULL ? only : "";
    shim.whole_group = what != NULL && strcmp(what, "group") == 0;
    shim.by_name = is_set("FAULT_BY_NAME");
    shim.stops = what != NULL && strcmp(what, "stop") == 0;
    shim.kills = shim.whole_group || (what != NULL && strcmp(what, "kill") == 0);
    shim.shortens = what != NULL && strcmp(what, "short") == 0;
    for (size_t i = 0; what != NULL && i < sizeof ERRNOS / sizeof *ERRNOS; i++)
        if (strcmp(what, ERRNOS[i].name) == 0)
            shim.errno_value = ERRNOS[i].value;
    if (log != NULL)
        shim.log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    shim.state = mapped;
}

/* The function that would have been called; ISO C knows no other way from dlsym to a pointer to function. */
static void find(const char *name, void *function)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    if (symbol == NULL)
        _exit(127);
    memcpy(function, &symbol, sizeof symbol);
}

static bool is_under(const char *path)
{
    size_t n = shim.under != NULL ? strlen(shim.under) : 0;

    return shim.state != NULL && path != NULL && strncmp(path, shim.under, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool path_of(int fd, char path[PATH_MAX])
{
    char name[64];

    if (shim.state == NULL)
        return false;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, PATH_MAX - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    return is_under(path);
}

/* A call that is one of the changes: its number, and whether it is the one (or one of those) that goes wrong. */
typedef struct change {
    unsigned long number;
    bool          fails, shortened;
} change;

static change count(const char *call)
{
    change c = {0};

    if (strstr(call, shim.only) == NULL)
        return c;
    c.number = 1 + atomic_fetch_add(&shim.state->changes, 1);
    if (shim.at == 0 || !(c.number == shim.at || (shim.always && c.number > shim.at)))
        return c;
    atomic_fetch_add(&shim.state->hits, 1);
    if (shim.kills) {
        kill(shim.whole_group ? 0 : getpid(), SIGKILL);
        for (;;)
            pause();
    }
    if (shim.stops)
        kill(0, SIGSTOP);
    c.shortened = shim.shortens;
    c.fails = shim.errno_value != 0;
    return c;
}

#define LARGE_BYTES 65536

extern void *__libc_malloc(size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

/* A process that gets no more memory: large pieces alone, which tiles and features are. */
static bool is_refused(size_t bytes)
{
    if (!shim.no_memory || bytes < LARGE_BYTES)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    return is_refused(bytes) ? NULL : __libc_malloc(bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return is_refused(bytes) ? NULL : __libc_memalign(alignment, bytes);
}

/* True for who comes first with this name. */
static bool is_first(const char *name)
{
    const size_t  n = sizeof shim.state->crashed / sizeof *shim.state->crashed;
    unsigned long hash = 5381;

    for (const char *p = name; *p != '\0'; p++)
        hash = hash * 33 + (unsigned char)*p;
    hash |= 1; /* 0 is a free place */
    for (size_t i = 0; i < n; i++) {
        unsigned long there = 0;
        if (atomic_compare_exchange_strong(&shim.state->crashed[(hash + i) % n], &there, hash))
            return true;
        if (there == hash)
            return false;
    }
    return false;
}

static void go_wrong(const char *how)
{
    static const struct {
        const char *name;
        int         signal_number;
    } crashes[] = {{"segv", SIGSEGV}, {"abrt", SIGABRT}, {"ill", SIGILL}};
    volatile unsigned turns = 0;

    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        if (strcmp(how, crashes[i].name) == 0) {
            signal(crashes[i].signal_number, SIG_DFL);
            raise(crashes[i].signal_number);
        }
    if (strcmp(how, "nomem") == 0)
        shim.no_memory = true;
    if (strcmp(how, "hang") == 0)
        for (;;)
            pause();
    if (strcmp(how, "spin") == 0)
        for (;;)
            turns++;
}

/* What a case's name asks for; a process that goes on after a crash would be a fault of the test. */
static void crash_by_name(const char *path)
{
    const char *name = strrchr(path, '/');
    char        id[256];

    if (!shim.by_name || name == NULL || strncmp(name, "/.tmp-", 6) != 0)
        return;
    name = strrchr(name, '.'); /* .tmp-<run>.<epoch>-<id>: the epoch may be another at the second attempt */
    name = name != NULL ? strchr(name, '-') : NULL;
    if (name == NULL || strlen(name) >= sizeof id)
        return;
    strcpy(id, name + 1);
    char *last = strrchr(id, '-');
    bool  once = last != NULL && strcmp(last, "-once") == 0;
    if (once && !is_first(id))
        return;
    if (once)
        *last = '\0';
    last = strrchr(id, '-');
    if (last != NULL)
        go_wrong(last + 1);
}

static void tell(change c, const char *call, long result, const char *path, const char *new_path)
{
    char line[2 * PATH_MAX + 128];
    int  saved = errno;

    if (shim.log_fd < 0)
        return;
    int n = snprintf(line, sizeof line, "%lu\t%d\t%s\t%ld\t%s\t%s\n", c.number, (int)getpid(), call, result, path, new_path);
    syscall(SYS_write, shim.log_fd, line, (size_t)n);
    errno = saved;
}

static long fail(change c, const char *call, const char *path, const char *new_path)
{
    errno = shim.errno_value;
    tell(c, call, -1, path, new_path);
    return -1;
}

#define THROUGH(call, path, new_path, real)                                                                                                \
    do {                                                                                                                                   \
        change c_ = count(call);                                                                                                           \
        if (c_.fails)                                                                                                                      \
            return (int)fail(c_, call, path, new_path);                                                                                    \
        int result_ = (real);                                                                                                              \
        tell(c_, call, result_, path, new_path);                                                                                           \
        return result_;                                                                                                                    \
    } while (0)

ssize_t write(int fd, const void *data, size_t bytes)
{
    ssize_t (*real)(int, const void *, size_t);
    char path[PATH_MAX];

    find("write", &real);
    if (!path_of(fd, path))
        return real(fd, data, bytes);
    change c = count("write");
    if (c.fails)
        return fail(c, "write", path, "");
    ssize_t n = real(fd, data, c.shortened && bytes > 1 ? bytes / 2 : bytes);
    tell(c, "write", n, path, "");
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t);
    char path[PATH_MAX];

    find("pwrite", &real);
    if (!path_of(fd, path))
        return real(fd, data, bytes, at);
    crash_by_name(path);
    change c = count("pwrite");
    if (c.fails)
        return fail(c, "pwrite", path, "");
    ssize_t n = real(fd, data, c.shortened && bytes > 1 ? bytes / 2 : bytes, at);
    tell(c, "pwrite", n, path, "");
    return n;
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at)
{
    return pwrite(fd, data, bytes, at);
}

ssize_t writev(int fd, const struct iovec *parts, int n_parts)
{
    ssize_t (*real)(int, const struct iovec *, int);
    char path[PATH_MAX];

    find("writev", &real);
    if (!path_of(fd, path))
        return real(fd, parts, n_parts);
    change c = count("writev");
    if (c.fails)
        return fail(c, "writev", path, "");
    ssize_t n = real(fd, parts, c.shortened ? 1 : n_parts);
    tell(c, "writev", n, path, "");
    return n;
}

static int change_file(const char *call, int fd)
{
    int (*real)(int);
    char path[PATH_MAX];

    find(call, &real);
    if (!path_of(fd, path))
        return real(fd);
    THROUGH(call, path, "", real(fd));
}

int fsync(int fd)
{
    return change_file("fsync", fd);
}

int fdatasync(int fd)
{
    return change_file("fdatasync", fd);
}

int syncfs(int fd)
{
    return change_file("syncfs", fd);
}

int ftruncate(int fd, off_t size)
{
    int (*real)(int, off_t);
    char path[PATH_MAX];

    find("ftruncate", &real);
    if (!path_of(fd, path))
        return real(fd, size);
    THROUGH("ftruncate", path, "", real(fd, size));
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

static int open_it(const char *symbol, const char *path, int flags, mode_t mode)
{
    int (*real)(const char *, int, ...);

    find(symbol, &real);
    if ((flags & (O_CREAT | O_TRUNC)) == 0 || !is_under(path))
        return real(path, flags, mode);
    THROUGH("create", path, "", real(path, flags, mode));
}

int open(const char *path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open_it("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open_it("open64", path, flags, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *);

    find("fopen64", &real);
    if (!is_under(path) || strpbrk(mode, "wa+") == NULL)
        return real(path, mode);
    change c = count("create");
    if (c.fails)
        return fail(c, "create", path, ""), NULL;
    FILE *file = real(path, mode);
    tell(c, "create", file != NULL, path, "");
    return file;
}

FILE *fopen(const char *path, const char *mode)
{
    return fopen64(path, mode);
}

static int change_name(const char *call, const char *path)
{
    int (*real)(const char *);

    find(call, &real);
    if (!is_under(path))
        return real(path);
    THROUGH(call, path, "", real(path));
}

int unlink(const char *path)
{
    return change_name("unlink", path);
}

int remove(const char *path)
{
    return change_name("remove", path);
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t);
    struct stat status;

    find("mkdir", &real);
    if (!is_under(path) || stat(path, &status) == 0)
        return real(path, mode);
    THROUGH("mkdir", path, "", real(path, mode));
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *);

    find("rename", &real);
    if (!is_under(to))
        return real(from, to);
    THROUGH("rename", from, to, real(from, to));
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    int (*real)(int, const char *, int, const char *, unsigned);

    find("renameat2", &real);
    if (!is_under(to))
        return real(from_folder, from, to_folder, to, flags);
    THROUGH("rename", from, to, real(from_folder, from, to_folder, to, flags));
}

int link(const char *from, const char *to)
{
    int (*real)(const char *, const char *);

    find("link", &real);
    if (!is_under(to))
        return real(from, to);
    THROUGH("link", from, to, real(from, to));
}
