#include "src/case/file_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct mt_file_bytes {
    int            fd;
    uint64_t       size;
    mt_file_counts counts; /* atomic */
};

mt_file_bytes *mt_file_bytes_open(const char *path, GError **error)
{
    struct stat status;
    int         fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) != 0) {
        g_set_error(error, MT_ERROR, errno == ENOENT ? MT_ERROR_MISSING : MT_ERROR_IO, "open: %s", g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    mt_file_bytes *self = g_new0(mt_file_bytes, 1);
    self->fd = fd;
    self->size = (uint64_t)status.st_size;
    return self;
}

void mt_file_bytes_free(mt_file_bytes *self)
{
    if (self == NULL)
        return;
    close(self->fd);
    g_free(self);
}

uint64_t mt_file_bytes_size(const mt_file_bytes *self)
{
    return self->size;
}

bool mt_file_bytes_read(mt_file_bytes *self, uint64_t offset, uint64_t size, void *out, GError **error)
{
    uint64_t done = 0;

    while (done < size) {
        ssize_t n = pread(self->fd, (uint8_t *)out + done, size - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s", n < 0 ? g_strerror(errno) : "the file is cut short");
            return false;
        }
        done += (uint64_t)n;
    }
    __atomic_fetch_add(&self->counts.reads, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&self->counts.bytes, size, __ATOMIC_RELAXED);
    return true;
}

bool mt_file_bytes_ahead(mt_file_bytes *self, uint64_t offset, uint64_t size)
{
    (void)self, (void)offset, (void)size;
    return true;
}

mt_file_counts mt_file_bytes_counts(const mt_file_bytes *self)
{
    return self->counts;
}
