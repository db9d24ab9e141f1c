#include "src/case/file_medium.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PAUSE_MS 20
/* Not an errno: the file ends before the wanted bytes do. */
#define CUT_SHORT (-1)

struct mt_file_medium {
    mt_medium_calls calls;
    char           *path;
    int             fd; /* the number stays while what it stands for may be opened again */
    uint64_t        size;
    struct timespec changed_at;
    /* atomic */
    int      gone; /* the errno that said so */
    bool     is_another;
    unsigned lost_in_a_row;
    uint64_t reads, bytes, retries;
};

static int system_open(const char *path, void *user)
{
    (void)user;
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int system_stat(int fd, struct stat *status, void *user)
{
    (void)user;
    return fstat(fd, status);
}

static ssize_t system_pread(int fd, void *out, size_t size, off_t offset, void *user)
{
    (void)user;
    return pread(fd, out, size, offset);
}

static void system_pause(int ms, void *user)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)user;
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static int64_t system_now_us(void *user)
{
    (void)user;
    return g_get_monotonic_time();
}

static int64_t system_waits(void *user)
{
    struct rusage usage;

    (void)user;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

const mt_medium_calls mt_medium_system = {
    .open = system_open, .stat = system_stat, .pread = system_pread, .pause = system_pause, .now_us = system_now_us, .waits = system_waits};

/* A place of the medium is bad; the rest of it may well be read. */
static bool is_bad_place(int code)
{
    return code == EIO || code == ENODATA || code == EILSEQ || code == EBADMSG || code == EUCLEAN;
}

/* The open file is no longer one for the system; a new one under the same name may be. */
static bool wants_reopen(int code)
{
    return code == ESTALE || code == ENODEV || code == ENOTCONN || code == ECONNABORTED || code == ENXIO;
}

static int open_with_facts(const mt_medium_calls *calls, const char *path, struct stat *status)
{
    int fd = calls->open(path, calls->user);

    if (fd >= 0 && (calls->stat(fd, status, calls->user) != 0 || S_ISDIR(status->st_mode))) {
        int code = S_ISDIR(status->st_mode) ? EISDIR : errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

/* What will not be otherwise in a moment. */
static bool is_final_for_open(int code)
{
    return code == ENOENT || code == ENOTDIR || code == EACCES || code == EPERM || code == EISDIR || code == ELOOP || code == ENAMETOOLONG;
}

mt_file_medium *mt_file_medium_open(const char *path, const mt_medium_calls *calls, GError **error)
{
    struct stat status = {0};
    int         fd = open_with_facts(calls, path, &status);

    for (int i = 1; fd < 0 && i < MT_MEDIUM_TRIES && !is_final_for_open(errno); i++) {
        calls->pause(FIRST_PAUSE_MS << (i - 1), calls->user);
        fd = open_with_facts(calls, path, &status);
    }
    if (fd < 0) {
        g_set_error(error, MT_ERROR, errno == ENOENT || errno == ENOTDIR ? MT_ERROR_MISSING : MT_ERROR_IO, "open: %s", g_strerror(errno));
        return NULL;
    }
    mt_file_medium *self = g_new0(mt_file_medium, 1);
    self->calls = *calls;
    self->path = g_strdup(path);
    self->fd = fd;
    self->size = (uint64_t)status.st_size;
    self->changed_at = status.st_mtim;
    return self;
}

void mt_file_medium_close(mt_file_medium *self)
{
    if (self == NULL)
        return;
    close(self->fd);
    g_free(self->path);
    g_free(self);
}

uint64_t mt_file_medium_size(const mt_file_medium *self)
{
    return self->size;
}

mt_medium_watch mt_file_medium_watch(const mt_file_medium *self)
{
    return (mt_medium_watch){.start_us = self->calls.now_us(self->calls.user), .waits = self->calls.waits(self->calls.user)};
}

int64_t mt_file_medium_waited_us(const mt_file_medium *self, mt_medium_watch since)
{
    int64_t waits = self->calls.waits(self->calls.user);

    return waits != 0 && waits == since.waits ? 0 : self->calls.now_us(self->calls.user) - since.start_us;
}

void mt_file_medium_will_read(const mt_file_medium *self, uint64_t offset, uint64_t size)
{
    posix_fadvise(self->fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED); /* advice: nothing is lost when it fails */
}

/* Put the file of the same name behind our number; readers under way keep the old one until they return.  0 or an errno.
 * Size and time of change must agree: a mount made anew may number its files otherwise. */
static int reopen(mt_file_medium *self)
{
    struct stat status = {0};
    int         fd = open_with_facts(&self->calls, self->path, &status), code = 0;

    if (fd < 0)
        return errno;
    if ((uint64_t)status.st_size != self->size || status.st_mtim.tv_sec != self->changed_at.tv_sec ||
        status.st_mtim.tv_nsec != self->changed_at.tv_nsec)
        __atomic_store_n(&self->is_another, true, __ATOMIC_RELAXED);
    else if (dup3(fd, self->fd, O_CLOEXEC) < 0)
        code = errno;
    close(fd);
    return code;
}

/* 0, CUT_SHORT or an errno. */
static int attempt(mt_file_medium *self, uint64_t offset, uint64_t size, uint8_t *out)
{
    uint64_t done = 0;
    ssize_t  n;

    while (done < size) {
        n = self->calls.pread(self->fd, out + done, size - done, (off_t)(offset + done), self->calls.user);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? CUT_SHORT : errno;
        done += (uint64_t)n;
    }
    __atomic_fetch_add(&self->reads, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&self->bytes, size, __ATOMIC_RELAXED);
    __atomic_store_n(&self->lost_in_a_row, 0, __ATOMIC_RELAXED);
    return 0;
}

/* A file found to be gone or another one is not asked again: nobody waits through the tries of every tile. */
static bool is_given_up(const mt_file_medium *self, GError **error)
{
    int gone = __atomic_load_n(&self->gone, __ATOMIC_RELAXED);

    if (__atomic_load_n(&self->is_another, __ATOMIC_RELAXED))
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "the file has changed since it was opened");
    else if (gone != 0)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "the storage is gone: %s", g_strerror(gone));
    else
        return false;
    return true;
}

static bool set_failure(mt_file_medium *self, int code, GError **error)
{
    bool bad_place = is_bad_place(code);

    if (bad_place && __atomic_add_fetch(&self->lost_in_a_row, 1, __ATOMIC_RELAXED) < MT_MEDIUM_LOST_RANGES) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "the storage does not give it: %s, %d times", g_strerror(code), MT_MEDIUM_TRIES);
        return false;
    }
    __atomic_store_n(&self->gone, code, __ATOMIC_RELAXED);
    if (bad_place)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "the storage is gone: %s at %d places in a row", g_strerror(code), MT_MEDIUM_LOST_RANGES);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "the storage is gone: %s, %d times", g_strerror(code), MT_MEDIUM_TRIES);
    return false;
}

bool mt_file_medium_read(mt_file_medium *self, uint64_t offset, uint64_t size, void *out, GError **error)
{
    int code = 0;

    for (int i = 0; i < MT_MEDIUM_TRIES; i++) {
        int unopened = 0;

        if (i > 0) {
            self->calls.pause(FIRST_PAUSE_MS << (i - 1), self->calls.user);
            __atomic_fetch_add(&self->retries, 1, __ATOMIC_RELAXED);
            unopened = wants_reopen(code) ? reopen(self) : 0;
        }
        if (is_given_up(self, error))
            return false;
        if (unopened != 0)
            continue; /* the reason it was wanted for stays */
        code = attempt(self, offset, size, out);
        if (code == 0)
            return true;
        if (code == CUT_SHORT) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "the file is cut short");
            return false;
        }
    }
    return set_failure(self, code, error);
}

bool mt_file_medium_try(mt_file_medium *self, uint64_t offset, uint64_t size, void *out)
{
    int code = is_given_up(self, NULL) ? CUT_SHORT : attempt(self, offset, size, out);

    if (code != 0 && code != CUT_SHORT)
        __atomic_fetch_add(&self->retries, 1, __ATOMIC_RELAXED);
    return code == 0;
}

void mt_file_medium_counts(const mt_file_medium *self, uint64_t *reads, uint64_t *bytes, uint64_t *retries)
{
    *reads = __atomic_load_n(&self->reads, __ATOMIC_RELAXED);
    *bytes = __atomic_load_n(&self->bytes, __ATOMIC_RELAXED);
    *retries = __atomic_load_n(&self->retries, __ATOMIC_RELAXED);
}
